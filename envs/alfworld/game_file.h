// ALFWorld's game files, game.tw-pddl: JSON with "pddl_domain", "grammar", "pddl_problem",
// "solvable" and "walkthrough".
#ifndef SOJOURN_ENVS_ALFWORLD_GAME_FILE_H_
#define SOJOURN_ENVS_ALFWORLD_GAME_FILE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "envs/alfworld/game.h"

namespace sojourn::envs::alfworld {

inline constexpr int64_t kMostGameBytes = 4 << 20;

struct GameFile {
  std::shared_ptr<const Game> game;
  std::vector<std::string> walkthrough;
};

// Reads files; what many of them have in common, it reads and keeps once. Not thread-safe.
class GameReader {
 public:
  // InvalidArgument names the part of the file and the line in it.
  absl::StatusOr<GameFile> Parse(std::string_view text);

  // As Parse, with the path before what is wrong. NotFound when there is no such file.
  absl::StatusOr<GameFile> Read(const std::string& path);

 private:
  absl::flat_hash_map<std::string, absl::StatusOr<Rules>> rules_;  // by the domain's text
  // by the text of the grammar without its task, and whether there is help
  absl::flat_hash_map<std::string, absl::StatusOr<std::shared_ptr<const Grammar>>> grammars_;
};

}  // namespace sojourn::envs::alfworld

#endif  // SOJOURN_ENVS_ALFWORLD_GAME_FILE_H_
