// TextCraft as an environment: craft the goal by the listed recipes. A task's difficulty is the
// depth of the goal's recipe tree, 1 to 4.
#ifndef SOJOURN_ENVS_TEXTCRAFT_TEXTCRAFT_H_
#define SOJOURN_ENVS_TEXTCRAFT_TEXTCRAFT_H_

#include <memory>

#include "absl/status/statusor.h"
#include "envs/environment.h"

namespace sojourn::envs {

const Spec& TextCraftSpec();

// Options (defaults in the spec):
//   recipes      "real": Minecraft's, as AgentGym plays them. Every fifth of a depth's goals is a
//                test goal (108 of 544); an index beyond the number of goals shows the same goals
//                with other distractors in another order.
//                "fresh": recipes made new for every task (fresh_world.h).
//   distractors  how many recipes are shown that the goal does not need, 0 to 20; with real recipes
//                as many as AgentGym has for the goal, if that is fewer.
//
// The reward is the original's: 1 when the goal is made, else 0. Actions are cleaned as AgentGym's
// client cleans them (react.h) before they are played.
absl::StatusOr<std::unique_ptr<Environment>> MakeTextCraft(const Options& options);

}  // namespace sojourn::envs

#endif  // SOJOURN_ENVS_TEXTCRAFT_TEXTCRAFT_H_
