#include "envs/alfworld/episode_replay.h"

#include <filesystem>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/files.h"
#include "envs/alfworld/archive.h"
#include "envs/alfworld/game_file.h"
#include "envs/alfworld/play.h"

namespace sojourn::envs::alfworld {
namespace {

using nlohmann::json;

class Comparison {
 public:
  void Expect(std::string_view what, const json& recorded, const json& ours) {
    if (recorded == ours) return;
    differences_.push_back(
        absl::StrCat(what, ": recorded ", recorded.dump(), ", ours ", ours.dump()));
  }
  std::vector<std::string> Take() { return std::move(differences_); }

 private:
  std::vector<std::string> differences_;
};

json Commands(const Play& play) {
  json commands = json::array();
  for (const Play::Command& command : play.admissible()) commands.push_back(command.text);
  return commands;
}

void CompareState(std::string_view where, const json& recorded, const std::string& feedback,
                  bool done, const Play& play, Comparison& compare) {
  compare.Expect(absl::StrCat(where, ", feedback"), recorded.at("feedback"), feedback);
  compare.Expect(absl::StrCat(where, ", admissible commands"), recorded.at("admissible_commands"),
                 Commands(play));
  compare.Expect(absl::StrCat(where, ", won"), recorded.at("won"), play.won());
  compare.Expect(absl::StrCat(where, ", done"), recorded.at("done"), done);
}

absl::Status CompareNames(const std::string& name, const json& table, const RecordedGames& games,
                          Comparison& compare) {
  const auto game = games.Find(name);
  if (!game.ok()) return game.status();
  std::vector<std::string> ids, types, names;
  for (const auto& [id, entity] : table.items()) {  // sorted by id
    ids.push_back(id);
    types.push_back(entity.at(0).get<std::string>());
    names.push_back(entity.at(1).get<std::string>());
  }
  std::vector<std::string> our_types;
  for (const Type type : (*game)->types()) our_types.emplace_back(TypeName(type));
  compare.Expect(absl::StrCat(name, ", types"), types, our_types);
  compare.Expect(absl::StrCat(name, ", names"), names, (*game)->names());
  compare.Expect(absl::StrCat(name, ", names of the ids"), names, NamesOf(ids));
  return absl::OkStatus();
}

}  // namespace

struct RecordedGames::Shelf {
  using Found = absl::StatusOr<std::shared_ptr<const Game>>;

  void Put(const std::string& name, const std::string& place,
           const absl::StatusOr<std::string>& text) {
    auto file = text.ok() ? reader.Parse(*text) : absl::StatusOr<GameFile>(text.status());
    games.emplace(
        name, file.ok() ? Found(std::move(file->game))
                        : Found(absl::Status(file.status().code(),
                                             absl::StrCat(place, ": ", file.status().message()))));
  }

  std::vector<std::string> folders;
  std::mutex mutex;  // of the rest
  GameReader reader;
  std::map<std::string, Found> games;
  bool has_archives = false;  // they are read
};

RecordedGames::RecordedGames() : shelf_(std::make_shared<Shelf>()) {}

RecordedGames RecordedGames::Beside(const std::string& recording_path) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path folder = fs::absolute(recording_path, error).lexically_normal().parent_path();
  RecordedGames games;
  games.shelf_->folders.push_back(folder.string());
  for (int up = 0; up < 4 && folder.has_relative_path(); ++up) {
    games.shelf_->folders.push_back((folder / "alfworld").string());
    folder = folder.parent_path();
  }
  return games;
}

absl::StatusOr<std::shared_ptr<const Game>> RecordedGames::Find(const std::string& name) const {
  Shelf& shelf = *shelf_;
  const std::lock_guard lock(shelf.mutex);
  auto found = shelf.games.find(name);
  if (found != shelf.games.end()) return found->second;
  std::error_code error;
  for (const std::string& folder : shelf.folders) {
    const std::string path = absl::StrCat(folder, "/", name);
    if (!std::filesystem::is_regular_file(path, error)) continue;
    shelf.Put(name, path, ReadFile(path, kMostGameBytes));
    return shelf.games.at(name);
  }
  if (!std::exchange(shelf.has_archives, true)) {
    for (const std::string& folder : shelf.folders) {
      std::filesystem::directory_iterator at(folder, error);
      for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
        const std::string path = at->path().string();
        if (!absl::EndsWith(path, ".tar.xz")) continue;
        (void)ForEachFileInArchive(path, ".tw-pddl", kMostGameBytes,
                                   [&](const std::string& inside, const std::string& text) {
                                     shelf.Put(
                                         std::filesystem::path(inside).lexically_normal().string(),
                                         absl::StrCat(path, ":", inside), text);
                                   });
      }
    }
  }
  // Archives may have a folder around the recorded paths.
  const std::string end = absl::StrCat("/", name);
  for (const auto& [path, game] : shelf.games) {
    if (path == name || absl::EndsWith(path, end)) return game;
  }
  return absl::NotFoundError(absl::StrCat("no game ", name,
                                          "; it is looked for, and archives *.tar.xz with it, in ",
                                          absl::StrJoin(shelf.folders, ", ")));
}

absl::StatusOr<std::vector<std::string>> ReplayEpisode(const json& line,
                                                       const RecordedGames& games) {
  try {
    Comparison compare;
    if (!line.contains("game")) {
      for (const auto& [name, table] : line.items()) {
        absl::Status status = CompareNames(name, table, games, compare);
        if (!status.ok()) return status;
      }
      return compare.Take();
    }
    const auto game = games.Find(line.at("game").get<std::string>());
    if (!game.ok()) return game.status();
    Play play(*game);
    CompareState("reset", line.at("reset"), play.Intro(), false, play, compare);
    const json& steps = line.at("steps");
    for (size_t i = 0; i < steps.size(); ++i) {
      const auto action = steps[i].at("action").get<std::string>();
      const std::string where = absl::StrCat("step ", i + 1, " \"", action, "\"");
      const Play::Reply reply = play.Step(action);
      CompareState(where, steps[i], reply.text, play.won(), play, compare);
      compare.Expect(absl::StrCat(where, ", score"), steps[i].at("score"), play.won() ? 1 : 0);
    }
    return compare.Take();
  } catch (const json::exception& error) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a recorded ALFWorld episode: ", error.what()));
  }
}

}  // namespace sojourn::envs::alfworld
