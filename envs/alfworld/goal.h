// A game's goal: a formula about its state, and what kind of task it is.
#ifndef SOJOURN_ENVS_ALFWORLD_GOAL_H_
#define SOJOURN_ENVS_ALFWORLD_GOAL_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/alfworld/facts.h"
#include "envs/alfworld/lisp.h"

namespace sojourn::envs::alfworld {

// The six kinds of ALFWorld's tasks. Their numbers are the environment's difficulties.
enum class Kind { kLook = 1, kPlace, kClean, kHeat, kCool, kTwo };
inline constexpr int kKinds = 6;

// What a goal of one of the six kinds asks for.
struct Aim {
  Kind kind;
  Entity object_type = kNobody;
  Entity receptacle_type = kNobody;  // where it belongs; none for kLook
  Entity lamp_type = kNobody;        // kLook
  bool sliced = false;
};

class Goal {
 public:
  // What a name in a goal stands for; none: nothing is said of such a thing.
  using Find = std::function<std::optional<Entity>(std::string_view id)>;

  // `types` are those of all entities, `fixed` the facts that never change: a variable is only
  // tried with things that they allow. InvalidArgument for a formula of anything but and, or, not,
  // exists, = and the domain's predicates.
  static absl::StatusOr<Goal> Compile(const Lisp& formula, const Find& find,
                                      const std::vector<Type>& types,
                                      const std::array<Relation, kPredicates>& fixed);

  bool Holds(const World& world) const;

  // None when the goal is of none of the six kinds.
  const std::optional<Aim>& aim() const { return aim_; }

 private:
  friend class GoalCompiler;
  static constexpr int kMostVariables = 24;
  using Values = std::array<Entity, kMostVariables>;
  struct Term {
    int variable = -1;  // or
    Entity entity = kNobody;
    Entity In(const Values& values) const { return variable >= 0 ? values[variable] : entity; }
  };
  struct Variable {
    int slot;
    std::vector<Entity> candidates;
  };
  struct Node {
    enum Kind : uint8_t { kAnd, kOr, kNot, kExists, kEqual, kAtom };
    Kind kind = kAnd;
    Predicate predicate = Predicate::kHolds;
    std::array<Term, 2> terms;
    std::vector<Node> parts;
    std::vector<Variable> variables;  // of kExists, fewest candidates first
    std::vector<int> after;           // kExists: the variable after which each part can be tested
  };

  static bool Holds(const Node& node, const World& world, Values& values);
  static bool Search(const Node& node, size_t next, const World& world, Values& values);

  Node root_;
  std::optional<Aim> aim_;
};

}  // namespace sojourn::envs::alfworld

#endif  // SOJOURN_ENVS_ALFWORLD_GOAL_H_
