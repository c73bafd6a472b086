// What can be true in a household, in the terms of ALFWorld's PDDL domain, and sets of such facts.
#ifndef SOJOURN_ENVS_ALFWORLD_FACTS_H_
#define SOJOURN_ENVS_ALFWORLD_FACTS_H_

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/types/span.h"

namespace sojourn::envs::alfworld {

enum class Type : uint8_t { kAgent, kLocation, kReceptacle, kObject, kReceptacleType, kObjectType };
inline constexpr int kTypes = 6;
std::string_view TypeName(Type type);  // as PDDL has it: "rtype"
std::optional<Type> FindType(std::string_view name);

// Those that actions change come first.
enum class Predicate : uint8_t {
  kAtLocation,
  kObjectAtLocation,
  kInReceptacle,
  kOpened,
  kHolds,
  kHoldsAny,
  kIsClean,
  kIsHot,
  kIsCool,
  kIsToggled,
  kIsSliced,
  kReceptacleAtLocation,
  kOpenable,
  kIsReceptacleObject,
  kInReceptacleObject,
  kReceptacleType,
  kCanContain,
  kObjectType,
  kCleanable,
  kHeatable,
  kCoolable,
  kPickupable,
  kToggleable,
  kSliceable,
};
inline constexpr int kChanging = 11;
inline constexpr int kPredicates = 24;

struct PredicateForm {
  std::string_view name;  // "atLocation"; PDDL reads names in any case
  std::vector<Type> arguments;
};
const PredicateForm& FormOf(Predicate predicate);
std::optional<Predicate> FindPredicate(std::string_view lower_case_name);

// A thing of a game: its rank among all in the order of their ids.
using Entity = uint16_t;
inline constexpr Entity kNobody = 0xffff;

struct Fact {
  Entity a = 0, b = 0;  // b is 0 when the predicate has one argument
  auto operator<=>(const Fact&) const = default;
};

// The facts of one predicate, in order.
class Relation {
 public:
  bool Has(Entity a, Entity b = 0) const;
  void Add(Entity a, Entity b = 0);
  void Remove(Entity a, Entity b = 0);
  absl::Span<const Fact> all() const { return facts_; }
  absl::Span<const Fact> Of(Entity a) const;  // those whose first argument it is

 private:
  std::vector<Fact> facts_;
};

// What changes in the course of a game. `denied` holds what an action has made untrue and none true
// again: the original answers questions for a negative fact out of these alone, so that "not in the
// receptacle" is true only of what was taken from it.
struct State {
  std::array<Relation, kChanging> holds, denied;

  void Make(Predicate predicate, Entity a, Entity b = 0) {
    holds[static_cast<int>(predicate)].Add(a, b);
    denied[static_cast<int>(predicate)].Remove(a, b);
  }
  void Unmake(Predicate predicate, Entity a, Entity b = 0) {
    holds[static_cast<int>(predicate)].Remove(a, b);
    denied[static_cast<int>(predicate)].Add(a, b);
  }
};

// A state with what never changes. Both must outlive it.
class World {
 public:
  World(const std::array<Relation, kPredicates>* fixed, const State* state)
      : fixed_(fixed), state_(state) {}
  const Relation& operator[](Predicate predicate) const {
    const int i = static_cast<int>(predicate);
    return i < kChanging ? state_->holds[i] : (*fixed_)[i];
  }
  const Relation& Denied(Predicate predicate) const;

 private:
  const std::array<Relation, kPredicates>* fixed_;
  const State* state_;
};

}  // namespace sojourn::envs::alfworld

#endif  // SOJOURN_ENVS_ALFWORLD_FACTS_H_
