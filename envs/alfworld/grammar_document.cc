#include "envs/alfworld/grammar_document.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace sojourn::envs::alfworld {
namespace {

using nlohmann::json;

constexpr size_t kMostBytes = 1 << 20;

class Document {
 public:
  explicit Document(std::string_view text) : text_(text) {}

  absl::StatusOr<RawGrammar> Read() {
    if (text_.size() > kMostBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("a grammar of ", text_.size(), " bytes; at most ", kMostBytes, " are read"));
    }
    for (Skip(); at_ < text_.size(); Skip()) {
      const std::string_view word = Word();
      absl::Status status = word == "grammar"  ? ReadBlock()
                            : word == "action" ? ReadAction()
                                               : Fail("expected \"grammar\" or \"action\"");
      if (!status.ok()) return status;
    }
    return std::move(raw_);
  }

 private:
  absl::Status Fail(std::string_view what) const {
    const auto line =
        1 + std::count(text_.begin(), text_.begin() + std::min(at_, text_.size()), '\n');
    return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", what));
  }

  void Skip() {
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size() - 1);
      } else if (!absl::ascii_isspace(text_[at_])) {
        return;
      }
    }
  }

  std::string_view Word() {
    Skip();
    const size_t begin = at_;
    while (at_ < text_.size() && (absl::ascii_isalnum(text_[at_]) || text_[at_] == '_' ||
                                  text_[at_] == '/' || text_[at_] == '-')) {
      ++at_;
    }
    return text_.substr(begin, at_ - begin);
  }

  bool Take(std::string_view token) {
    Skip();
    if (!absl::StartsWith(text_.substr(std::min(at_, text_.size())), token)) return false;
    at_ += token.size();
    return true;
  }

  // What stands between two quotes of this kind, after "::" and before ";".
  absl::StatusOr<std::string_view> Quoted(std::string_view quote) {
    if (!Take("::") || !Take(quote)) return Fail(absl::StrCat("expected :: ", quote, "..."));
    const size_t end = text_.find(quote, at_);
    if (end == std::string_view::npos) return Fail("a text that has no end");
    const std::string_view text = text_.substr(at_, end - at_);
    at_ = end + quote.size();
    if (!Take(";")) return Fail("expected \";\"");
    return text;
  }

  absl::Status ReadBlock() {
    const auto block = Quoted("\"\"\"");
    if (!block.ok()) return block.status();
    // Lines that begin with # are comments in an action's rules.
    std::vector<std::string_view> lines;
    for (const std::string_view line : absl::StrSplit(*block, '\n')) {
      if (!absl::StartsWith(absl::StripLeadingAsciiWhitespace(line), "#")) lines.push_back(line);
    }
    const json rules = json::parse(absl::StrJoin(lines, "\n"), nullptr, false);
    if (!rules.is_object()) return Fail("the rules that end here are no JSON object");
    for (const auto& [name, alternatives] : rules.items()) {
      std::vector<RawAlternative> rule;
      if (!alternatives.is_array())
        return absl::InvalidArgumentError(
            absl::StrCat("rule \"", name, "\": no list of alternatives"));
      for (const json& alternative : alternatives) {
        const json text = alternative.is_object() ? alternative.value("rhs", json()) : json();
        const json condition =
            alternative.is_object() ? alternative.value("condition", json("")) : json();
        if (!text.is_string() || !condition.is_string()) {
          return absl::InvalidArgumentError(
              absl::StrCat("rule \"", name,
                           "\": ", R"(expected alternatives {"condition": TEXT, "rhs": TEXT})"));
        }
        rule.push_back({condition.get<std::string>(), text.get<std::string>()});
      }
      raw_.rules[name] = std::move(rule);
    }
    return absl::OkStatus();
  }

  absl::Status ReadAction() {
    const std::string name = absl::AsciiStrToLower(Word());
    if (name.empty() || !Take("{")) return Fail("expected: action NAME {");
    RawAction action;
    while (!Take("}")) {
      const std::string_view what = Word();
      if (what == "grammar") {
        absl::Status status = ReadBlock();
        if (!status.ok()) return status;
        continue;
      }
      if (what != "template" && what != "feedback") {
        return Fail(absl::StrCat("action ", name, ": expected template, feedback or grammar"));
      }
      const auto text = Quoted("\"");
      if (!text.ok()) return text.status();
      (what == "template" ? action.command : action.feedback) = std::string(*text);
    }
    raw_.actions[name] = std::move(action);
    return absl::OkStatus();
  }

  const std::string_view text_;
  size_t at_ = 0;
  RawGrammar raw_;
};

}  // namespace

absl::StatusOr<RawGrammar> ReadGrammarDocument(std::string_view text) {
  return Document(text).Read();
}

}  // namespace sojourn::envs::alfworld
