// How a text is cut into pieces before BPE: the pre_tokenizer of a tokenizer.json.
#ifndef SOJOURN_POLICY_PRETOKENIZER_H_
#define SOJOURN_POLICY_PRETOKENIZER_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "policy/pretokenizer_pattern.h"
#include "policy/tokenizer_json.h"

namespace sojourn::policy {

class PreTokenizer {
 public:
  // ByteLevel, Digits, Metaspace, Split, WhitespaceSplit, Sequence, null. InvalidArgument names the
  // place of what is not supported.
  static absl::StatusOr<PreTokenizer> FromJson(const Json& json);

  // Pieces are in the bytes' own alphabet, to be looked up as byte-level tokens.
  bool byte_level() const { return byte_level_; }

  // Calls with each piece, in order. The text must be valid UTF-8 and not empty; `at_start`: the
  // whole text begins with it. A piece is valid during its call only.
  void Split(std::string_view text, bool at_start,
             absl::FunctionRef<void(std::string_view)> piece) const {
    Split(text, at_start, 0, piece);
  }

 private:
  enum class Kind { kSplit, kDigits, kMetaspace, kByteLevel, kWhitespace };
  enum class Behavior { kIsolated, kRemoved, kContiguous, kMergedWithPrevious, kMergedWithNext };
  enum class Prepend { kAlways, kFirst, kNever };
  struct Step {
    Kind kind = Kind::kSplit;
    Pattern pattern;
    Behavior behavior = Behavior::kIsolated;
    bool invert = false;
    bool individual = false;    // kDigits
    bool splits = true;         // kMetaspace, kByteLevel
    bool prefix_space = false;  // kByteLevel
    Prepend prepend = Prepend::kAlways;
    std::string replacement;  // kMetaspace
  };

  absl::Status Add(const Json& json, const std::string& place);
  absl::Status AddSplit(const Json& json, const std::string& place);
  absl::Status AddMetaspace(const Json& json, const std::string& place);
  void Split(std::string_view text, bool at_start, size_t step,
             absl::FunctionRef<void(std::string_view)> piece) const;

  std::vector<Step> steps_;
  bool byte_level_ = false;
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_PRETOKENIZER_H_
