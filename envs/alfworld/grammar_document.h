// A grammar's text as it stands in a game file, taken apart but not understood yet.
#ifndef SOJOURN_ENVS_ALFWORLD_GRAMMAR_DOCUMENT_H_
#define SOJOURN_ENVS_ALFWORLD_GRAMMAR_DOCUMENT_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sojourn::envs::alfworld {

struct RawAlternative {
  std::string condition, text;
};
struct RawAction {
  std::string command, feedback;
};
struct RawGrammar {
  std::map<std::string, std::vector<RawAlternative>, std::less<>> rules;
  std::map<std::string, RawAction, std::less<>> actions;  // by name in lower case
};

// The file format around the rules:
//   grammar :: """{JSON}""";
//   action NAME { template :: "..."; feedback :: "..."; grammar :: """{JSON}"""; }
// with comments from # to the end of a line.
// InvalidArgument names the line or the rule that is of another form.
absl::StatusOr<RawGrammar> ReadGrammarDocument(std::string_view text);

}  // namespace sojourn::envs::alfworld

#endif  // SOJOURN_ENVS_ALFWORLD_GRAMMAR_DOCUMENT_H_
