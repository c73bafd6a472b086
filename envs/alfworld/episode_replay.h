// Replays recorded episodes of the original ALFWorld text engine against ours.
#ifndef SOJOURN_ENVS_ALFWORLD_EPISODE_REPLAY_H_
#define SOJOURN_ENVS_ALFWORLD_EPISODE_REPLAY_H_

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/alfworld/game.h"

namespace sojourn::envs::alfworld {

// The games that a recording is about, by their path. They are read when they are asked for.
// Thread-safe.
class RecordedGames {
 public:
  // No games.
  RecordedGames();

  // Looks for a game in the folder of the recording, and in folders "alfworld" beside it and beside
  // the folders that it is in: as a file, and in archives *.tar.xz.
  static RecordedGames Beside(const std::string& recording_path);

  // NotFound, or what is wrong with its file.
  absl::StatusOr<std::shared_ptr<const Game>> Find(const std::string& name) const;

 private:
  struct Shelf;
  std::shared_ptr<Shelf> shelf_;
};

// `line` is {"game", "reset": {"feedback", "admissible_commands", "won", "done"}, "steps":
// [{"action", "feedback", "admissible_commands", "won", "done", "score"}]}: all is compared
// exactly. Or it is a table {GAME: {ID: [TYPE, NAME]}} of entities' names. Returns every difference
// in words; none means that ours is the same. InvalidArgument when the line is not of this form.
absl::StatusOr<std::vector<std::string>> ReplayEpisode(const nlohmann::json& line,
                                                       const RecordedGames& games);

}  // namespace sojourn::envs::alfworld

#endif  // SOJOURN_ENVS_ALFWORLD_EPISODE_REPLAY_H_
