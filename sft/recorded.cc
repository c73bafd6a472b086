#include "sft/recorded.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/files.h"

namespace sojourn::sft {
namespace {

using nlohmann::json;

struct Message {
  bool assistant = false;
  bool learned = true;
  std::string text;
};

absl::Status Fault(const std::string& where, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", what));
}

absl::StatusOr<Message> ReadMessage(const json& message, const std::string& where) {
  const auto text = [&](const char* one, const char* other) -> const std::string* {
    if (!message.is_object()) return nullptr;
    for (const char* name : {one, other}) {
      const auto field = message.find(name);
      if (field != message.end() && field->is_string()) return field->get_ptr<const std::string*>();
    }
    return nullptr;
  };
  const std::string* role = text("role", "from");
  const std::string* content = text("content", "value");
  if (role == nullptr || content == nullptr) {
    return Fault(where, "is not {\"role\", \"content\"} or {\"from\", \"value\"}, both texts");
  }
  Message read{.assistant = *role == "assistant" || *role == "gpt", .text = *content};
  if (!read.assistant && *role != "user" && *role != "human" && *role != "system" && *role != "tool") {
    return Fault(where, absl::StrCat("unknown role \"", *role, "\"; known: user, human, system, tool, assistant, gpt"));
  }
  if (const auto loss = message.find("loss"); loss != message.end() && !loss->is_null()) {
    if (!loss->is_boolean()) return Fault(where, "\"loss\" is neither true nor false");
    read.learned = loss->get<bool>();
  }
  return read;
}

absl::StatusOr<Demonstration> ReadConversation(const json& element, const std::string& where) {
  const json* list = nullptr;
  for (const char* name : {"messages", "conversations"}) {
    if (element.is_object() && element.contains(name) && element.at(name).is_array()) list = &element.at(name);
  }
  if (list == nullptr) return Fault(where, "has no list \"messages\" or \"conversations\"");
  std::vector<Message> messages;
  for (size_t i = 0; i < list->size(); ++i) {
    const std::string at = absl::StrCat(where, ", message ", i + 1);
    auto message = ReadMessage((*list)[i], at);
    if (!message.ok()) return message.status();
    const bool asked = !messages.empty() && !messages.back().assistant;
    if (message->assistant && !asked) return Fault(at, "an assistant's message that answers none");
    if (!message->assistant && asked) {  // a system's before the user's, two tools' answers
      absl::StrAppend(&messages.back().text, "\n\n", message->text);
    } else {
      messages.push_back(*std::move(message));
    }
  }
  Demonstration demonstration;
  for (size_t i = 0; i + 1 < messages.size(); i += 2) {
    if (i == 0 && !messages[1].learned && messages.size() > 3) {
      demonstration.instructions = std::move(messages[0].text);
      demonstration.acceptance = std::move(messages[1].text);
    } else {
      demonstration.turns.push_back(
          {std::move(messages[i].text), std::move(messages[i + 1].text), messages[i + 1].learned});
    }
  }
  if (demonstration.turns.empty()) return Fault(where, "no assistant's message to learn from");
  return demonstration;
}

}  // namespace

absl::StatusOr<std::vector<Demonstration>> ReadRecorded(const std::string& path) {
  const auto text = ReadFile(path);
  if (!text.ok()) return text.status();
  std::vector<Demonstration> demonstrations;
  const auto add = [&](const json& element, const std::string& where) {
    auto demonstration = ReadConversation(element, where);
    if (demonstration.ok()) demonstrations.push_back(*std::move(demonstration));
    return demonstration.status();
  };
  if (absl::StripLeadingAsciiWhitespace(*text).substr(0, 1) == "[") {
    const json array = json::parse(*text, nullptr, /*allow_exceptions=*/false);
    if (!array.is_array()) return Fault(path, "is no JSON array though it begins like one");
    for (size_t i = 0; i < array.size(); ++i) {
      if (absl::Status added = add(array[i], absl::StrCat(path, ": element ", i + 1)); !added.ok()) return added;
    }
  } else {
    int line_number = 0;
    for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
      ++line_number;
      if (absl::StripAsciiWhitespace(line).empty()) continue;
      const std::string where = absl::StrCat(path, ":", line_number);
      const json element = json::parse(line, nullptr, /*allow_exceptions=*/false);
      if (element.is_discarded()) return Fault(where, "is no JSON");
      if (absl::Status added = add(element, where); !added.ok()) return added;
    }
  }
  if (demonstrations.empty()) return Fault(path, "holds no conversations");
  return demonstrations;
}

}  // namespace sojourn::sft
