#include "envs/alfworld/goal.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace sojourn::envs::alfworld {
namespace {

constexpr int kMostNodes = 1000;
constexpr double kMostTrials = 5e6;  // of values, for one test of a goal

}  // namespace

class GoalCompiler {
 public:
  using Node = Goal::Node;

  GoalCompiler(const Goal::Find& find, const std::vector<Type>& types,
               const std::array<Relation, kPredicates>& fixed)
      : find_(find), types_(types), fixed_(fixed) {}

  absl::StatusOr<Node> Compile(const Lisp& formula) {
    if (++nodes_ > kMostNodes) return ErrorAt(formula, "a goal that is too long");
    if (!formula.is_list) return ErrorAt(formula, "expected a formula in brackets");
    Node node;
    const bool is_and = formula.items.empty() || formula.Is("and");
    if (is_and || formula.Is("or")) {
      node.kind = is_and ? Node::kAnd : Node::kOr;
      for (size_t i = 1; i < formula.items.size(); ++i) {
        auto part = Compile(formula.items[i]);
        if (!part.ok()) return part.status();
        node.parts.push_back(*std::move(part));
      }
      return node;
    }
    if (formula.Is("not") && formula.items.size() == 2) {
      auto part = Compile(formula.items[1]);
      if (!part.ok()) return part.status();
      node.kind = Node::kNot;
      node.parts.push_back(*std::move(part));
      return node;
    }
    if (formula.Is("exists") && formula.items.size() == 3) return Exists(formula);
    const bool is_equal = formula.Is("=") && formula.items.size() == 3;
    const std::optional<Predicate> predicate =
        formula.items[0].is_list ? std::nullopt : FindPredicate(formula.items[0].word);
    if (!is_equal && (!predicate.has_value() ||
                      FormOf(*predicate).arguments.size() + 1 != formula.items.size())) {
      return ErrorAt(formula, absl::StrCat("not understood in a goal: ", formula.ToString()));
    }
    for (size_t i = 1; i < formula.items.size(); ++i) {
      auto term = TermOf(formula.items[i]);
      if (!term.ok()) return term.status();
      node.terms[i - 1] = *term;
    }
    node.kind = Node::kEqual;
    if (is_equal) return node;
    node.kind = Node::kAtom;
    node.predicate = *predicate;
    return node;
  }

  // What the atoms of a goal of the known forms say about their variables.
  std::optional<Aim> AimOf(const Node& root) {
    if (!Gather(root)) return std::nullopt;
    std::set<int> objects, held, lamps;
    std::map<int, Entity> object_types, receptacle_types;
    int place = -1;
    Aim aim{.kind = Kind::kPlace};
    for (const Node* atom : atoms_) {
      const int first = atom->terms[0].variable, second = atom->terms[1].variable;
      switch (atom->predicate) {
        case Predicate::kObjectType:
          object_types[first] = atom->terms[1].entity;
          break;
        case Predicate::kReceptacleType:
          receptacle_types[first] = atom->terms[1].entity;
          break;
        case Predicate::kInReceptacle:
          objects.insert(first);
          place = second;
          break;
        case Predicate::kHolds:
          held.insert(second);
          break;
        case Predicate::kIsToggled:
          lamps.insert(first);
          break;
        case Predicate::kIsClean:
          aim.kind = Kind::kClean;
          break;
        case Predicate::kIsHot:
          aim.kind = Kind::kHeat;
          break;
        case Predicate::kIsCool:
          aim.kind = Kind::kCool;
          break;
        case Predicate::kIsSliced:
          aim.sliced = true;
          break;
        default:
          break;
      }
    }
    if (lamps.size() == 1 && held.size() == 1) {
      aim.kind = Kind::kLook;
      aim.lamp_type =
          object_types.contains(*lamps.begin()) ? object_types[*lamps.begin()] : kNobody;
      if (!object_types.contains(*held.begin())) return std::nullopt;
      aim.object_type = object_types[*held.begin()];
      return aim;
    }
    if (objects.empty() || objects.size() > 2 || !held.empty() || !lamps.empty() ||
        !object_types.contains(*objects.begin()) || !receptacle_types.contains(place)) {
      return std::nullopt;
    }
    if (objects.size() == 2) {
      if (aim.kind != Kind::kPlace ||
          object_types[*objects.begin()] != object_types[*objects.rbegin()]) {
        return std::nullopt;
      }
      aim.kind = Kind::kTwo;
    }
    aim.object_type = object_types[*objects.begin()];
    aim.receptacle_type = receptacle_types[place];
    return aim;
  }

