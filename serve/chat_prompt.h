// Conversations as a model's chat template has them, in tokens. No LibTorch.
#ifndef SOJOURN_SERVE_CHAT_PROMPT_H_
#define SOJOURN_SERVE_CHAT_PROMPT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/chat_template.h"
#include "policy/tokenizer.h"
#include "serve/openai_request.h"

namespace sojourn::serve {

// ChatML, in which Sojourn's own models speak, and others that bring no template.
extern const char kChatMl[];

class ChatPrompt {
 public:
  // `bos`, `eos`: the special tokens' text, which some templates write; may be empty.
  ChatPrompt(std::shared_ptr<const policy::Tokenizer> tokenizer, policy::ChatTemplate chat_template,
             std::string bos, std::string eos)
      : tokenizer_(std::move(tokenizer)),
        template_(std::move(chat_template)),
        bos_(std::move(bos)),
        eos_(std::move(eos)) {}

  // The special tokens that the template writes are tokens; those that stand in a message's content
  // stay text, so that no message can forge a turn. InvalidArgument names `messages`: the
  // template's own objections are among them.
  absl::StatusOr<std::vector<int32_t>> Encode(const ChatRequest& request) const;

 private:
  absl::StatusOr<std::string> Render(const ChatRequest& request) const;
  bool HasSpecial(std::string_view text) const;

  const std::shared_ptr<const policy::Tokenizer> tokenizer_;
  const policy::ChatTemplate template_;
  const std::string bos_, eos_;
};

}  // namespace sojourn::serve

#endif  // SOJOURN_SERVE_CHAT_PROMPT_H_
