// A player that solves a household's task, and what else competent players do.
#ifndef SOJOURN_ENVS_ALFWORLD_EXPERT_H_
#define SOJOURN_ENVS_ALFWORLD_EXPERT_H_

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/alfworld/goal.h"
#include "envs/alfworld/play.h"
#include "envs/environment.h"

namespace sojourn::envs::alfworld {

// Looks for things where they may be, in the order of the list, and remembers what it has seen.
// After so many receptacles it knows where the thing is: large households have more than a turn
// limit allows to look into.
class Expert {
 public:
  static constexpr int kMostLooks = 6;

  // A new game begins.
  void Reset(const Play& play);
  // What a reply shows.
  void Note(const Play::Reply& reply);

  // The next command that leads to the aim from the present state. NotFound when there is no way.
  absl::StatusOr<Instance::Advice> Advise(const Play& play, const Aim& aim) const;

 private:
  friend class Step;
  std::vector<bool> seen_;  // by receptacle
  int looks_ = 0;
};

// An aim that has nothing to do with the given one: something else is put somewhere else. None when
// there is nothing else to do.
std::optional<Aim> OtherAim(const Play& play, const Aim& aim);

// How much of an aim is reached, 0 to 1: the object in hand, as it shall be, where it shall be.
double Progress(const Play& play, const Aim& aim);

}  // namespace sojourn::envs::alfworld

#endif  // SOJOURN_ENVS_ALFWORLD_EXPERT_H_
