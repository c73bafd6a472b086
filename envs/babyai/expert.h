// Players of BabyAI that know the whole level and act through AgentGym's composite actions.
#ifndef SOJOURN_ENVS_BABYAI_EXPERT_H_
#define SOJOURN_ENVS_BABYAI_EXPERT_H_

#include "absl/status/statusor.h"
#include "envs/babyai/minigrid.h"
#include "envs/babyai/mission.h"
#include "envs/babyai/scene.h"
#include "envs/environment.h"

namespace sojourn::envs::babyai {

// The next action towards the instruction's end, in few turns: goes to, opens, picks up and puts
// next, fetches keys for locked doors, carries objects out of the way. It keeps no state of its
// own, so it can take over anywhere. Each turn it takes the composite action that ends nearest to
// where it has to be. NotFound when no available action leads on: a key inside a box (AgentGym
// offers no way to open one), a door that is to be opened but stands open.
absl::StatusOr<Instance::Advice> AdviseExpert(const Scene& scene, const MiniGrid& grid,
                                              const Mission& mission);

// Does with the first-listed object that it can act on what the instruction wants done with some
// object: goes to it, picks it up or opens it. Turns left when there is none in view.
Instance::Advice AdviseGoalBlind(const Scene& scene, const MiniGrid& grid, const Mission& mission);

}  // namespace sojourn::envs::babyai

#endif  // SOJOURN_ENVS_BABYAI_EXPERT_H_
