// Ids back to text: the decoder of a tokenizer.json, one id at a time.
#ifndef SOJOURN_POLICY_STREAM_DECODER_H_
#define SOJOURN_POLICY_STREAM_DECODER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/tokenizer_json.h"

namespace sojourn::policy {

// What a decoder does, and the tokens as it wants them.
class DecoderPlan {
 public:
  // ByteLevel, Metaspace, Replace, Strip, ByteFallback, Fuse, Sequences of them, null.
  // InvalidArgument names the place of what is not supported.
  static absl::StatusOr<DecoderPlan> FromJson(const Json& json);

  // What a token stands for, once; ids that are not set are unknown.
  void SetToken(int32_t id, std::string_view token, bool special);

  // What the token adds to a text that it does not begin; a part of a character as it is.
  std::string Bytes(int32_t id) const;

 private:
  friend class StreamDecoder;
  struct Step {  // on each token by itself
    enum class Kind { kReplace, kStrip, kByteLevel } kind;
    std::string from, to;  // kReplace; kStrip removes `from`
    int64_t start = 0, stop = 0;
  };
  struct Token {
    std::string text;
    int16_t byte = -1;  // of a byte token
    bool known = false, special = false;
  };

  absl::Status Add(const Json& json, const std::string& place);

  std::vector<Step> steps_;
  std::string separator_;       // between tokens
  std::string first_unwanted_;  // Metaspace: what the first token loses
  bool bytes_ = false;          // tokens are parts of UTF-8
  bool byte_fallback_ = false;
  bool fused_ = false;
  std::string strip_;  // from the front of all, strip_count_ times
  int64_t strip_count_ = 0;
  std::vector<Token> tokens_;             // by id
  std::vector<std::string> first_texts_;  // by id, when first_unwanted_ is not empty
};

// Add's and Finish's results, joined, are what Tokenizer::Decode gives: nothing is given out before
// later ids could no longer change it. Refers to its tokenizer.
class StreamDecoder {
 public:
  StreamDecoder(const DecoderPlan* plan, bool with_special)
      : plan_(plan), with_special_(with_special), strip_left_(plan->strip_count_) {}

  std::string Add(int32_t id);
  std::string Finish();  // what was held back; then it begins anew

 private:
  void AddText(std::string_view text, std::string* out);
  void AddBytes(std::string_view bytes, std::string* out);
  void EndByteRun(std::string* out);

  const DecoderPlan* plan_;
  bool with_special_;
  bool first_ = true;
  std::string pending_;  // bytes of a character that is not complete, or of a run of byte tokens
  int64_t strip_left_;
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_STREAM_DECODER_H_