 private:
  // Atoms that all must hold; false where a goal has other than and, exists and "not =".
  bool Gather(const Node& node) {
    switch (node.kind) {
      case Node::kAtom:
        atoms_.push_back(&node);
        return true;
      case Node::kNot:
        return node.parts[0].kind == Node::kEqual;
      case Node::kAnd:
      case Node::kExists:
        return std::all_of(node.parts.begin(), node.parts.end(),
                           [&](const Node& part) { return Gather(part); });
      default:
        return false;
    }
  }

  absl::StatusOr<Goal::Term> TermOf(const Lisp& word) {
    if (word.is_list) return ErrorAt(word, "expected a name or a variable");
    if (!absl::StartsWith(word.word, "?")) {
      return Goal::Term{.entity = find_(word.word).value_or(kNobody)};
    }
    for (size_t i = scope_.size(); i-- > 0;) {
      if (scope_[i].first == word.word) return Goal::Term{.variable = scope_[i].second};
    }
    return ErrorAt(word, absl::StrCat("nothing is called ", word.word, " here"));
  }

  absl::StatusOr<Node> Exists(const Lisp& formula) {
    const Lisp& declared = formula.items[1];
    if (!declared.is_list) return ErrorAt(declared, "expected (?variable - type ...)");
    const size_t outer = scope_.size();
    Node node{.kind = Node::kExists};
    std::vector<Type> types;
    for (size_t i = 0; i < declared.items.size(); ++i) {
      const Lisp& item = declared.items[i];
      if (item.word == "-" && i + 1 < declared.items.size()) {
        const std::optional<Type> type = FindType(declared.items[++i].word);
        if (!type.has_value()) {
          return ErrorAt(item, absl::StrCat("no type \"", declared.items[i].word, "\""));
        }
        types.resize(node.variables.size(), *type);
      } else if (absl::StartsWith(item.word, "?")) {
        if (slots_ == Goal::kMostVariables) return ErrorAt(item, "a goal of too many variables");
        scope_.emplace_back(item.word, slots_);
        node.variables.push_back({slots_++, {}});
      } else {
        return ErrorAt(item, "expected (?variable - type ...)");
      }
    }
    types.resize(node.variables.size(), Type::kObject);
    const double trials = trials_;
    for (const Type type : types) {
      trials_ *=
          type == Type::kObject ? types_.size() : std::count(types_.begin(), types_.end(), type);
    }
    if (trials_ > kMostTrials) return ErrorAt(formula, "a goal that takes too long to test");
    auto body = Compile(formula.items[2]);
    if (!body.ok()) return body.status();
    trials_ = trials;
    scope_.resize(outer);
    if (body->kind == Node::kAnd) {
      node.parts = std::move(body->parts);
    } else {
      node.parts.push_back(*std::move(body));
    }

    for (size_t i = 0; i < node.variables.size(); ++i) {
      Goal::Variable& variable = node.variables[i];
      for (size_t entity = 0; entity < types_.size(); ++entity) {
        if ((types[i] == Type::kObject || types[i] == types_[entity]) &&
            Allows(node.parts, variable.slot, static_cast<Entity>(entity))) {
          variable.candidates.push_back(static_cast<Entity>(entity));
        }
      }
    }
    std::stable_sort(node.variables.begin(), node.variables.end(),
                     [](const Goal::Variable& a, const Goal::Variable& b) {
                       return a.candidates.size() < b.candidates.size();
                     });
    for (const Node& part : node.parts) {
      int after = 0;
      for (size_t i = 0; i < node.variables.size(); ++i) {
        if (Mentions(part, node.variables[i].slot)) after = static_cast<int>(i);
      }
      node.after.push_back(after);
    }
    return node;
  }

