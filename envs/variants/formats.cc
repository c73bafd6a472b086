#include "envs/variants/formats.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "envs/python_text.h"
#include "envs/react.h"

namespace sojourn::envs::variants {
namespace {

using nlohmann::json;

constexpr size_t kNone = std::string_view::npos;
constexpr std::string_view kLineMark = "Action:", kOpen = "<action>", kClose = "</action>";

absl::Status Several(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(
      "Error: Only one ", what, " is allowed per response. Please adjust your response."));
}

absl::Status Missing(std::string_view form) {
  return absl::InvalidArgumentError(
      absl::StrCat("Error: No action was found in your response. Write it as ", form, "."));
}

absl::StatusOr<std::string> ReadLine(std::string_view response) {
  const size_t mark = response.find(kLineMark);
  if (mark == kNone) return Missing("Action: YOUR ACTION");
  response.remove_prefix(mark + kLineMark.size());
  if (response.find(kLineMark) != kNone) return Several("'Action:'");
  response.remove_prefix(LeadingSpace(response));
  return std::string(StripSpace(response.substr(0, response.find('\n'))));
}

absl::StatusOr<std::string> ReadTags(std::string_view response) {
  const size_t open = response.find(kOpen);
  const size_t close = open == kNone ? kNone : response.find(kClose, open);
  if (close == kNone) return Missing("<action>YOUR ACTION</action>");
  if (response.find(kOpen, close) != kNone) return Several("<action>");
  const size_t begin = open + kOpen.size();
  return std::string(StripSpace(response.substr(begin, close - begin)));
}

std::string WriteTags(std::string_view thought, std::string_view action) {
  return absl::StrCat(thought, thought.empty() ? "" : "\n", kOpen, action, kClose);
}

// Where the object that begins the text with a brace ends; kNone: nowhere.
size_t ObjectEnd(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted) {
      if (c == '\\') ++at;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      return at + 1;
    }
  }
  return kNone;
}

// The action of a call, if the text is one.
const std::string* ActionOf(const json& call) {
  if (!call.is_object() || !call.contains("name") || call["name"] != "act") return nullptr;
  const auto arguments = call.find("arguments");
  if (arguments == call.end() || !arguments->is_object()) return nullptr;
  const auto action = arguments->find("action");
  return action == arguments->end() ? nullptr : action->get_ptr<const std::string*>();
}

constexpr size_t kMostBraces = 64;  // a response of nothing but braces must not take long

absl::StatusOr<std::string> ReadJson(std::string_view response) {
  std::string action;
  int found = 0;
  size_t braces = 0;
  for (size_t at = response.find('{'); at != kNone && braces < kMostBraces; ++braces) {
    const size_t length = ObjectEnd(response.substr(at));
    const json call =
        length == kNone ? json() : json::parse(response.substr(at, length), nullptr, false);
    const std::string* named = ActionOf(call);
    if (named != nullptr && ++found == 1) action = *named;
    at = response.find('{', named != nullptr ? at + length : at + 1);
  }
  if (found > 1) return Several("tool call");
  if (found == 0) return Missing(R"({"name": "act", "arguments": {"action": "YOUR ACTION"}})");
  return action;
}

std::string WriteJson(std::string_view thought, std::string_view action) {
  const std::string quoted = json(action).dump(-1, ' ', false, json::error_handler_t::replace);
  return absl::StrCat(thought, thought.empty() ? "" : "\n",
                      R"({"name": "act", "arguments": {"action": )", quoted, "}}");
}

constexpr Format kFormats[] = {
    {"line", "Respond in this form:\nThought: YOUR THOUGHT\nAction: YOUR ACTION", ReadLine,
     FormatReAct},
    {"json",
     "Respond with a short thought and then one tool call, in this form:\n"
     R"({"name": "act", "arguments": {"action": "YOUR ACTION"}})",
     ReadJson, WriteJson},
    {"tags",
     "Respond with a short thought and then your action between tags, in this form:\n<action>YOUR "
     "ACTION</action>",
     ReadTags, WriteTags},
};

}  // namespace

const Format* FindFormat(std::string_view name) {
  for (const Format& format : kFormats) {
    if (format.name == name) return &format;
  }
  return nullptr;
}

}  // namespace sojourn::envs::variants
