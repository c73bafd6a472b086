// Replays recorded episodes of AgentGym's TextCraft server against ours.
#ifndef SOJOURN_ENVS_TEXTCRAFT_EPISODE_REPLAY_H_
#define SOJOURN_ENVS_TEXTCRAFT_EPISODE_REPLAY_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sojourn::envs::textcraft {

// `line` is {"data_idx", "reset": {"observation", ...}, "steps": [{"action", "observation",
// "reward", "done"} or {"action", "response": {"error"}}]} and may have "goal", "depth",
// "tree_recipes" and "distractor_pool". Returns every difference in words; none means that ours is
// the same.
//
// The commands of the first observation are compared as a set: all of the goal's tree, and as many
// others as the original draws, out of the same pool (which ones, and the order, depend on Python's
// hash seed). Everything else is compared exactly.
// InvalidArgument when the line is not of this form.
absl::StatusOr<std::vector<std::string>> ReplayEpisode(const nlohmann::json& line);

}  // namespace sojourn::envs::textcraft

#endif  // SOJOURN_ENVS_TEXTCRAFT_EPISODE_REPLAY_H_
