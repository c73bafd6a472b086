// BPE tokenizers in Hugging Face's tokenizer.json format: byte-level (GPT-2, Llama 3, Qwen, SmolLM)
// and sentencepiece-like (Llama 2, Mistral). Equal to PyPI's `tokenizers`. No LibTorch.
#ifndef SOJOURN_POLICY_TOKENIZER_H_
#define SOJOURN_POLICY_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "policy/stream_decoder.h"

namespace sojourn::policy {

// A text, or a part of one. Where special tokens are not looked for, text that looks like one stays
// text: an observation cannot forge a turn. Added tokens that are not special (e.g. Qwen 3's
// <think>) are always recognized, as by `tokenizers` with encode_special_tokens.
struct TextPart {
  std::string_view text;
  bool parse_special = false;
};

struct EncodeOptions {
  bool parse_special = false;
  bool add_special = false;  // also what the file's post_processor adds, e.g. <s> at the front
};

// A tokenizer as a GGUF file's metadata describes it (keys tokenizer.ggml.*).
struct TokenizerParts {
  std::string model;  // "gpt2": byte-level BPE by merges; "llama": by scores
  std::string pre;    // how "gpt2" splits: smollm, llama-bpe, qwen2, gpt-2, default...
  std::vector<std::string> tokens;  // by id
  std::vector<float> scores;        // by id; "llama" needs them, "gpt2" ignores them
  // By id, may be empty (all normal): 1 normal, 2 unknown, 3 control (special), 4 user-defined
  // (added, not special), 5 unused, 6 byte.
  std::vector<int32_t> token_types;
  std::vector<std::string> merges;  // "a b", most important first; "gpt2" needs them
  int32_t bos_id = -1, eos_id = -1, unknown_id = -1;  // -1: none
  bool add_bos = false, add_eos = false;              // what EncodeOptions::add_special adds
  bool add_space_prefix = true;                       // "llama"
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // Reads a tokenizer.json; an error names the file, the place in it and what is not supported.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& path);
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Parse(std::string_view json,
                                                          const std::string& path);
  // InvalidArgument names the part that cannot be.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> FromParts(TokenizerParts parts);

  // Text to ids. Special tokens written in `text` are *not* recognized unless asked for.
  std::vector<int32_t> Encode(std::string_view text, EncodeOptions options = {}) const {
    const TextPart part{text, options.parse_special};
    return EncodeParts({&part, 1}, options.add_special);
  }
  // One text in parts that differ in whether special tokens are looked for; ordinary tokens join
  // across parts. A special token is recognized where all of it lies in parts that parse_special.
  virtual std::vector<int32_t> EncodeParts(absl::Span<const TextPart> parts,
                                           bool add_special = false) const = 0;
  // Ids to text; special tokens are left out unless asked for. Unknown ids give nothing, bytes that
  // are not UTF-8 give U+FFFD.
  virtual std::string Decode(absl::Span<const int32_t> ids, bool with_special = false) const = 0;
  virtual StreamDecoder Stream(bool with_special = false) const = 0;  // the same, id by id
  // What a token stands for in the middle of a text, special or not: a part of a character as it
  // is. Empty for unknown ids.
  virtual std::string TokenBytes(int32_t id) const = 0;
  // Of an added token, special or not; -1 when there is none.
  virtual int32_t SpecialId(std::string_view token) const = 0;
  virtual int64_t vocab_size() const = 0;  // highest id + 1
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
