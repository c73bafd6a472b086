// Replays what was recorded of AgentGym's WebShop server and of its search engine against ours.
#ifndef SOJOURN_ENVS_WEBSHOP_EPISODE_REPLAY_H_
#define SOJOURN_ENVS_WEBSHOP_EPISODE_REPLAY_H_

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/webshop/shop.h"

namespace sojourn::envs::webshop {

// The shop whose data stand where the recordings expect them: in the folder webshop/ beside the
// recording's or that of a folder above (up to three). NotFound says where it was looked for.
absl::StatusOr<std::shared_ptr<const Shop>> ShopOfRecording(const std::string& path);

// `line` is one of
//  - a session: {"session_id", "goal", "reset", "observation", "instruction_text",
//    "reset_available_actions", "steps": [{"action", "state", "reward", "done", "info",
//    "available_actions", "reward_info"}]};
//  - a goal: {"session_id", "asin", "instruction_text", "attributes", "price_upper",
//  "goal_options",
//    "weight", ...};
//  - prices: {asin: price};
//  - a search: {"query", "hits": [[asin, score]]}.
// Returns every difference in words; none means that ours is the same. Everything is compared
// exactly but for scores of a search, which may differ by 0.0001, and for the kind of the purchase,
// which the original's tagger decides: the reward is compared with the recorded r_type in place of
// ours, and title_score not at all. Of search[<r>] the number of results is compared and how many
// are shown, and then the recorded products are taken for ours. InvalidArgument when the line is
// not of these forms.
absl::StatusOr<std::vector<std::string>> ReplayLine(const Shop& shop, const nlohmann::json& line);

}  // namespace sojourn::envs::webshop

#endif  // SOJOURN_ENVS_WEBSHOP_EPISODE_REPLAY_H_
