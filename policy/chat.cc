#include "policy/chat.h"

#include "absl/strings/str_cat.h"

namespace sojourn::policy {
namespace {

void Append(const std::vector<int32_t>& from, std::vector<int32_t>* to) {
  to->insert(to->end(), from.begin(), from.end());
}

}  // namespace

absl::StatusOr<ChatFormat> ChatFormat::Create(const Tokenizer& tokenizer) {
  ChatFormat format(tokenizer);
  format.start_ = tokenizer.SpecialId("<|im_start|>");
  format.end_ = tokenizer.SpecialId("<|im_end|>");
  if (format.start_ < 0 || format.end_ < 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the tokenizer has no special token ", format.start_ < 0 ? "<|im_start|>" : "<|im_end|>",
        "; conversations are in ChatML, which needs <|im_start|> and <|im_end|>"));
  }
  format.assistant_ = tokenizer.Encode("assistant\n");
  format.newline_ = tokenizer.Encode("\n");
  return format;
}

void ChatFormat::AppendTurn(const char* role, std::string_view text,
                            std::vector<int32_t>* tokens) const {
  tokens->push_back(start_);
  // Encoded as one text, as any chat template does: tokens may join the role's newline and the
  // text's.
  Append(tokenizer_->Encode(std::string(role) + "\n" + std::string(text)), tokens);
  tokens->push_back(end_);
  Append(newline_, tokens);
}

void ChatFormat::AppendOpening(std::vector<int32_t>* tokens) const {
  tokens->push_back(start_);
  Append(assistant_, tokens);
}

std::vector<int32_t> ChatFormat::Begin(std::string_view instructions, std::string_view acceptance,
                                       std::string_view observation) const {
  std::vector<int32_t> tokens;
  if (!instructions.empty()) AppendTurn("user", instructions, &tokens);
  if (!acceptance.empty()) AppendTurn("assistant", acceptance, &tokens);
  AppendTurn("user", observation, &tokens);
  AppendOpening(&tokens);
  return tokens;
}

std::vector<int32_t> ChatFormat::Observe(std::string_view observation, bool stopped) const {
  std::vector<int32_t> tokens;
  if (!stopped) tokens.push_back(end_);
  Append(newline_, &tokens);
  AppendTurn("user", observation, &tokens);
  AppendOpening(&tokens);
  return tokens;
}

std::string ChatFormat::ResponseText(absl::Span<const int32_t> response) const {
  if (!response.empty() && response.back() == end_) response.remove_suffix(1);
  return tokenizer_->Decode(response);
}

}  // namespace sojourn::policy
