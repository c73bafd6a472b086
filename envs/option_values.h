// Reads what an environment's options were given as.
#ifndef SOJOURN_ENVS_OPTION_VALUES_H_
#define SOJOURN_ENVS_OPTION_VALUES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/environment.h"

namespace sojourn::envs {

// Of the options that `spec` names; both outlive this. The first fault is kept: InvalidArgument with the option's name,
// its value and what is possible. After one the values that are read mean nothing.
class OptionValues {
 public:
  OptionValues(const Spec& spec, const Options& options) : spec_(spec), options_(options) {}

  // As given, or the spec's default; "" of an option that the spec does not have.
  std::string Text(std::string_view name) const;
  uint64_t Number(std::string_view name, uint64_t least, uint64_t most);
  std::string OneOf(std::string_view name, const std::vector<std::string>& known);
  bool Truth(std::string_view name) { return OneOf(name, {"true", "false"}) == "true"; }
  // What an option was made into.
  template <typename T>
  T Value(std::string_view name, absl::StatusOr<T> value) {
    if (value.ok()) return *std::move(value);
    Fault(name, value.status().message());
    return T();
  }
  void Fault(std::string_view name, std::string_view why);

  const absl::Status& status() const { return status_; }

 private:
  const Spec& spec_;
  const Options& options_;
  absl::Status status_;
};

}  // namespace sojourn::envs

#endif  // SOJOURN_ENVS_OPTION_VALUES_H_
