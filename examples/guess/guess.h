// Guess: find a number from hints. The worked example of docs/adding-an-environment.md.
#ifndef SOJOURN_EXAMPLES_GUESS_GUESS_H_
#define SOJOURN_EXAMPLES_GUESS_GUESS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "envs/environment.h"

namespace sojourn::envs {

const Spec& GuessSpec();
absl::StatusOr<std::unique_ptr<Environment>> MakeGuess(const Options& options);

}  // namespace sojourn::envs

#endif  // SOJOURN_EXAMPLES_GUESS_GUESS_H_
