#include "serve/json_fields.h"

#include <algorithm>

#include "common/suggest.h"

namespace sojourn::serve {

using nlohmann::json;

namespace {

// A value as an error message shows it.
std::string Shown(const json& value) {
  if (value.is_structured()) return value.is_array() ? "a list" : "an object";
  constexpr size_t kMost = 60;
  if (value.is_string() && value.get_ref<const std::string&>().size() > kMost) {
    return "a long string";
  }
  return value.dump(-1, ' ', true, json::error_handler_t::replace);
}

}  // namespace

const json* JsonFields::Find(std::string_view name) {
  known_.emplace_back(name);
  const auto found = object_.find(known_.back());
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void JsonFields::WrongType(std::string_view name, std::string_view expected, const json& got) {
  Fail(name, absl::StrCat("expected ", expected, ", got ", Shown(got)));
}

bool JsonFields::Read(std::string_view name, bool& out) {
  const json* value = Find(name);
  if (value == nullptr) return false;
  if (!value->is_boolean()) {
    WrongType(name, "true or false", *value);
    return false;
  }
  out = value->get<bool>();
  return true;
}

bool JsonFields::Read(std::string_view name, double& out) {
  const json* value = Find(name);
  if (value == nullptr) return false;
  if (!value->is_number()) {
    WrongType(name, "a number", *value);
    return false;
  }
  out = value->get<double>();
  return true;
}

bool JsonFields::Read(std::string_view name, std::string& out) {
  const json* value = Find(name);
  if (value == nullptr) return false;
  if (!value->is_string()) {
    WrongType(name, "a string", *value);
    return false;
  }
  out = value->get<std::string>();
  return true;
}

bool JsonFields::Read(std::string_view name, int& out, int64_t low, int64_t high) {
  const json* value = Find(name);
  if (value == nullptr) return false;
  const bool fits = value->is_number_integer() &&
                    (!value->is_number_unsigned() || value->get<uint64_t>() <= INT64_MAX) &&
                    value->get<int64_t>() >= low && value->get<int64_t>() <= high;
  if (!fits) {
    WrongType(name, absl::StrCat("a whole number from ", low, " to ", high), *value);
    return false;
  }
  out = static_cast<int>(value->get<int64_t>());
  return true;
}

void JsonFields::Refuse(std::string_view name, std::string_view neutral) {
  const json* value = Find(name);
  if (value == nullptr) return;
  const json allowed = json::parse(neutral);
  if (std::find(allowed.begin(), allowed.end(), *value) != allowed.end()) return;
  Fail(name,
       absl::StrCat("not supported by this server",
                    allowed.empty() ? "" : absl::StrCat(" except as ", allowed[0].dump())),
       "unsupported_parameter");
}

absl::Status JsonFields::Finish() {
  for (const auto& [name, value] : object_.items()) {
    if (!status_.ok()) break;
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    Fail(name, absl::StrCat("unknown parameter", Suggest(name, known_)), "unknown_parameter");
  }
  return status_;
}

}  // namespace sojourn::serve
