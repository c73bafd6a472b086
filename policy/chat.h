// Conversations as tokens, in ChatML:
// <|im_start|>user\n...<|im_end|>\n<|im_start|>assistant\n...<|im_end|>\n The agent's part is what
// was sampled, never re-tokenized; this class only makes what stands between.
#ifndef SOJOURN_POLICY_CHAT_H_
#define SOJOURN_POLICY_CHAT_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/tokenizer.h"

namespace sojourn::policy {

class ChatFormat {
 public:
  // FailedPrecondition when the tokenizer lacks ChatML's special tokens. Keeps a reference to it.
  static absl::StatusOr<ChatFormat> Create(const Tokenizer& tokenizer);

  // The conversation's beginning: instructions and their fixed answer (both may be empty), then the
  // first observation, up to where the agent's first response starts.
  std::vector<int32_t> Begin(std::string_view instructions, std::string_view acceptance,
                             std::string_view observation) const;
  // What follows a response: the close of the assistant's turn if the response did not stop by
  // itself
  // (`stopped`), the observation as a user turn, and the opening of the next response.
  std::vector<int32_t> Observe(std::string_view observation, bool stopped) const;

  int32_t stop_token() const { return end_; }  // <|im_end|>: ends a response and is trained on
  std::string ResponseText(absl::Span<const int32_t> response) const;  // without the stop token

 private:
  explicit ChatFormat(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}
  void AppendTurn(const char* role, std::string_view text, std::vector<int32_t>* tokens) const;
  void AppendOpening(std::vector<int32_t>* tokens) const;

  const Tokenizer* tokenizer_;
  int32_t start_ = -1, end_ = -1;
  std::vector<int32_t> assistant_, newline_;  // "assistant\n", "\n"
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_CHAT_H_
