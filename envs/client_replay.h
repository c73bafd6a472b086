#ifndef SOJOURN_ENVS_CLIENT_REPLAY_H_
#define SOJOURN_ENVS_CLIENT_REPLAY_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sojourn::envs {

// Compares what AgentGym's client of an environment made of a response, or how it opens its
// conversation, with ours: `line` is {"client", "response", "posted_action" or "local_state"} or
// {"client", "conversation_start": [{"from", "value"}, ...]}. Every difference in words.
// InvalidArgument when the line is not of this form, NotFound for an unknown client.
absl::StatusOr<std::vector<std::string>> ReplayClientParse(const nlohmann::json& line);

}  // namespace sojourn::envs

#endif  // SOJOURN_ENVS_CLIENT_REPLAY_H_
