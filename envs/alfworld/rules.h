// The rules of ALFWorld's households: a domain text of our own that says them in PDDL, and the
// check that a game's domain text says the same.
#ifndef SOJOURN_ENVS_ALFWORLD_RULES_H_
#define SOJOURN_ENVS_ALFWORLD_RULES_H_

#include <string_view>

#include "absl/status/statusor.h"

namespace sojourn::envs::alfworld {

// Domain "alfred": means what the original's alfred.pddl means.
std::string_view DomainText();

// What differs among the versions of the original's domain.
struct Rules {
  bool has_help = false;         // the action that lists the commands; the first version has none
  bool cleans_in_sinks = false;  // in receptacles of type SinkType as well as SinkBasinType
};

// InvalidArgument names the action that is missing, is not known, or whose rules differ from those
// that are built in, with the line. Order, comments, costs, and effects on what has been looked at
// do not count.
absl::StatusOr<Rules> ReadDomain(std::string_view text);

}  // namespace sojourn::envs::alfworld

#endif  // SOJOURN_ENVS_ALFWORLD_RULES_H_
