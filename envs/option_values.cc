#include "envs/option_values.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/suggest.h"

namespace sojourn::envs {

std::string OptionValues::Text(std::string_view name) const {
  const auto given = options_.find(std::string(name));
  if (given != options_.end()) return given->second;
  for (const OptionSpec& option : spec_.options) {
    if (option.name == name) return option.default_value;
  }
  return "";
}

uint64_t OptionValues::Number(std::string_view name, uint64_t least, uint64_t most) {
  const std::string text = Text(name);
  uint64_t number = 0;
  if (absl::SimpleAtoi(text, &number) && number >= least && number <= most) return number;
  Fault(name, absl::StrCat("\"", text, "\" is not a whole number from ", least, " to ", most));
  return least;
}

std::string OptionValues::OneOf(std::string_view name, const std::vector<std::string>& known) {
  std::string text = Text(name);
  if (std::find(known.begin(), known.end(), text) == known.end()) {
    Fault(name, absl::StrCat("unknown \"", text, "\"; known: ", absl::StrJoin(known, ", "),
                             Suggest(text, known)));
  }
  return text;
}

void OptionValues::Fault(std::string_view name, std::string_view why) {
  if (!status_.ok()) return;
  status_ = absl::InvalidArgumentError(absl::StrCat(std::string(name), ": ", std::string(why)));
}

}  // namespace sojourn::envs
