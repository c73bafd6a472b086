#ifndef SOJOURN_COMMON_SUGGEST_H_
#define SOJOURN_COMMON_SUGGEST_H_

#include <string>
#include <string_view>
#include <vector>

namespace sojourn {

// The end of an error message about an unknown name: `; did you mean "babyai"?`, or "" when no
// known name is near enough (restricted Damerau-Levenshtein distance of at most a third of the
// letters).
std::string Suggest(std::string_view word, const std::vector<std::string>& known);

}  // namespace sojourn

#endif  // SOJOURN_COMMON_SUGGEST_H_
