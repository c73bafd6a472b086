#include "envs/alfworld/grammar.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/suggest.h"
#include "envs/alfworld/grammar_document.h"
#include "envs/python_text.h"

namespace sojourn::envs::alfworld {
namespace {

using nlohmann::json;

constexpr int kMostDepth = 16;
constexpr int kMostChecks = 100'000;
constexpr size_t kMostVariables = 200;
constexpr size_t kMostParts = 20'000;

absl::Status Wrong(std::string_view rule, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("rule \"", rule, "\": ", what));
}

bool EndsLiteral(char c) {
  return std::string_view(";|\"<>[]#{}").find(c) != std::string_view::npos;
}

// What the original's parser leaves out before a text begins at `at`: tabs, and at the begin of a
// line white space and comments.
size_t SkipIgnored(std::string_view text, size_t at) {
  while (at < text.size()) {
    const size_t begin = at;
    while (at < text.size() && text[at] == '\t') ++at;
    if (at == 0 || text[at - 1] == '\n') {
      if (absl::StartsWith(text.substr(at), "//")) {
        at = std::min(text.find('\n', at), text.size());
        if (at < text.size()) ++at;
      } else {
        while (const size_t space = LeadingSpace(text.substr(at))) at += space;
      }
    }
    if (at == begin) break;
  }
  return at;
}

// The plain text, bare or in quotes, that begins at `at`; none where the original's parser stops.
std::optional<std::string_view> ReadLiteral(std::string_view text, size_t* at) {
  const bool is_quoted = text[*at] == '"';
  const size_t begin = *at + (is_quoted ? 1 : 0);
  size_t end = begin;
  while (end < text.size() && !EndsLiteral(text[end])) ++end;
  if (is_quoted ? end == text.size() || text[end] != '"' : end == begin) return std::nullopt;
  *at = end + (is_quoted ? 1 : 0);
  return text.substr(begin, end - begin);
}

constexpr std::string_view kTaskRule = "task";

}  // namespace

const VerbForm& FormOf(Verb verb) {
  constexpr Parameter a = {"a", Type::kAgent}, l = {"l", Type::kLocation},
                      r = {"r", Type::kReceptacle}, o = {"o", Type::kObject};
  static const auto* const forms = new std::array<VerbForm, kVerbs>{{
      {"look", {a, l}},
      {"inventory", {a}},
      {"help", {a}},
      {"examineReceptacle", {a, r}},
      {"examineObject", {a, o}},
      {"GotoLocation", {a, {"lstart", Type::kLocation}, {"lend", Type::kLocation}, r}},
      {"OpenObject", {a, l, r}},
      {"CloseObject", {a, l, r}},
      {"PickupObject", {a, l, o, r}},
      {"PutObject", {a, l, o, r, {"ot", Type::kObjectType}, {"rt", Type::kReceptacleType}}},
      {"CleanObject", {a, l, r, o}},
      {"HeatObject", {a, l, r, o}},
      {"CoolObject", {a, l, r, o}},
      {"ToggleObject", {a, l, o, r}},
      {"SliceObject", {a, l, {"co", Type::kObject}, {"ko", Type::kObject}}},
  }};
  return (*forms)[static_cast<int>(verb)];
}

// --- from text to parts
// ---------------------------------------------------------------------------

class GrammarCompiler {
 public:
  explicit GrammarCompiler(RawGrammar raw) : raw_(std::move(raw)) {}

  absl::StatusOr<std::shared_ptr<const Grammar>> Compile(const Rules& rules) {
    grammar_->has_help_ = rules.has_help;
    absl::Status status = Text("intro", "#intro#", &grammar_->intro_);
    for (int i = 0; i < kVerbs && status.ok(); ++i) {
      const auto verb = static_cast<Verb>(i);
      if (verb != Verb::kHelp || rules.has_help) status = CompileVerb(verb);
    }
    // Rules that those refer to are found while they are compiled.
    for (size_t next = 0; next < wanted_.size() && status.ok(); ++next) {
      status = CompileRule(wanted_[next]);
    }
    if (status.ok()) status = CheckAll();
    if (!status.ok()) return status;
    return std::move(grammar_);
  }

 private:
  using Part = Grammar::Part;

