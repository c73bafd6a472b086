#include "envs/searchqa/question.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "envs/python_text.h"
#include "envs/searchqa/json_lines.h"

namespace sojourn::envs::searchqa {
namespace {

using nlohmann::json;

std::string Text(const json& object, const char* name) {
  const std::string* const text = FindString(object, name);
  return text == nullptr ? "" : *text;
}

// A member of the object, or of its "metadata", where FlashRAG keeps what a data set has of its
// own; null when there is none.
const json& Find(const json& object, const char* name) {
  static const json none;
  const auto own = object.find(name);
  if (own != object.end()) return *own;
  const auto metadata = object.find("metadata");
  if (metadata == object.end() || !metadata->is_object()) return none;
  const auto inner = metadata->find(name);
  return inner == metadata->end() ? none : *inner;
}

// Each title once, in the order of the facts: [[TITLE, SENTENCE], ...] or {"title": [TITLE, ...]}.
std::vector<std::string> SupportingTitles(const json& facts) {
  std::vector<std::string> titles;
  const auto add = [&](const json& title) {
    if (!title.is_string()) return;
    const auto text = title.get<std::string>();
    if (std::find(titles.begin(), titles.end(), text) == titles.end()) titles.push_back(text);
  };
  if (facts.is_array()) {
    for (const json& fact : facts) {
      if (fact.is_array() && !fact.empty()) add(fact[0]);
    }
  } else if (facts.is_object() && facts.contains("title") && facts["title"].is_array()) {
    for (const json& title : facts["title"]) add(title);
  }
  return titles;
}

// Of HotpotQA and 2WikiMultihopQA.
bool IsMultihopType(const json& type) {
  if (!type.is_string()) return false;
  for (const char* const name :
       {"bridge", "comparison", "bridge_comparison", "compositional", "inference"}) {
    if (type == name) return true;
  }
  return false;
}

int HopsOf(const json& object) {
  const json& hops = Find(object, "hops");
  if (hops.is_number_integer()) {
    return static_cast<int>(std::clamp<int64_t>(hops.get<int64_t>(), 1, kMostHops));
  }
  const std::string id = Text(object, "id");
  if (id.size() > 4 && absl::ascii_isdigit(id[0]) && id.compare(1, 3, "hop") == 0) {
    return std::clamp(id[0] - '0', 1, kMostHops);
  }
  const json& parts = Find(object, "question_decomposition");
  if (parts.is_array()) return std::clamp(static_cast<int>(parts.size()), 1, kMostHops);
  const bool has_facts = Find(object, "supporting_facts").is_structured();
  return has_facts || IsMultihopType(Find(object, "type")) ? 2 : 1;
}

}  // namespace

absl::StatusOr<Question> ParseQuestion(std::string_view line) {
  auto object = ParseObject(line);
  if (!object.ok()) return object.status();
  Question question{.text = std::string(StripSpace(Text(*object, "question")))};
  if (question.text.empty()) {
    return absl::InvalidArgumentError(
        "has no \"question\"; expected {\"question\": TEXT, \"answer\": [TEXT, ...]}");
  }
  for (const char* const name : {"answer", "answers", "golden_answers", "answer_aliases"}) {
    const json& answers = Find(*object, name);
    for (const json& answer : answers.is_array() ? answers : json::array({answers})) {
      if (answer.is_string()) question.answers.push_back(answer.get<std::string>());
    }
  }
  if (question.answers.empty()) {
    return absl::InvalidArgumentError("has no \"answer\" that is a text; expected at least one");
  }
  question.hops = HopsOf(*object);
  question.conclusion = Text(*object, "conclusion");
  const auto steps = object->find("steps");
  if (steps != object->end() && steps->is_array()) {
    for (const json& step : *steps) {
      if (!step.is_object()) continue;
      question.steps.push_back({.query = Text(step, "query"),
                                .title = Text(step, "title"),
                                .found = Text(step, "found"),
                                .thought = Text(step, "thought")});
    }
  } else {
    for (std::string& title : SupportingTitles(Find(*object, "supporting_facts"))) {
      question.steps.push_back({.query = title, .title = std::move(title)});
    }
  }
  return question;
}

std::string QuestionLine(const Question& question) {
  nlohmann::ordered_json line = {
      {"question", question.text}, {"answer", question.answers}, {"hops", question.hops}};
  for (const Question::Step& step : question.steps) {
    line["steps"].push_back({{"query", step.query},
                             {"title", step.title},
                             {"found", step.found},
                             {"thought", step.thought}});
  }
  if (!question.conclusion.empty()) line["conclusion"] = question.conclusion;
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

absl::Status ReadQuestions(const std::string& path, std::vector<Question>* questions,
                           Faults* faults) {
  auto file = LineFile::Open(path);
  if (!file.ok()) return file.status();
  for (std::string_view line; file->Next(&line);) {
    if (StripSpace(line).empty()) continue;
    auto question =
        file->too_long()
            ? absl::InvalidArgumentError(absl::StrCat("longer than ", kMaxLineBytes, " bytes"))
            : ParseQuestion(line);
    if (question.ok()) {
      questions->push_back(*std::move(question));
    } else {
      faults->Add(absl::StrCat(path, ":", file->number(), ": ", question.status().message(),
                               "; the line is left out"));
    }
  }
  return file->status();
}

}  // namespace sojourn::envs::searchqa
