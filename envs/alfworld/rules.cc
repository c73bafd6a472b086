#include "envs/alfworld/rules.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/suggest.h"
#include "envs/alfworld/facts.h"
#include "envs/alfworld/lisp.h"

namespace sojourn::envs::alfworld {
namespace {

// "checked" is what planners see the commands that only look by; nothing depends on it.
constexpr char kDomain[] = R"((define (domain alfred)
  (:requirements :adl :typing :action-costs)
  (:types agent location receptacle object rtype otype)
  (:predicates
    (atLocation ?a - agent ?l - location)
    (holdsAny ?a - agent)
    (holds ?a - agent ?o - object)
    (receptacleAtLocation ?r - receptacle ?l - location)
    (receptacleType ?r - receptacle ?t - rtype)
    (openable ?r - receptacle)
    (opened ?r - receptacle)
    (checked ?r - receptacle)
    (objectAtLocation ?o - object ?l - location)
    (objectType ?o - object ?t - otype)
    (inReceptacle ?o - object ?r - receptacle)
    (isReceptacleObject ?o - object)
    (inReceptacleObject ?inner - object ?outer - object)
    (canContain ?rt - rtype ?ot - otype)
    (pickupable ?o - object)
    (cleanable ?o - object)
    (isClean ?o - object)
    (heatable ?o - object)
    (isHot ?o - object)
    (coolable ?o - object)
    (isCool ?o - object)
    (toggleable ?o - object)
    (isToggled ?o - object)
    (isOn ?o - object)
    (sliceable ?o - object)
    (isSliced ?o - object))
  (:functions (total-cost) - number)

  ; Looking changes nothing.
  (:action look :parameters (?a - agent ?l - location)
    :precondition (atLocation ?a ?l)
    :effect (checked ?l))
  (:action inventory :parameters (?a - agent)
    :precondition ()
    :effect (checked ?a))
  (:action help :parameters (?a - agent)
    :precondition ()
    :effect (checked ?a))
  (:action examineReceptacle :parameters (?a - agent ?r - receptacle)
    :precondition (exists (?l - location)
      (and (receptacleAtLocation ?r ?l) (atLocation ?a ?l)))
    :effect (checked ?r))
  (:action examineObject :parameters (?a - agent ?o - object)
    :precondition (holds ?a ?o)
    :effect (checked ?o))

  ; Moving, and doors.
  (:action GotoLocation
    :parameters (?a - agent ?lStart - location ?lEnd - location ?r - receptacle)
    :precondition (and (receptacleAtLocation ?r ?lEnd) (atLocation ?a ?lStart))
    :effect (and (atLocation ?a ?lEnd) (not (atLocation ?a ?lStart)) (increase (total-cost) 1)))
  (:action OpenObject :parameters (?a - agent ?l - location ?r - receptacle)
    :precondition (and (receptacleAtLocation ?r ?l) (atLocation ?a ?l)
                       (openable ?r) (not (opened ?r)))
    :effect (and (opened ?r) (increase (total-cost) 1)))
  (:action CloseObject :parameters (?a - agent ?l - location ?r - receptacle)
    :precondition (and (receptacleAtLocation ?r ?l) (atLocation ?a ?l) (openable ?r) (opened ?r))
    :effect (and (not (opened ?r)) (increase (total-cost) 1)))

  ; One object at a time is carried.
  (:action PickupObject :parameters (?a - agent ?l - location ?o - object ?r - receptacle)
    :precondition (and (receptacleAtLocation ?r ?l) (atLocation ?a ?l)
                       (or (opened ?r) (not (openable ?r)))
                       (inReceptacle ?o ?r) (pickupable ?o) (not (holdsAny ?a)))
    :effect (and (holds ?a ?o) (holdsAny ?a) (not (inReceptacle ?o ?r))
                 (not (objectAtLocation ?o ?l)) (increase (total-cost) 1)))
  (:action PutObject
    :parameters (?a - agent ?l - location ?o - object ?r - receptacle ?ot - otype ?rt - rtype)
    :precondition (and (receptacleAtLocation ?r ?l) (atLocation ?a ?l)
                       (or (opened ?r) (not (openable ?r)))
                       (holds ?a ?o) (objectType ?o ?ot) (receptacleType ?r ?rt)
                       (canContain ?rt ?ot))
    :effect (and (inReceptacle ?o ?r) (objectAtLocation ?o ?l) (not (holds ?a ?o))
                 (not (holdsAny ?a)) (increase (total-cost) 1)))

