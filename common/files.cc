#include "common/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace sojourn {
namespace {

absl::Status Error(const std::string& doing, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot ", doing));
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Error("open", path);
  const auto closer = absl::MakeCleanup([fd] { close(fd); });
  struct stat info {};
  if (fstat(fd, &info) != 0) return Error("read", path);
  if (S_ISDIR(info.st_mode))
    return absl::FailedPreconditionError(absl::StrCat(path, ": is a directory; expected a file"));
  std::string content;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = read(fd, buffer, sizeof(buffer));
    if (n == 0) return content;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error("read", path);
    content.append(buffer, n);
    if (static_cast<int64_t>(content.size()) > max_bytes) {
      return absl::OutOfRangeError(absl::StrCat(path, ": larger than ", max_bytes, " bytes"));
    }
  }
}

absl::Status WriteFileAtomically(const std::string& path, std::string_view content) {
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (folder.empty()) folder = ".";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    return absl::ErrnoToStatus(error.value(),
                               absl::StrCat(folder.string(), ": cannot make the folder"));

  const std::string part = path + ".part";
  const int fd = open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return Error("create", part);
  auto remove = absl::MakeCleanup([&] { unlink(part.c_str()); });
  auto closer = absl::MakeCleanup([fd] { close(fd); });
  while (!content.empty()) {
    const ssize_t n = write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error("write", part);
    content.remove_prefix(n);
  }
  if (fsync(fd) != 0) return Error("sync", part);
  std::move(closer).Cancel();
  if (close(fd) != 0) return Error("close", part);
  if (rename(part.c_str(), path.c_str()) != 0) return Error("rename to its final name", part);
  std::move(remove).Cancel();

  const int folder_fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_fd < 0) return Error("open", folder.string());
  const auto folder_closer = absl::MakeCleanup([folder_fd] { close(folder_fd); });
  if (fsync(folder_fd) != 0) return Error("sync", folder.string());
  return absl::OkStatus();
}

}  // namespace sojourn
