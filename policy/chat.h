// Conversations as tokens, by a model's own chat template. The agent's part is what was sampled,
// never re-tokenized; this class only makes what stands between.
//
// The rule: a template is rendered once, when it is read, with marks in place of contents; what it
// puts around them is then fixed text. A conversation begins with what the template makes of the
// first messages, up to where it lets the assistant speak. After a response comes what it puts
// between an assistant's content and the assistant's next opening, from the token that ends the
// turn on. Whatever the template would change in earlier turns once there are later ones (Qwen 3
// takes out earlier thoughts) is not done: what was sampled stays what the model reads. A template
// that puts different text there at different turns is refused.
//
// Contents are opaque: they are stripped of space where the template does so, special tokens
// written in them stay text, and a template's tests on what they say do not see them.
#ifndef SOJOURN_POLICY_CHAT_H_
#define SOJOURN_POLICY_CHAT_H_

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/tokenizer.h"

namespace sojourn::policy {

// What a model's files say about conversations.
struct ChatSource {
  std::string name = "ChatML";  // what errors call the template
  // Jinja2. Empty: ChatML,
  // <|im_start|>user\n...<|im_end|>\n<|im_start|>assistant\n...<|im_end|>\n
  std::string chat_template;
  // What else the template may use: bos_token, eos_token, and e.g. enable_thinking.
  nlohmann::ordered_json variables = nlohmann::ordered_json::object();
  std::vector<int32_t> stop_tokens;  // of generation_config.json; may be empty
};

// Reads chat_template.jinja or tokenizer_config.json, and generation_config.json (or config.json),
// of a model's directory; files that are not there say nothing. InvalidArgument names file and
// place.
absl::StatusOr<ChatSource> ReadChatSource(const std::string& directory, const Tokenizer& tokenizer);

class ChatFormat {
 public:
  // FailedPrecondition when the tokenizer lacks ChatML's special tokens, InvalidArgument when the
  // template cannot be used, with the reason. Keeps a reference to the tokenizer. strftime_now
  // tells 26 July 2024 in a template, always: a conversation's tokens must not depend on the day.
  static absl::StatusOr<ChatFormat> Create(const Tokenizer& tokenizer,
                                           const ChatSource& source = {});
  static absl::StatusOr<ChatFormat> Load(const Tokenizer& tokenizer, const std::string& directory);

  // The conversation's beginning: instructions and their fixed answer (both may be empty), then the
  // first observation, up to where the agent's first response starts. Where the template wants
  // roles to alternate, instructions without an answer become part of the first observation's
  // message, and an answer without instructions is left out.
  std::vector<int32_t> Begin(std::string_view instructions, std::string_view acceptance,
                             std::string_view observation) const;
  // What follows a response: the close of the assistant's turn if the response did not stop by
  // itself (`stopped`), the observation as a user turn, and the opening of the next response.
  std::vector<int32_t> Observe(std::string_view observation, bool stopped) const;

  int32_t stop_token() const { return stop_tokens_.front(); }  // ends a turn and is trained on
  // All that end a response when they are sampled; stop_token() first.
  const std::vector<int32_t>& stop_tokens() const { return stop_tokens_; }
  std::string ResponseText(absl::Span<const int32_t> response) const;  // without the stop token

 private:
  enum Slot { kText = -1, kInstructions, kAcceptance, kObservation };
  struct Piece {
    Slot slot;
    std::string text;  // kText: the template's
  };
  struct Trim {
    bool left = false, right = false;
  };
  class Builder;

  explicit ChatFormat(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}
  std::vector<int32_t> Fill(const std::vector<Piece>& pieces, std::string_view instructions,
                            std::string_view acceptance, std::string_view observation) const;

  const Tokenizer* tokenizer_;
  std::vector<Piece> begin_[2][2];  // [with instructions][with acceptance]
  std::vector<Piece> observe_;      // from the turn's end on
  Trim user_, assistant_;           // what the template strips of contents
  std::vector<int32_t> stop_tokens_;
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_CHAT_H_