  ; What is done to the carried object, and with it.
  (:action CleanObject :parameters (?a - agent ?l - location ?r - receptacle ?o - object)
    :precondition (and (receptacleAtLocation ?r ?l) (atLocation ?a ?l)
                       (receptacleType ?r SinkBasinType) (holds ?a ?o) (cleanable ?o))
    :effect (and (isClean ?o) (increase (total-cost) 5)))
  (:action HeatObject :parameters (?a - agent ?l - location ?r - receptacle ?o - object)
    :precondition (and (receptacleAtLocation ?r ?l) (atLocation ?a ?l)
                       (receptacleType ?r MicrowaveType) (holds ?a ?o) (heatable ?o))
    :effect (and (isHot ?o) (not (isCool ?o)) (increase (total-cost) 5)))
  (:action CoolObject :parameters (?a - agent ?l - location ?r - receptacle ?o - object)
    :precondition (and (receptacleAtLocation ?r ?l) (atLocation ?a ?l)
                       (receptacleType ?r FridgeType) (holds ?a ?o) (coolable ?o))
    :effect (and (isCool ?o) (not (isHot ?o)) (increase (total-cost) 5)))
  (:action SliceObject :parameters (?a - agent ?l - location ?co - object ?ko - object)
    :precondition (and (objectAtLocation ?co ?l) (atLocation ?a ?l) (sliceable ?co)
                       (holds ?a ?ko)
                       (or (objectType ?ko KnifeType) (objectType ?ko ButterKnifeType)))
    :effect (and (isSliced ?co) (increase (total-cost) 5)))

  ; A lamp that has been switched counts as toggled for good.
  (:action ToggleObject :parameters (?a - agent ?l - location ?o - object ?r - receptacle)
    :precondition (and (receptacleAtLocation ?r ?l) (atLocation ?a ?l) (inReceptacle ?o ?r)
                       (toggleable ?o))
    :effect (and (isToggled ?o) (when (isOn ?o) (not (isOn ?o))) (when (not (isOn ?o)) (isOn ?o))
                 (increase (total-cost) 5)))
)
)";

struct Action {
  std::string rule;  // in the form that all ways to say the same have
  int line = 0;
};

std::string Join(std::string_view head, std::vector<std::string> parts, std::string_view neutral) {
  std::sort(parts.begin(), parts.end());
  parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
  if (parts.empty()) return std::string(neutral);
  if (parts.size() == 1) return parts[0];
  return absl::StrCat("(", head, " ", absl::StrJoin(parts, " "), ")");
}

// Whether a list of variables has a type that nothing is of. The original's "?l - location, ?r"
// has.
bool HasEmptyType(const Lisp& variables) {
  for (size_t i = 1; i < variables.items.size(); ++i) {
    if (variables.items[i - 1].word == "-" && !FindType(variables.items[i].word)) return true;
  }
  return false;
}

std::string Condition(const Lisp& condition) {
  if (condition.is_list && condition.items.empty()) return "true";
  const bool is_and = condition.Is("and");
  if (is_and || condition.Is("or")) {
    const std::string_view neutral = is_and ? "true" : "false", other = is_and ? "false" : "true";
    std::vector<std::string> parts;
    for (size_t i = 1; i < condition.items.size(); ++i) {
      std::string part = Condition(condition.items[i]);
      if (part == other) return part;
      if (part != neutral) parts.push_back(std::move(part));
    }
    return Join(is_and ? "and" : "or", std::move(parts), neutral);
  }
  if (condition.Is("exists") && condition.items.size() == 3) {
    if (HasEmptyType(condition.items[1])) return "false";
    return absl::StrCat("(exists ", condition.items[1].ToString(), " ",
                        Condition(condition.items[2]), ")");
  }
  if (condition.Is("not") && condition.items.size() == 2) {
    return absl::StrCat("(not ", Condition(condition.items[1]), ")");
  }
  return condition.ToString();
}

