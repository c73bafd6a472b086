// Replays recorded transcripts of AgentGym's BabyAI server and compares every character.
#ifndef SOJOURN_ENVS_BABYAI_EPISODE_REPLAY_H_
#define SOJOURN_ENVS_BABYAI_EPISODE_REPLAY_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sojourn::envs::babyai {

// `line` is {data_idx, reset: PAYLOAD, steps?: [{action, observation, reward, score, done} or
// {action, response: {error}}], level?, level_name?, seed?}, where PAYLOAD is {observation, reward,
// score, deleted, done} or {error}; other keys are ignored. The environment has the id 0.
// Returns one line per difference, none if the episode replays exactly. Replay goes on after a
// difference. InvalidArgument when the line has another form.
absl::StatusOr<std::vector<std::string>> ReplayEpisode(const nlohmann::json& line);

}  // namespace sojourn::envs::babyai

#endif  // SOJOURN_ENVS_BABYAI_EPISODE_REPLAY_H_
