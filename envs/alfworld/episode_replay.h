// Replays recorded episodes of the original ALFWorld text engine against ours.
#ifndef SOJOURN_ENVS_ALFWORLD_EPISODE_REPLAY_H_
#define SOJOURN_ENVS_ALFWORLD_EPISODE_REPLAY_H_

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/alfworld/game.h"

namespace sojourn::envs::alfworld {

// The games that a recording is about, by their path.
class RecordedGames {
 public:
  // Those in the folder of the recording, or in a folder "alfworld" beside it or beside one of the
  // folders that it is in: the first place where there are any.
  static RecordedGames Beside(const std::string& recording_path);

  // All in a folder.
  static RecordedGames In(const std::string& directory);

  // NotFound, or what is wrong with its file.
  absl::StatusOr<std::shared_ptr<const Game>> Find(const std::string& name) const;

 private:
  std::map<std::string, absl::StatusOr<std::shared_ptr<const Game>>> games_;
};

// `line` is {"game", "reset": {"feedback", "admissible_commands", "won", "done"}, "steps": [{"action",
// "feedback", "admissible_commands", "won", "done", "score"}]}: all is compared exactly. Or it is a
// table {GAME: {ID: [TYPE, NAME]}} of entities' names. Returns every difference in words; none means
// that ours is the same. InvalidArgument when the line is not of this form.
absl::StatusOr<std::vector<std::string>> ReplayEpisode(const nlohmann::json& line,
                                                       const RecordedGames& games);

}  // namespace sojourn::envs::alfworld

#endif  // SOJOURN_ENVS_ALFWORLD_EPISODE_REPLAY_H_
