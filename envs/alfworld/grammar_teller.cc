// From a grammar's parts to words.
#include <algorithm>

#include "envs/alfworld/grammar.h"

namespace sojourn::envs::alfworld {
namespace {

constexpr size_t kMostText = 64 << 10;  // of one answer
constexpr int kMostWork = 1 << 17;      // facts and parts looked at for one answer

}  // namespace

class GrammarTeller {
 public:
  GrammarTeller(const Grammar& grammar, const Telling& telling)
      : grammar_(grammar), telling_(telling) {}

  std::string Tell(const Grammar::Parts& parts, const std::vector<uint8_t>& parameters,
                   const Arguments& arguments) {
    for (size_t i = 0; i < parameters.size() && i < arguments.size(); ++i) {
      bound_.push_back({parameters[i], arguments[i]});
    }
    TellParts(parts);
    return std::move(text_);
  }

 private:
  struct Bound {
    uint8_t variable;
    Entity entity;
  };
  using Bindings = absl::InlinedVector<Bound, 10>;

  bool IsTooMuch() const { return work_ > kMostWork || text_.size() > kMostText; }

  void TellParts(const Grammar::Parts& parts) {
    for (const Grammar::Part& part : parts) {
      ++work_;
      if (IsTooMuch()) return;
      switch (part.kind) {
        case Grammar::Part::kText:
          text_ += part.text;
          break;
        case Grammar::Part::kTask:
          text_ += telling_.task;
          break;
        case Grammar::Part::kName:
          TellName(part.index);
          break;
        case Grammar::Part::kRule:
          TellRule(part.index);
          break;
        case Grammar::Part::kEach:
        case Grammar::Part::kList:
          TellEach(part);
          break;
      }
    }
  }

  // The last thing that got this name.
  void TellName(int name) {
    for (size_t i = bound_.size(); i-- > 0;) {
      if (grammar_.variables_[bound_[i].variable].name != name) continue;
      text_ += telling_.names[bound_[i].entity];
      return;
    }
  }

  void TellRule(int rule) {
    for (const Grammar::Alternative& alternative : grammar_.rules_[rule]) {
      const size_t size = bound_.size();
      const bool holds = !ForEachMatch(alternative.condition, 0, [] { return false; });
      bound_.resize(size);
      if (!holds) continue;
      TellParts(alternative.parts);
      return;
    }
  }

  void TellEach(const Grammar::Part& part) {
    const size_t size = bound_.size();
    std::vector<Bindings> matches;
    ForEachMatch(part.condition, 0, [&] {
      matches.push_back(bound_);
      return !IsTooMuch();
    });
    bound_.resize(size);
    const bool is_list = part.kind == Grammar::Part::kList;
    if (is_list && matches.empty()) TellRule(grammar_.empty_);
    for (size_t i = 0; i < matches.size(); ++i) {
      if (is_list && i > 0) {
        TellRule(i + 1 == matches.size() ? grammar_.last_separator_ : grammar_.separator_);
      }
      bound_.swap(matches[i]);
      TellParts(part.item);
      bound_.swap(matches[i]);
    }
  }

  // Calls `found` with the variables bound for every match, in the order of the facts; false when
  // it did, and stopped the search.
  template <typename Found>
  bool ForEachMatch(const Grammar::Condition& condition, size_t next, const Found& found) {
    if (condition.never) return true;
    if (next == condition.atoms.size()) return found();
    const Grammar::Atom& atom = condition.atoms[next];
    const Relation& relation =
        atom.denied ? telling_.world.Denied(atom.predicate) : telling_.world[atom.predicate];
    const Entity first = EntityOf(atom.variables[0]);
    const absl::Span<const Fact> facts = first == kNobody ? relation.all() : relation.Of(first);
    const size_t size = bound_.size();
    for (const Fact& fact : facts) {
      if (++work_ > kMostWork) return false;
      if (Bind(atom.variables[0], fact.a) &&
          (atom.variables.size() < 2 || Bind(atom.variables[1], fact.b)) &&
          !ForEachMatch(condition, next + 1, found)) {
        return false;
      }
      bound_.resize(size);
    }
    return true;
  }

  Entity EntityOf(uint8_t variable) const {
    for (const Bound& bound : bound_) {
      if (bound.variable == variable) return bound.entity;
    }
    return kNobody;
  }

  // Different variables are different things.
  bool Bind(uint8_t variable, Entity entity) {
    const Entity known = EntityOf(variable);
    if (known != kNobody) return known == entity;
    for (const Bound& bound : bound_) {
      if (bound.entity == entity) return false;
    }
    bound_.push_back({variable, entity});
    return true;
  }

  const Grammar& grammar_;
  const Telling& telling_;
  Bindings bound_;
  std::string text_;
  int work_ = 0;
};

std::string Grammar::Command(Verb verb, const Arguments& arguments, const Telling& telling) const {
  const int i = static_cast<int>(verb);
  return GrammarTeller(*this, telling).Tell(commands_[i], parameters_[i], arguments);
}

std::string Grammar::Feedback(Verb verb, const Arguments& arguments, const Telling& telling) const {
  const int i = static_cast<int>(verb);
  return GrammarTeller(*this, telling).Tell(feedback_[i], parameters_[i], arguments);
}

std::string Grammar::Intro(const Telling& telling) const {
  return GrammarTeller(*this, telling).Tell(intro_, {}, {});
}

}  // namespace sojourn::envs::alfworld
