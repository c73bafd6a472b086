// BabyAI as an Environment: AgentGym's 40 levels with its observations and composite actions.
#ifndef SOJOURN_ENVS_BABYAI_BABYAI_H_
#define SOJOURN_ENVS_BABYAI_BABYAI_H_

#include <memory>

#include "absl/status/statusor.h"
#include "envs/environment.h"

namespace sojourn::envs {

// Difficulty: AgentGym's level number, 1..40.
//
// Tasks: AgentGym trains on seeds 0..44 of each level and tests on 45..49. Those are the train
// indices 0..44 and the test indices 0..4 here. Later indices go on for a million train and a
// hundred thousand test tasks per level, with seeds of 2048 and more: index i of a split tries the
// seeds 2048 * (i + 1) + 2 * n (+ 1 for test), n = 0, 1, ..., and takes the first whose level
// belongs to the split. Levels are told apart by what they hold (instruction, grid, agent), not by
// seed, because small ones come again under many seeds: one level in eight, picked by a hash, is
// for test, except that AgentGym's own 50 stay with their split. So beyond AgentGym's own indices,
// whose overlap (if any) is the study's, no test level is ever trained on.
//
// A turn's reward is MiniGrid's for the action's last primitive, 1 - 0.9 * steps / max_steps when
// it completes the instruction and 0 otherwise, as AgentGym's server reports it (slightly below 0
// when the last action ran past the step limit); with reward=success it is 1 when the instruction
// is completed. An episode ends where the original's does not always: when the instruction is
// completed, whatever the reward, and when the step limit is reached. A failure (the wrong object
// or door in a strict level) does not end it, as with AgentGym. Completing an instruction in
// passing, within a composite action that goes on, does not count, as with AgentGym.
//
// Action text is taken as AgentGym's client sends it: what is not a letter, a digit, a comma or a
// space is dropped and spaces are squeezed.
const Spec& BabyAISpec();

// Options: action_list = true | false, reward = agentgym | success. InvalidArgument names what is
// possible.
absl::StatusOr<std::unique_ptr<Environment>> MakeBabyAI(const Options& options);

}  // namespace sojourn::envs

#endif  // SOJOURN_ENVS_BABYAI_BABYAI_H_
