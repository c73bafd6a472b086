// A game's PDDL problem: what there is, what is true at the start, and the goal.
#ifndef SOJOURN_ENVS_ALFWORLD_PROBLEM_H_
#define SOJOURN_ENVS_ALFWORLD_PROBLEM_H_

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/alfworld/facts.h"
#include "envs/alfworld/lisp.h"

namespace sojourn::envs::alfworld {

struct Problem {
  struct Thing {
    std::string id;  // in lower case
    Type type;
    bool is_used = false;  // something is said of it, so that it has a name and a number
  };
  struct Said {
    Predicate predicate;
    int a = 0, b = -1;  // things; b is -1 when the predicate has one argument
  };
  std::vector<Thing> things;
  std::vector<Said> facts;
  Lisp goal;  // the formula

  // The index of the new thing.
  int Add(std::string id, Type type) {
    things.push_back({std::move(id), type});
    return static_cast<int>(things.size()) - 1;
  }
  void Say(Predicate predicate, int a, int b = -1) {
    facts.push_back({predicate, a, b});
    things[a].is_used = true;
    if (b >= 0) things[b].is_used = true;
  }
};

// InvalidArgument ("line 7: ...") for what is no problem of ALFWorld's domain.
absl::StatusOr<Problem> ParseProblem(std::string_view text);

// As PDDL.
std::string ProblemText(const Problem& problem, std::string_view name);

}  // namespace sojourn::envs::alfworld

#endif  // SOJOURN_ENVS_ALFWORLD_PROBLEM_H_