  absl::Status CompileVerb(Verb verb) {
    const VerbForm& form = FormOf(verb);
    const int i = static_cast<int>(verb);
    const auto action = raw_.actions.find(absl::AsciiStrToLower(form.action));
    if (action == raw_.actions.end()) {
      return absl::InvalidArgumentError(absl::StrCat("there is no action ", form.action));
    }
    for (const Parameter& parameter : form.parameters) {
      grammar_->parameters_[i].push_back(
          static_cast<uint8_t>(VariableOf(parameter.name, parameter.type)));
    }
    absl::Status status = Text(absl::StrCat(form.action, ", template"), action->second.command,
                               &grammar_->commands_[i]);
    if (!status.ok()) return status;
    return Text(absl::StrCat(form.action, ", feedback"), action->second.feedback,
                &grammar_->feedback_[i]);
  }

  int NameOf(std::string_view name) {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found != names_.end()) return static_cast<int>(found - names_.begin());
    names_.emplace_back(name);
    return static_cast<int>(names_.size()) - 1;
  }

  int VariableOf(std::string_view name, Type type) {
    auto& variables = grammar_->variables_;
    const int id = NameOf(name);
    for (size_t i = 0; i < variables.size(); ++i) {
      if (variables[i].name == id && variables[i].type == type) return static_cast<int>(i);
    }
    variables.push_back({id, type});
    return static_cast<int>(variables.size()) - 1;
  }

  int RuleOf(std::string_view name) {
    const auto found = std::find(wanted_.begin(), wanted_.end(), name);
    if (found != wanted_.end()) return static_cast<int>(found - wanted_.begin());
    wanted_.emplace_back(name);
    return static_cast<int>(wanted_.size()) - 1;
  }

  absl::Status CompileRule(const std::string name) {
    const auto raw = raw_.rules.find(name);
    Grammar::Rule rule;
    if (raw == raw_.rules.end() || raw->second.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("there is no rule \"", name, "\""));
    }
    for (const RawAlternative& alternative : raw->second) {
      Grammar::Alternative& made = rule.emplace_back();
      if (!absl::StripAsciiWhitespace(alternative.condition).empty()) {
        absl::Status status = ReadCondition(name, alternative.condition, &made.condition);
        if (!status.ok()) return status;
      }
      absl::Status status = Text(name, alternative.text, &made.parts);
      if (!status.ok()) return status;
    }
    const Grammar::Condition& last = rule.back().condition;
    if (!last.atoms.empty() || last.never) {
      return Wrong(name, "its last alternative has a condition, so that there may be no text");
    }
    grammar_->rules_.push_back(std::move(rule));
    return absl::OkStatus();
  }

  absl::Status ReadCondition(std::string_view rule, std::string_view text,
                             Grammar::Condition* condition) {
    for (const std::string_view raw : absl::StrSplit(text, '&')) {
      const std::string_view atom = absl::StripAsciiWhitespace(raw);
      const size_t open = atom.find('(');
      if (open == std::string_view::npos || atom.back() != ')') {
        return Wrong(rule, absl::StrCat("condition \"", text, "\": expected predicate(x:type)"));
      }
      std::string_view name = absl::StripAsciiWhitespace(atom.substr(0, open));
      Grammar::Atom made;
      made.denied = absl::StartsWith(name, "not_");
      if (made.denied) name.remove_prefix(4);
      const std::optional<Predicate> predicate =
          absl::AsciiStrToLower(name) == name ? FindPredicate(name) : std::nullopt;
      if (!predicate.has_value()) {
        std::vector<std::string> known;
        for (int i = 0; i < kPredicates; ++i) {
          known.push_back(absl::AsciiStrToLower(FormOf(static_cast<Predicate>(i)).name));
        }
        return Wrong(rule, absl::StrCat("nothing is known of the predicate \"", name, "\"",
                                        Suggest(name, known)));
      }
      made.predicate = *predicate;
      const std::vector<Type>& types = FormOf(*predicate).arguments;
      const std::vector<std::string_view> arguments =
          absl::StrSplit(atom.substr(open + 1, atom.size() - open - 2), ',');
      if (arguments.size() != types.size()) {
        return Wrong(rule, absl::StrCat(name, " takes ", types.size(), " arguments"));
      }
      for (size_t i = 0; i < types.size(); ++i) {
        const std::pair<std::string_view, std::string_view> parts =
            absl::StrSplit(arguments[i], absl::MaxSplits(':', 1));
        const std::string_view variable = absl::StripAsciiWhitespace(parts.first);
        const std::optional<Type> type = FindType(absl::StripAsciiWhitespace(parts.second));
        if (variable.empty() || !type.has_value()) {
          return Wrong(rule, absl::StrCat("\"", arguments[i], "\" is no name:type"));
        }
        // Every type is an object too.
        if (*type != types[i] && *type != Type::kObject) condition->never = true;
        const int index = VariableOf(variable, *type);
        if (index >= static_cast<int>(kMostVariables)) return Wrong(rule, "too many variables");
        made.variables.push_back(static_cast<uint8_t>(index));
      }
      condition->atoms.push_back(std::move(made));
    }
    return absl::OkStatus();
  }

  absl::Status Text(std::string_view rule, std::string_view text, Grammar::Parts* parts) {
    for (size_t at = 0;;) {
      at = SkipIgnored(text, at);
      if (at >= text.size()) return absl::OkStatus();
      if (++parts_ > kMostParts) return Wrong(rule, "too long");
      const char c = text[at];
      if (c == '#') {
        const size_t end = text.find('#', at + 1);
        if (end == std::string_view::npos) return absl::OkStatus();
        parts->push_back(Reference(text.substr(at + 1, end - at - 1)));
        at = end + 1;
      } else if (c == '{' || c == '[') {
        const size_t open = at + (c == '[' ? 1 : 0);
        const size_t end = text.find('}', at);
        if (end == std::string_view::npos || text[open] != '{' ||
            (c == '[' && text.substr(end + 1, 1) != "]")) {
          return absl::OkStatus();
        }
        absl::Status status = Braces(rule, text.substr(open + 1, end - open - 1), c == '[', parts);
        if (!status.ok()) return status;
        at = end + (c == '[' ? 2 : 1);
      } else {
        const std::optional<std::string_view> literal = ReadLiteral(text, &at);
        if (!literal.has_value()) return absl::OkStatus();
        parts->push_back({.text = std::string(*literal)});
      }
    }
  }

  Part Reference(std::string_view rule) {
    if (rule == kTaskRule) return {.kind = Part::kTask};
    return {.kind = Part::kRule, .index = RuleOf(rule)};
  }

  // The inside of {...}: "expression", or "expression | condition".
  absl::Status Braces(std::string_view rule, std::string_view text, bool is_list,
                      Grammar::Parts* parts) {
    const std::pair<std::string_view, std::string_view> halves =
        absl::StrSplit(text, absl::MaxSplits('|', 1));
    const bool has_condition = halves.first.size() != text.size();
    Part each{.kind = is_list ? Part::kList : Part::kEach};
    absl::Status status = Expression(rule, absl::StripAsciiWhitespace(halves.first), &each.item);
    if (!status.ok()) return status;
    if (has_condition) {
      status = ReadCondition(rule, halves.second, &each.condition);
      if (!status.ok()) return status;
    }
    if (is_list) {
      grammar_->empty_ = RuleOf("list_empty");
      grammar_->separator_ = RuleOf("list_separator");
      grammar_->last_separator_ = RuleOf("list_last_separator");
    }
    if (!is_list && !has_condition) {
      std::move(each.item.begin(), each.item.end(), std::back_inserter(*parts));
    } else {
      parts->push_back(std::move(each));
    }
    return absl::OkStatus();
  }

  // "#rule#", or terms with + between them: 'text', x, x.name, x.indefinite, x.definite, and
  // "x.name or x.id", where there is always a name.
  absl::Status Expression(std::string_view rule, std::string_view text, Grammar::Parts* parts) {
    if (text.size() > 2 && text.front() == '#' && text.back() == '#') {
      parts->push_back(Reference(text.substr(1, text.size() - 2)));
      return absl::OkStatus();
    }
    for (std::string_view term : absl::StrSplit(text, '+')) {
      term = absl::StripAsciiWhitespace(term);
      if (term.size() >= 2 && term.front() == '\'' && term.back() == '\'') {
        const std::string_view inside = term.substr(1, term.size() - 2);
        if (inside.find_first_of("'\\") != std::string_view::npos) {
          return Wrong(rule, absl::StrCat("expression ", term, " is not understood"));
        }
        parts->push_back({.text = std::string(inside)});
        continue;
      }
      const std::string_view first = term.substr(0, std::min(term.find(" or "), term.size()));
      const std::pair<std::string_view, std::string_view> halves =
          absl::StrSplit(first, absl::MaxSplits('.', 1));
      const std::string_view name = halves.first, attribute = halves.second;
      const bool is_name = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return absl::ascii_isalnum(c) || c == '_';
      });
      if (!is_name || (first.size() < term.size() && attribute != "name")) {
        return Wrong(rule, absl::StrCat("expression \"", term, "\" is not understood"));
      }
      if (attribute == "name" || first == name) {
        parts->push_back({.kind = Part::kName, .index = NameOf(name)});
      } else if (attribute == "indefinite") {
        parts->push_back({.text = "a"});
      } else if (attribute == "definite") {
        parts->push_back({.text = "the"});
      } else {
        return Wrong(rule, absl::StrCat("\"", term,
                                        "\": nothing is known but name, indefinite "
                                        "and definite"));
      }
    }
    return absl::OkStatus();
  }

  // That no text of any state needs what is not there: goes through all rules from every verb.
  absl::Status CheckAll() {
    std::set<int> known;
    absl::Status status = Check("intro", grammar_->intro_, known, 0);
    for (int i = 0; i < kVerbs && status.ok(); ++i) {
      known.clear();
      for (const uint8_t variable : grammar_->parameters_[i]) {
        known.insert(grammar_->variables_[variable].name);
      }
      const std::string_view name = FormOf(static_cast<Verb>(i)).action;
      status = Check(name, grammar_->commands_[i], known, 0);
      if (status.ok()) status = Check(name, grammar_->feedback_[i], known, 0);
    }
    return status;
  }

  absl::Status Check(std::string_view rule, const Grammar::Parts& parts, const std::set<int>& known,
                     int depth) {
    if (depth > kMostDepth || ++checks_ > kMostChecks) {
      return Wrong(rule, "rules refer to each other without end");
    }
    for (const Part& part : parts) {
      absl::Status status;
      if (part.kind == Part::kName && !known.contains(part.index)) {
        return Wrong(rule, absl::StrCat("nothing is called \"", names_[part.index], "\" here"));
      }
      if (part.kind == Part::kRule) status = CheckRule(part.index, known, depth + 1);
      if (part.kind == Part::kEach || part.kind == Part::kList) {
        std::set<int> more = known;
        for (const Grammar::Atom& atom : part.condition.atoms) {
          for (const uint8_t variable : atom.variables) {
            more.insert(grammar_->variables_[variable].name);
          }
        }
        status = Check(rule, part.item, more, depth + 1);
        if (status.ok() && part.kind == Part::kList) {
          for (const int used :
               {grammar_->empty_, grammar_->separator_, grammar_->last_separator_}) {
            if (status.ok()) status = CheckRule(used, known, depth + 1);
          }
        }
      }
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status CheckRule(int rule, const std::set<int>& known, int depth) {
    for (const Grammar::Alternative& alternative : grammar_->rules_[rule]) {
      absl::Status status = Check(wanted_[rule], alternative.parts, known, depth);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  const RawGrammar raw_;
  std::shared_ptr<Grammar> grammar_ = std::make_shared<Grammar>();
  std::vector<std::string> names_;   // of variables
  std::vector<std::string> wanted_;  // rules, by index
  size_t parts_ = 0;
  int checks_ = 0;
};

absl::StatusOr<std::shared_ptr<const Grammar>> Grammar::Parse(std::string_view text,
                                                              const Rules& rules) {
  auto raw = ReadGrammarDocument(text);
  if (!raw.ok()) return raw.status();
  return GrammarCompiler(*std::move(raw)).Compile(rules);
}

absl::StatusOr<std::pair<std::string, std::string>> Grammar::SplitTask(std::string_view text) {
  const auto fail = [] {
    return absl::InvalidArgumentError(
        R"(the grammar has no rule "task" of the form "task": [{"rhs": "..."}])");
  };
  size_t at = text.find("\"task\"");
  if (at == std::string_view::npos) return fail();
  at += 6;
  for (const std::string_view token : {":", "[", "{", "\"rhs\"", ":"}) {
    at = std::min(text.find_first_not_of(" \t\r\n", at), text.size());
    if (!absl::StartsWith(text.substr(at), token)) return fail();
    at += token.size();
  }
  at = std::min(text.find_first_not_of(" \t\r\n", at), text.size());
  if (at >= text.size() || text[at] != '"') return fail();
  size_t end = at + 1;
  while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
  if (end >= text.size()) return fail();
  const json sentence = json::parse(text.substr(at, end + 1 - at), nullptr, false);
  if (!sentence.is_string()) return fail();
  const auto whole = sentence.get<std::string>();
  std::string plain;
  for (size_t i = SkipIgnored(whole, 0); i < whole.size(); i = SkipIgnored(whole, i)) {
    const char c = whole[i];
    if ((c == '#' && whole.find('#', i + 1) != std::string::npos) ||
        ((c == '{' || c == '[') && whole.find('}', i) != std::string::npos)) {
      return absl::InvalidArgumentError("the task sentence is not plain text");
    }
    const std::optional<std::string_view> literal = ReadLiteral(whole, &i);
    if (!literal.has_value()) break;
    plain += *literal;
  }
  return std::make_pair(absl::StrCat(text.substr(0, at + 1), text.substr(end)), std::move(plain));
}

}  // namespace sojourn::envs::alfworld
