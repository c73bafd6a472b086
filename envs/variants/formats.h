// Forms of a response other than an environment's own.
#ifndef SOJOURN_ENVS_VARIANTS_FORMATS_H_
#define SOJOURN_ENVS_VARIANTS_FORMATS_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sojourn::envs::variants {

// A function pair as in Spec, and what the agent is told. What `write` makes of an action, `read`
// gives back unchanged, unless the action holds the form's own marks or, in the line form, a
// newline.
struct Format {
  std::string_view name;
  std::string_view how;  // "Respond with ..."
  absl::StatusOr<std::string> (*read)(std::string_view response);
  std::string (*write)(std::string_view thought, std::string_view action);
};

// "line": Thought: T, newline, Action: A. "json": a tool call. "tags": <action>A</action>. Null for
// another name.
const Format* FindFormat(std::string_view name);

}  // namespace sojourn::envs::variants

#endif  // SOJOURN_ENVS_VARIANTS_FORMATS_H_
