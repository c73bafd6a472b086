// A request's arguments, checked as the original servers check them (FastAPI with pydantic in its
// lax mode): what is a whole number, what is a text, what may be missing.
#ifndef SOJOURN_ENVS_SERVE_ARGUMENTS_H_
#define SOJOURN_ENVS_SERVE_ARGUMENTS_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/numeric/int128.h"
#include "absl/status/statusor.h"

namespace sojourn::envs::serve {

struct Parameter {
  enum Type { kInteger, kText } type;
  std::string name;
  bool nullable = false;                     // null is taken; the argument is then absent
  std::optional<std::string> default_value;  // taken when the parameter is not given
};

// Texts as given; whole numbers as "-12", without leading zeros, of any size, as in Python.
using Arguments = std::map<std::string, std::string>;

// Of a JSON object. Members that no parameter names are ignored. InvalidArgument names the
// parameter that is missing or of another type.
absl::StatusOr<Arguments> ParseBody(std::string_view body,
                                    const std::vector<Parameter>& parameters);

// Of a query string, "id=0&x=1".
absl::StatusOr<Arguments> ParseQuery(std::string_view query,
                                     const std::vector<Parameter>& parameters);

// Floor division, as Python's // and %, of a whole number as above by a divisor from 1 to 10000.
struct Division {
  std::string quotient;
  int remainder = 0;
};
Division Divide(std::string_view number, int divisor);

// The value of a whole number from 0 to 2^128 - 1.
std::optional<absl::uint128> ToUint128(std::string_view number);

}  // namespace sojourn::envs::serve

#endif  // SOJOURN_ENVS_SERVE_ARGUMENTS_H_
