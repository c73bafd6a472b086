#include "envs/alfworld/problem.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/suggest.h"

namespace sojourn::envs::alfworld {
namespace {

constexpr size_t kMostThings = 2000;
constexpr size_t kMostFacts = 20'000;

// Predicates of the original's domain that no rule and no text asks for.
constexpr std::string_view kIgnored[] = {"isreceptacleobjectfull",
                                         "wasinreceptacle",
                                         "checked",
                                         "examined",
                                         "holdsanyreceptacleobject",
                                         "full",
                                         "moveable",
                                         "ison"};

using Index = absl::flat_hash_map<std::string_view, int>;

bool IsName(std::string_view word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.' || c == '+';
  });
}

// "a b - type c - type ..."
absl::Status ReadObjects(const Lisp& list, Problem* problem) {
  size_t first = problem->things.size();
  for (size_t i = 1; i < list.items.size(); ++i) {
    const Lisp& item = list.items[i];
    if (item.word != "-") {
      if (!IsName(item.word))
        return ErrorAt(item, absl::StrCat("no name of an object: ", item.ToString()));
      if (problem->things.size() == kMostThings) {
        return ErrorAt(item, absl::StrCat("more than ", kMostThings, " objects"));
      }
      problem->Add(item.word, Type::kObject);
      continue;
    }
    if (++i == list.items.size()) return ErrorAt(item, "a \"-\" without a type");
    const std::optional<Type> type = FindType(list.items[i].word);
    if (!type.has_value()) {
      std::vector<std::string> known;
      for (int k = 0; k < kTypes; ++k) known.emplace_back(TypeName(static_cast<Type>(k)));
      return ErrorAt(list.items[i], absl::StrCat("no type \"", list.items[i].word, "\"",
                                                 Suggest(list.items[i].word, known)));
    }
    for (; first < problem->things.size(); ++first) problem->things[first].type = *type;
  }
  return absl::OkStatus();
}

absl::Status ReadFact(const Lisp& fact, const Index& index, Problem* problem) {
  if (!fact.is_list || fact.items.empty() || fact.items[0].is_list) {
    return ErrorAt(fact, "expected a fact, (predicate object ...)");
  }
  const std::string& name = fact.items[0].word;
  if (name == "=") return absl::OkStatus();  // costs
  std::vector<int> arguments;
  for (size_t i = 1; i < fact.items.size(); ++i) {
    const auto found = index.find(fact.items[i].word);
    if (found == index.end()) {
      return ErrorAt(fact.items[i], absl::StrCat("there is no object ", fact.items[i].ToString()));
    }
    arguments.push_back(found->second);
  }
  if (std::find(std::begin(kIgnored), std::end(kIgnored), name) != std::end(kIgnored)) {
    for (const int argument : arguments) problem->things[argument].is_used = true;
    return absl::OkStatus();
  }
  const std::optional<Predicate> predicate = FindPredicate(name);
  if (!predicate.has_value()) {
    return ErrorAt(fact, absl::StrCat("no predicate \"", name, "\" in ALFWorld's domain"));
  }
  const std::vector<Type>& types = FormOf(*predicate).arguments;
  if (arguments.size() != types.size()) {
    return ErrorAt(fact,
                   absl::StrCat(FormOf(*predicate).name, " takes ", types.size(), " objects"));
  }
  for (size_t i = 0; i < types.size(); ++i) {
    const Problem::Thing& thing = problem->things[arguments[i]];
    if (thing.type != types[i]) {
      return ErrorAt(fact, absl::StrCat(thing.id, " is of type ", TypeName(thing.type), ", not ",
                                        TypeName(types[i])));
    }
  }
  if (problem->facts.size() == kMostFacts) {
    return ErrorAt(fact, absl::StrCat("more than ", kMostFacts, " facts"));
  }
  problem->Say(*predicate, arguments[0], arguments.size() > 1 ? arguments[1] : -1);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Problem> ParseProblem(std::string_view text) {
  auto parsed = ParseLisp(text);
  if (!parsed.ok()) return parsed.status();
  if (!parsed->Is("define")) return ErrorAt(*parsed, "expected (define (problem ...) ...)");
  Problem problem;
  Lisp* facts = nullptr;
  Lisp* goal = nullptr;
  for (size_t i = 1; i < parsed->items.size(); ++i) {
    Lisp& part = parsed->items[i];
    if (part.Is(":objects")) {
      absl::Status status = ReadObjects(part, &problem);
      if (!status.ok()) return status;
    } else if (part.Is(":init") && facts == nullptr) {
      facts = &part;
    } else if (part.Is(":goal") && part.items.size() == 2 && goal == nullptr) {
      goal = &part.items[1];
    } else if (!part.Is("problem") && !part.Is(":domain") && !part.Is(":requirements") &&
               !part.Is(":metric")) {
      return ErrorAt(part, "a part of a problem that is not known, or comes twice");
    }
  }
  if (facts == nullptr || goal == nullptr) {
    return ErrorAt(*parsed, absl::StrCat("no (", facts == nullptr ? ":init" : ":goal", " ...)"));
  }
  Index index;
  for (size_t i = 0; i < problem.things.size(); ++i) {
    const auto [at, is_new] = index.try_emplace(problem.things[i].id, static_cast<int>(i));
    if (!is_new) {
      return absl::InvalidArgumentError(
          absl::StrCat("object ", problem.things[i].id, " is declared twice"));
    }
  }
  for (size_t i = 1; i < facts->items.size(); ++i) {
    absl::Status status = ReadFact(facts->items[i], index, &problem);
    if (!status.ok()) return status;
  }
  problem.goal = std::move(*goal);
  return problem;
}

std::string ProblemText(const Problem& problem, std::string_view name) {
  std::string text = absl::StrCat("(define (problem ", name, ")\n(:domain alfred)\n(:objects\n");
  for (const Problem::Thing& thing : problem.things) {
    absl::StrAppend(&text, "  ", thing.id, " - ", TypeName(thing.type), "\n");
  }
  absl::StrAppend(&text, ")\n(:init\n");
  for (const Problem::Said& fact : problem.facts) {
    absl::StrAppend(&text, "  (", FormOf(fact.predicate).name, " ", problem.things[fact.a].id);
    if (fact.b >= 0) absl::StrAppend(&text, " ", problem.things[fact.b].id);
    absl::StrAppend(&text, ")\n");
  }
  absl::StrAppend(&text, ")\n(:goal ", problem.goal.ToString(), ")\n)\n");
  return text;
}

}  // namespace sojourn::envs::alfworld
