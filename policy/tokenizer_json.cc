#include "policy/tokenizer_json.h"

#include "absl/strings/str_cat.h"

namespace sojourn::policy {

absl::StatusOr<Json> ParseJson(std::string_view text) {
  constexpr int kMostNested = 64;
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMostNested) {
        return absl::InvalidArgumentError(
            absl::StrCat("nested more than ", kMostNested, " deep at byte ", i));
      }
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return absl::InvalidArgumentError("not JSON");
  return json;
}

const Json& Member(const Json& json, std::string_view key) {
  static const Json null;
  if (!json.is_object()) return null;
  const auto found = json.find(key);
  return found == json.end() ? null : *found;
}

std::string Text(const Json& json, std::string_view key) {
  const Json& member = Member(json, key);
  return member.is_string() ? member.get<std::string>() : "";
}

bool Flag(const Json& json, std::string_view key, bool otherwise) {
  const Json& member = Member(json, key);
  return member.is_boolean() ? member.get<bool>() : otherwise;
}

absl::Status Unsupported(std::string_view place, const Json& found, std::string_view expected) {
  std::string text = found.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 120) text = text.substr(0, 120) + "...";
  return absl::InvalidArgumentError(
      absl::StrCat(place, ": ", text, " is not supported; expected ", expected));
}

absl::Status At(std::string_view place, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(place, ": ", status.message()));
}

}  // namespace sojourn::policy
