#include "envs/searchqa/players.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "envs/python_text.h"
#include "envs/searchqa/terms.h"

namespace sojourn::envs::searchqa {
namespace {

std::string Search(std::string_view query) { return absl::StrCat("<search>", query, "</search>"); }
std::string Answer(std::string_view answer) {
  return absl::StrCat("<answer>", answer, "</answer>");
}

bool WasFound(const Game& game, const Question::Step& step) {
  return std::any_of(game.shown().begin(), game.shown().end(), [&](uint32_t passage) {
    const std::string_view contents = game.passages().Contents(passage);
    return Title(contents) == step.title && absl::StrContains(TextBelow(contents), step.found);
  });
}

bool IsYear(std::string_view word) {
  return word.size() == 4 && std::all_of(word.begin(), word.end(), absl::ascii_isdigit);
}

bool IsOnlyStopWord(std::string_view name) {
  TermReader reader(name);
  const std::string first(reader.Next());
  return IsStopWord(first) && reader.Next().empty();
}

// The names and years in a passage's text, but for its title, what the question says, and single
// words that only begin a sentence.
std::vector<std::string> FindFacts(std::string_view contents, std::string_view question) {
  const std::string_view title = Title(contents), text = TextBelow(contents);
  std::vector<std::string> facts;
  for (std::string& name : FindNames(text)) {
    const bool begins_sentence =
        absl::StartsWith(text, name) || absl::StrContains(text, absl::StrCat(". ", name));
    if (name == title || absl::StrContains(question, name)) continue;
    if (begins_sentence && !absl::StrContains(name, ' ')) continue;
    facts.push_back(std::move(name));
  }
  return facts;
}

}  // namespace

Instance::Advice ExpertAdvice(const Game& game) {
  const Question& question = game.question();
  for (const Question::Step& step : question.steps) {
    if (WasFound(game, step)) continue;
    for (const std::string& query : {step.query, step.title}) {
      const std::string_view text = StripSpace(query);
      if (text.empty() || game.HasSearched(text)) continue;
      return {step.thought.empty() ? absl::StrCat("I need to know about ", step.title, ".")
                                   : step.thought,
              Search(text)};
    }
  }
  if (question.steps.empty() && !game.HasSearched(question.text)) {
    return {"I should look this up.", Search(question.text)};
  }
  return {question.conclusion.empty() ? "I know the answer now." : question.conclusion,
          Answer(question.answers.front())};
}

Instance::Advice GoalBlindAdvice(const Game& game) {
  const std::string& question = game.question().text;
  const std::vector<std::string> asked = FindNames(question);
  std::string subject = asked.empty() ? question : asked.front();
  for (size_t followed = 0; followed < kMostNames; ++followed) {
    if (!game.HasSearched(subject)) {
      return {absl::StrCat("I should read about ", subject, "."), Search(subject)};
    }
    std::optional<uint32_t> found;
    for (const uint32_t passage : game.shown()) {
      if (found && Title(game.passages().Contents(*found)) == subject) break;
      const bool is_its_own = Title(game.passages().Contents(passage)) == subject;
      if (is_its_own || (!found && followed == 0)) found = passage;
    }
    if (!found) break;
    const std::vector<std::string> facts = FindFacts(game.passages().Contents(*found), question);
    if (facts.empty()) break;
    if (!game.HasAnswered(facts.front())) {
      return {absl::StrCat("The passage tells of ", facts.front(), ", so it is the answer."),
              Answer(facts.front())};
    }
    const auto name = std::find_if_not(facts.begin(), facts.end(), IsYear);
    if (name == facts.end()) break;
    subject = *name;
  }
  return ExpertAdvice(game);
}

std::vector<std::string> FindNames(std::string_view text) {
  std::vector<std::string> names;
  std::string name;
  bool joins = false;  // an "of" stands after the name so far
  const auto end_name = [&] {
    if (!name.empty() && !IsOnlyStopWord(name)) names.push_back(name);
    name.clear();
    joins = false;
  };
  while (!text.empty()) {
    text.remove_prefix(LeadingSpace(text));
    const size_t length = std::min(text.find_first_of(" \t\r\n"), text.size());
    std::string_view word = text.substr(0, length);
    text.remove_prefix(length);
    bool begins = false, ends = false;
    while (!word.empty() && absl::ascii_ispunct(word.front())) word.remove_prefix(1), begins = true;
    while (!word.empty() && absl::ascii_ispunct(word.back())) word.remove_suffix(1), ends = true;
    if (begins) end_name();
    if (!word.empty() && absl::ascii_isupper(word.front())) {
      absl::StrAppend(&name, name.empty() ? "" : joins ? " of " : " ", word);
      joins = false;
    } else if (word == "of" && !name.empty() && !joins) {
      joins = true;
    } else {
      end_name();
      if (IsYear(word)) names.emplace_back(word);
    }
    if (ends) end_name();
  }
  end_name();
  return names;
}

std::vector<std::string> ValidActions(const Game& game) {
  std::vector<std::string> names = FindNames(game.question().text);
  for (const uint32_t passage : game.shown()) {
    if (names.size() >= 4 * kMostNames) break;
    for (std::string& name : FindNames(game.passages().Contents(passage))) {
      names.push_back(std::move(name));
    }
  }
  std::vector<std::string> actions = {Search(game.question().text)};
  absl::flat_hash_set<std::string> known;
  for (const std::string& name : names) {
    if (known.size() >= kMostNames) break;
    if (!known.insert(name).second) continue;
    actions.push_back(Search(name));
    actions.push_back(Answer(name));
  }
  return actions;
}

}  // namespace sojourn::envs::searchqa
