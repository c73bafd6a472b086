// A policy that answers observations one by one, for `sojourn play`: `sojourn-actor --respond MODEL`.
#ifndef SOJOURN_ACTOR_RESPOND_H_
#define SOJOURN_ACTOR_RESPOND_H_

#include <istream>
#include <ostream>
#include <string>

#include "absl/status/status.h"

namespace sojourn::actor {

// Loads the model directory, then reads a JSON object a line and writes one for each until the input ends.
// A conversation begins with {"instructions", "acceptance", "observation"} and goes on with
// {"observation"}; the answer is {"response": TEXT}, sampled at temperature 1, or {"error": TEXT} for
// what is not such a request or no longer fits in the model's context.
absl::Status Respond(const std::string& model_directory, std::istream& in, std::ostream& out);

}  // namespace sojourn::actor

#endif  // SOJOURN_ACTOR_RESPOND_H_