  // Whether no fact that never changes, and that must hold, speaks against the variable's value.
  bool Allows(const std::vector<Node>& parts, int slot, Entity entity) const {
    return std::all_of(parts.begin(), parts.end(), [&](const Node& part) {
      if (part.kind == Node::kAnd || part.kind == Node::kExists) {
        return Allows(part.parts, slot, entity);
      }
      const int predicate = static_cast<int>(part.predicate);
      if (part.kind != Node::kAtom || predicate < kChanging) return true;
      const bool is_unary = FormOf(part.predicate).arguments.size() == 1;
      if (part.terms[0].variable != slot || (!is_unary && part.terms[1].variable >= 0)) return true;
      return fixed_[predicate].Has(entity, is_unary ? Entity{0} : part.terms[1].entity);
    });
  }

  static bool Mentions(const Node& node, int slot) {
    if (node.kind == Node::kAtom || node.kind == Node::kEqual) {
      return node.terms[0].variable == slot || node.terms[1].variable == slot;
    }
    return std::any_of(node.parts.begin(), node.parts.end(),
                       [&](const Node& part) { return Mentions(part, slot); });
  }

  const Goal::Find& find_;
  const std::vector<Type>& types_;
  const std::array<Relation, kPredicates>& fixed_;
  std::vector<std::pair<std::string, int>> scope_;  // variables by name, innermost last
  std::vector<const Node*> atoms_;
  double trials_ = 1;  // of the variables around the present place
  int slots_ = 0;
  int nodes_ = 0;
};

absl::StatusOr<Goal> Goal::Compile(const Lisp& formula, const Find& find,
                                   const std::vector<Type>& types,
                                   const std::array<Relation, kPredicates>& fixed) {
  GoalCompiler compiler(find, types, fixed);
  auto root = compiler.Compile(formula);
  if (!root.ok()) return root.status();
  Goal goal;
  goal.root_ = *std::move(root);
  goal.aim_ = compiler.AimOf(goal.root_);
  return goal;
}

bool Goal::Holds(const World& world) const {
  Values values;
  return Holds(root_, world, values);
}

bool Goal::Holds(const Node& node, const World& world, Values& values) {
  switch (node.kind) {
    case Node::kAnd:
      return std::all_of(node.parts.begin(), node.parts.end(),
                         [&](const Node& part) { return Holds(part, world, values); });
    case Node::kOr:
      return std::any_of(node.parts.begin(), node.parts.end(),
                         [&](const Node& part) { return Holds(part, world, values); });
    case Node::kNot:
      return !Holds(node.parts[0], world, values);
    case Node::kExists:
      return Search(node, 0, world, values);
    case Node::kEqual:
      return node.terms[0].In(values) == node.terms[1].In(values);
    case Node::kAtom:
      break;
  }
  const bool is_unary = FormOf(node.predicate).arguments.size() == 1;
  return world[node.predicate].Has(node.terms[0].In(values),
                                   is_unary ? Entity{0} : node.terms[1].In(values));
}

bool Goal::Search(const Node& node, size_t next, const World& world, Values& values) {
  if (next == node.variables.size()) {
    // Without variables no part was tested on the way.
    return !node.variables.empty() ||
           std::all_of(node.parts.begin(), node.parts.end(),
                       [&](const Node& part) { return Holds(part, world, values); });
  }
  const Variable& variable = node.variables[next];
  for (const Entity candidate : variable.candidates) {
    values[variable.slot] = candidate;
    bool holds = true;
    for (size_t i = 0; i < node.parts.size() && holds; ++i) {
      if (node.after[i] == static_cast<int>(next)) holds = Holds(node.parts[i], world, values);
    }
    if (holds && Search(node, next + 1, world, values)) return true;
  }
  return false;
}

}  // namespace sojourn::envs::alfworld
