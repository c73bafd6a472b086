#include "envs/alfworld/facts.h"

#include <algorithm>

#include "absl/strings/match.h"

namespace sojourn::envs::alfworld {
namespace {

constexpr std::array<std::string_view, kTypes> kTypeNames = {"agent",  "location", "receptacle",
                                                             "object", "rtype",    "otype"};

const std::array<PredicateForm, kPredicates>& Forms() {
  constexpr Type a = Type::kAgent, l = Type::kLocation, r = Type::kReceptacle, o = Type::kObject,
                 rt = Type::kReceptacleType, ot = Type::kObjectType;
  static const auto* const forms = new std::array<PredicateForm, kPredicates>{{
      {"atLocation", {a, l}},
      {"objectAtLocation", {o, l}},
      {"inReceptacle", {o, r}},
      {"opened", {r}},
      {"holds", {a, o}},
      {"holdsAny", {a}},
      {"isClean", {o}},
      {"isHot", {o}},
      {"isCool", {o}},
      {"isToggled", {o}},
      {"isSliced", {o}},
      {"receptacleAtLocation", {r, l}},
      {"openable", {r}},
      {"isReceptacleObject", {o}},
      {"inReceptacleObject", {o, o}},
      {"receptacleType", {r, rt}},
      {"canContain", {rt, ot}},
      {"objectType", {o, ot}},
      {"cleanable", {o}},
      {"heatable", {o}},
      {"coolable", {o}},
      {"pickupable", {o}},
      {"toggleable", {o}},
      {"sliceable", {o}},
  }};
  return *forms;
}

}  // namespace

std::string_view TypeName(Type type) { return kTypeNames[static_cast<int>(type)]; }

std::optional<Type> FindType(std::string_view name) {
  const auto found = std::find(kTypeNames.begin(), kTypeNames.end(), name);
  if (found == kTypeNames.end()) return std::nullopt;
  return static_cast<Type>(found - kTypeNames.begin());
}

const PredicateForm& FormOf(Predicate predicate) { return Forms()[static_cast<int>(predicate)]; }

std::optional<Predicate> FindPredicate(std::string_view lower_case_name) {
  for (int i = 0; i < kPredicates; ++i) {
    if (absl::EqualsIgnoreCase(Forms()[i].name, lower_case_name)) return static_cast<Predicate>(i);
  }
  return std::nullopt;
}

bool Relation::Has(Entity a, Entity b) const {
  return std::binary_search(facts_.begin(), facts_.end(), Fact{a, b});
}

void Relation::Add(Entity a, Entity b) {
  const Fact fact{a, b};
  if (facts_.empty() || facts_.back() < fact) {
    facts_.push_back(fact);
    return;
  }
  const auto at = std::lower_bound(facts_.begin(), facts_.end(), fact);
  if (*at != fact) facts_.insert(at, fact);
}

void Relation::Remove(Entity a, Entity b) {
  const Fact fact{a, b};
  const auto at = std::lower_bound(facts_.begin(), facts_.end(), fact);
  if (at != facts_.end() && *at == fact) facts_.erase(at);
}

absl::Span<const Fact> Relation::Of(Entity a) const {
  const auto begin = std::lower_bound(facts_.begin(), facts_.end(), Fact{a, 0});
  auto end = begin;
  while (end != facts_.end() && end->a == a) ++end;
  return {facts_.data() + (begin - facts_.begin()), static_cast<size_t>(end - begin)};
}

const Relation& World::Denied(Predicate predicate) const {
  static const Relation* const kNone = new Relation;
  const int i = static_cast<int>(predicate);
  return i < kChanging ? state_->denied[i] : *kNone;
}

}  // namespace sojourn::envs::alfworld
