// Reads the fields of a JSON object, each once, by name and type. The first error stays, and names
// the field with its place; a field that nobody asked for is an error too.
#ifndef SOJOURN_SERVE_JSON_FIELDS_H_
#define SOJOURN_SERVE_JSON_FIELDS_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "serve/api_error.h"

namespace sojourn::serve {

class JsonFields {
 public:
  // `object` must be one, and outlives this. `place` is put before names: "messages[2].".
  JsonFields(const nlohmann::json& object, std::string place)
      : object_(object), place_(std::move(place)) {}

  // The field's value, unless it is absent or null.
  const nlohmann::json* Find(std::string_view name);
  // Each leaves `out` alone when the field is absent or wrong; true when it was read.
  bool Read(std::string_view name, bool& out);
  bool Read(std::string_view name, double& out);
  bool Read(std::string_view name, std::string& out);
  bool Read(std::string_view name, int& out, int64_t low, int64_t high);

  // Refuses the field unless its value is among `neutral`, a JSON list.
  void Refuse(std::string_view name, std::string_view neutral);

  // Keeps the first.
  void Fail(std::string_view name, std::string_view message, std::string_view code = "") {
    if (status_.ok()) status_ = ParameterError(absl::StrCat(place_, name), message, code);
  }
  void Fail(absl::Status status) { status_.Update(std::move(status)); }
  void WrongType(std::string_view name, std::string_view expected, const nlohmann::json& got);

  const std::string& place() const { return place_; }
  bool ok() const { return status_.ok(); }
  absl::Status Finish();  // unknown fields are errors

 private:
  const nlohmann::json& object_;
  const std::string place_;
  std::vector<std::string> known_;
  absl::Status status_;
};

}  // namespace sojourn::serve

#endif  // SOJOURN_SERVE_JSON_FIELDS_H_
