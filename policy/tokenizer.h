// Byte-level BPE in Hugging Face's tokenizer.json format. No LibTorch.
#ifndef SOJOURN_POLICY_TOKENIZER_H_
#define SOJOURN_POLICY_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace sojourn::policy {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // Reads a tokenizer.json; an error names the file, the place in it and what is not supported.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& path);
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Parse(std::string_view json,
                                                          const std::string& path);

  // Text to ids. Special tokens written in `text` are *not* recognized (an observation cannot forge
  // a turn).
  virtual std::vector<int32_t> Encode(std::string_view text) const = 0;
  // Ids to bytes; special tokens are left out unless asked for. Unknown ids give nothing.
  virtual std::string Decode(absl::Span<const int32_t> ids, bool with_special = false) const = 0;
  virtual int32_t SpecialId(std::string_view token) const = 0;  // -1 when there is none
  virtual int64_t vocab_size() const = 0;                       // highest id + 1
};

struct TokenizerTraining {
  int vocab_size = 1024;  // at most; special tokens, 256 bytes and whole words included
  std::vector<std::string> special_tokens = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
  // A merge never joins across a place where this PCRE2 pattern splits the text (pre-tokenizer
  // Split).
  std::string split_pattern;
  std::vector<std::string> whole_words;  // each becomes one token, whatever its frequency
};
// Deterministic: the same texts give the same tokenizer.json text.
absl::StatusOr<std::string> TrainTokenizer(absl::Span<const std::string> texts,
                                           const TokenizerTraining& training);

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_TOKENIZER_H_
