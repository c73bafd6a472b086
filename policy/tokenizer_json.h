// Reading a tokenizer.json: errors name the place in the file and what was found there.
#ifndef SOJOURN_POLICY_TOKENIZER_JSON_H_
#define SOJOURN_POLICY_TOKENIZER_JSON_H_

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sojourn::policy {

using Json = nlohmann::json;

// Nesting is bounded, so that nothing that reads or prints the result can run out of stack.
absl::StatusOr<Json> ParseJson(std::string_view text);

// The member, or null when there is none or `json` is no object.
const Json& Member(const Json& json, std::string_view key);
// "" when it is not there or not a text.
std::string Text(const Json& json, std::string_view key);
bool Flag(const Json& json, std::string_view key, bool otherwise);

absl::Status Unsupported(std::string_view place, const Json& found, std::string_view expected);

// An error's message, with the place put before it.
absl::Status At(std::string_view place, const absl::Status& status);

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_TOKENIZER_JSON_H_
