#include "envs/alfworld/game_folder.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "envs/alfworld/archive.h"
#include "envs/alfworld/game_file.h"

namespace sojourn::envs::alfworld {
namespace {

constexpr std::string_view kSuffix = ".tw-pddl";

std::string Join(const std::filesystem::path& folder, const std::string& name) {
  return (folder / name).lexically_normal().string();
}

}  // namespace

void ForEachGameFile(const std::string& directory,
                     const std::function<void(const std::string& name, const std::string& place,
                                              absl::StatusOr<std::string> text)>& visit) {
  namespace fs = std::filesystem;
  std::vector<std::string> paths;
  std::error_code error;
  for (fs::recursive_directory_iterator
           at(directory, fs::directory_options::skip_permission_denied, error),
       end;
       !error && at != end; at.increment(error)) {
    const std::string path = at->path().string();
    std::error_code ignored;
    if ((absl::EndsWith(path, ".tw-pddl") || absl::EndsWith(path, ".tar.xz")) &&
        at->is_regular_file(ignored)) {
      paths.push_back(path);
    }
  }
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    const fs::path name = fs::path(path).lexically_relative(directory);
    if (absl::EndsWith(path, ".tw-pddl")) {
      visit(name.string(), path, ReadFile(path, kMostGameBytes));
      continue;
    }
    const absl::Status status = ForEachFileInArchive(
        path, kSuffix, kMostGameBytes, [&](const std::string& inside, std::string text) {
          visit(Join(name.parent_path(), inside), absl::StrCat(path, ":", inside), std::move(text));
        });
    if (!status.ok()) visit(name.string(), path, status);
  }
}

}  // namespace sojourn::envs::alfworld
