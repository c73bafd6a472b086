// A GGUF file's tokenizer as the tokenizer.json that says the same.
#ifndef SOJOURN_POLICY_TOKENIZER_PARTS_H_
#define SOJOURN_POLICY_TOKENIZER_PARTS_H_

#include "absl/status/statusor.h"
#include "policy/tokenizer.h"
#include "policy/tokenizer_json.h"

namespace sojourn::policy {

// InvalidArgument names the part that cannot be.
absl::StatusOr<Json> TokenizerJson(TokenizerParts parts);

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_TOKENIZER_PARTS_H_