std::string Effect(const Lisp& effect) {
  if (effect.Is("increase") || effect.Is("checked")) return "nothing";
  if (effect.Is("and")) {
    std::vector<std::string> parts;
    for (size_t i = 1; i < effect.items.size(); ++i) {
      std::string part = Effect(effect.items[i]);
      if (part != "nothing") parts.push_back(std::move(part));
    }
    return Join("and", std::move(parts), "nothing");
  }
  return effect.ToString();
}

absl::StatusOr<std::map<std::string, Action>> ReadActions(std::string_view text) {
  const absl::StatusOr<Lisp> domain = ParseLisp(text);
  if (!domain.ok()) return domain.status();
  if (!domain->Is("define")) return ErrorAt(*domain, "expected (define (domain ...) ...)");
  std::map<std::string, Action> actions;
  for (size_t i = 1; i < domain->items.size(); ++i) {
    const Lisp& part = domain->items[i];
    if (part.Is("domain") || part.Is(":requirements") || part.Is(":predicates") ||
        part.Is(":functions")) {
      continue;
    }
    if (part.Is(":types")) {
      std::set<std::string> types;
      for (size_t k = 1; k < part.items.size(); ++k) types.insert(part.items[k].word);
      std::set<std::string> known;
      for (int k = 0; k < kTypes; ++k) known.emplace(TypeName(static_cast<Type>(k)));
      if (types != known) {
        return ErrorAt(part, absl::StrCat("the types differ from those that are known (",
                                          absl::StrJoin(known, " "), ")"));
      }
      continue;
    }
    if (!part.Is(":action") || part.items.size() != 8 || part.items[2].word != ":parameters" ||
        part.items[4].word != ":precondition" || part.items[6].word != ":effect") {
      return ErrorAt(part,
                     "a part of a domain that is not known; expected (:action NAME "
                     ":parameters ... :precondition ... :effect ...)");
    }
    Action action{absl::StrCat("parameters ", part.items[3].ToString(), " if ",
                               Condition(part.items[5]), " then ", Effect(part.items[7])),
                  part.line};
    if (!actions.emplace(part.items[1].word, std::move(action)).second) {
      return ErrorAt(part, absl::StrCat("action ", part.items[1].word, " comes twice"));
    }
  }
  return actions;
}

}  // namespace

std::string_view DomainText() { return kDomain; }

absl::StatusOr<Rules> ReadDomain(std::string_view text) {
  static const auto* const known = new std::map<std::string, Action>(ReadActions(kDomain).value());
  static const auto* const with_sinks = new std::map<std::string, Action>(
      ReadActions(
          absl::StrReplaceAll(kDomain, {{"(receptacleType ?r SinkBasinType)",
                                         "(or (receptacleType ?r SinkType) (receptacleType ?r "
                                         "SinkBasinType))"}}))
          .value());
  const auto actions = ReadActions(text);
  if (!actions.ok()) return actions.status();
  Rules rules{actions->contains("help")};
  std::vector<std::string> names;
  for (const auto& [name, action] : *known) names.push_back(name);
  for (const auto& [name, action] : *actions) {
    const auto expected = known->find(name);
    if (expected == known->end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", action.line, ": action ", name,
                       " is not known; known: ", absl::StrJoin(names, ", "), Suggest(name, names)));
    }
    if (expected->second.rule == action.rule) continue;
    if (with_sinks->at(name).rule == action.rule) {
      rules.cleans_in_sinks = true;
      continue;
    }
    return absl::InvalidArgumentError(absl::StrCat(
        "line ", action.line, ": action ", name, " has other rules than ALFWorld's: ", action.rule,
        "; expected ", expected->second.rule));
  }
  for (const std::string& name : names) {
    if (name != "help" && !actions->contains(name)) {
      return absl::InvalidArgumentError(absl::StrCat("there is no action ", name));
    }
  }
  return rules;
}

}  // namespace sojourn::envs::alfworld
