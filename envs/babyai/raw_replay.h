// Recorded MiniGrid traces, replayed: grids, views, rewards and missions must be the same, bit for bit.
#ifndef SOJOURN_ENVS_BABYAI_RAW_REPLAY_H_
#define SOJOURN_ENVS_BABYAI_RAW_REPLAY_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sojourn::envs::babyai {

// The differences of one trace (a line with gym_id, seed, grid, steps, ...); none when it is equal.
// InvalidArgument when the line is not such a trace.
absl::StatusOr<std::vector<std::string>> ReplayRaw(const nlohmann::json& trace);

}  // namespace sojourn::envs::babyai

#endif  // SOJOURN_ENVS_BABYAI_RAW_REPLAY_H_
