#include "serve/chat_prompt.h"

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "serve/api_error.h"

namespace sojourn::serve {

const char kChatMl[] =
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

namespace {

// Unicode's noncharacters U+FDD0 and U+FDD1: around a content, while the template is rendered.
constexpr std::string_view kOpen = "\xEF\xB7\x90", kClose = "\xEF\xB7\x91";

// Cuts a rendered conversation at the marks, which become none of its parts. Empty when they do
// not stand in pairs.
std::vector<policy::TextPart> Cut(std::string_view text) {
  std::vector<policy::TextPart> parts;
  for (;;) {
    const size_t open = text.find(kOpen);
    parts.push_back({text.substr(0, open), true});
    if (open == text.npos) break;
    text.remove_prefix(open + kOpen.size());
    const size_t close = text.find(kClose);
    if (close == text.npos) return {};
    parts.push_back({text.substr(0, close), false});
    text.remove_prefix(close + kClose.size());
  }
  return parts;
}

}  // namespace

bool ChatPrompt::HasSpecial(std::string_view text) const {
  return tokenizer_->Encode(text, {.parse_special = true}) != tokenizer_->Encode(text);
}

absl::StatusOr<std::string> ChatPrompt::Render(const ChatRequest& request) const {
  nlohmann::ordered_json variables = request.template_variables;
  nlohmann::ordered_json& messages = variables["messages"] = nlohmann::ordered_json::array();
  for (const ChatMessage& message : request.messages) {
    messages.push_back({{"role", message.role}, {"content", message.content}});
  }
  // transformers tells a template of these always.
  for (const char* none : {"tools", "documents"}) {
    if (!variables.contains(none)) variables[none] = nullptr;
  }
  variables["add_generation_prompt"] = request.add_generation_prompt;
  variables["bos_token"] = bos_;
  variables["eos_token"] = eos_;
  auto text = template_.Render(variables, absl::Now());
  if (!text.ok()) return ParameterError("messages", text.status().message());
  return text;
}

absl::StatusOr<std::vector<int32_t>> ChatPrompt::Encode(const ChatRequest& request) const {
  const auto plain = Render(request);
  if (!plain.ok()) return plain.status();
  // A template may do anything with a content. So it is rendered again with those that hold special
  // tokens marked, and the result counts when nothing but the marks differs.
  ChatRequest marked = request;
  bool any = false;
  for (ChatMessage& message : marked.messages) {
    if (!HasSpecial(message.content)) continue;
    any = true;
    // Many templates trim contents; the space around one is outside of its marks, to be trimmed.
    const absl::string_view content = message.content;
    const absl::string_view left = absl::StripLeadingAsciiWhitespace(content);
    const absl::string_view core = absl::StripTrailingAsciiWhitespace(left);
    message.content = absl::StrCat(content.substr(0, content.size() - left.size()), kOpen, core,
                                   kClose, left.substr(core.size()));
  }
  if (!any) {
    return tokenizer_->Encode(*plain,
                              {.parse_special = true, .add_special = request.add_special_tokens});
  }
  const auto text = Render(marked);
  if (!text.ok()) return text.status();
  const std::vector<policy::TextPart> parts = Cut(*text);
  std::string joined;
  for (const policy::TextPart& part : parts) joined.append(part.text);
  if (joined != *plain) {
    return ParameterError("messages",
                          "special tokens stand in a content that the chat template changes: they "
                          "cannot be told from the template's own");
  }
  return tokenizer_->EncodeParts(parts, request.add_special_tokens);
}

}  // namespace sojourn::serve
