// The shortest way from what a player holds to an item.
#ifndef SOJOURN_ENVS_TEXTCRAFT_PLANNER_H_
#define SOJOURN_ENVS_TEXTCRAFT_PLANNER_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "envs/textcraft/game.h"

namespace sojourn::envs::textcraft {

struct Plan {
  struct Craft {
    int recipe;
    std::vector<int> inputs;  // the item for each ingredient; for a tag the member that is taken
  };
  struct Get {
    int name;
    int count;
  };
  std::vector<Craft> crafts;  // in an order that works, repeated where a recipe is made repeatedly
  std::vector<Get> gets;      // what they take beyond what is held, each item once

  int turns() const { return static_cast<int>(crafts.size() + gets.size()); }
};

// A plan of the fewest turns that carries out one of `targets` (recipes of the game's book) once,
// by the recipes that the game lists alone. Among those that make an item one recipe is taken for
// all of it at each place where the item is needed. nullopt when there is no way.
std::optional<Plan> FindPlan(const Game& game, absl::Span<const int> targets);

// The first action of a plan, and what for: all of an item at once, just before the first recipe
// that needs it ("for oak planks using 1 oak logs"), or a recipe ("make oak planks").
struct NextAction {
  std::string thought, action;
};
NextAction FirstAction(const Game& game, const Plan& plan);

}  // namespace sojourn::envs::textcraft

#endif  // SOJOURN_ENVS_TEXTCRAFT_PLANNER_H_
