// How a text is changed before it is cut: the normalizer of a tokenizer.json.
#ifndef SOJOURN_POLICY_NORMALIZER_H_
#define SOJOURN_POLICY_NORMALIZER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/pretokenizer_pattern.h"
#include "policy/tokenizer_json.h"

namespace sojourn::policy {

class Normalizer {
 public:
  // NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Replace, Strip, Sequence, null. InvalidArgument names
  // the place of what is not supported.
  static absl::StatusOr<Normalizer> FromJson(const Json& json);

  bool empty() const { return steps_.empty(); }
  // The text must be valid UTF-8; so is the result.
  void Apply(std::string* text) const;

 private:
  enum class Kind { kForm, kLowercase, kPrepend, kReplace, kStrip };
  struct Step {
    Kind kind = Kind::kForm;
    bool compose = false, compatible = false;  // kForm
    std::string content;                       // kPrepend, kReplace
    Pattern pattern;                           // kReplace
    bool left = false, right = false;          // kStrip
  };

  absl::Status Add(const Json& json, const std::string& place);

  std::vector<Step> steps_;
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_NORMALIZER_H_
