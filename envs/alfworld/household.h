// Made-up households with a task: any number of them, by seed.
#ifndef SOJOURN_ENVS_ALFWORLD_HOUSEHOLD_H_
#define SOJOURN_ENVS_ALFWORLD_HOUSEHOLD_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/alfworld/game.h"
#include "envs/alfworld/goal.h"
#include "envs/alfworld/problem.h"
#include "envs/environment.h"

namespace sojourn::envs::alfworld {

inline constexpr int kFewestReceptacles = 12;
inline constexpr int kMostReceptacles = 50;

struct Household {
  Problem problem;
  std::string task;  // the sentence
  std::string
      title;  // "pick_heat_then_place_in_recep-Apple-None-Fridge-1", as the original's folders
};

// The household of a task: one room with at most `receptacles` receptacles. It can be solved, and
// is not solved at the start. The splits share no first observation: a hash of what it shows (the
// receptacles and the task) sends one in five to the test split.
Household MakeHousehold(uint64_t seed, Split split, Kind kind, int64_t index, int receptacles);

// Plays like the file of HouseholdText.
absl::StatusOr<std::shared_ptr<const Game>> MakeGame(const Household& household);

// As a file game.tw-pddl.
std::string HouseholdText(const Household& household, const std::vector<std::string>& walkthrough);

}  // namespace sojourn::envs::alfworld

#endif  // SOJOURN_ENVS_ALFWORLD_HOUSEHOLD_H_
