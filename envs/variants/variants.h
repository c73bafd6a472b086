// Interface variants: an environment's tasks, shown through another interface.
//
// A variant changes what the agent reads and how it must write, never the task: every action of the
// original has exactly one in the variant, rewards and ends are the same, and experts solve what
// they solved. Variants are composed in a fixed order, so that the order of their names means
// nothing. What they choose depends on the seed and the task alone, and is the same throughout an
// episode; only lists' orders and chatter differ by turn.
#ifndef SOJOURN_ENVS_VARIANTS_VARIANTS_H_
#define SOJOURN_ENVS_VARIANTS_VARIANTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/environment.h"

namespace sojourn::envs {

struct VariantHelp {
  std::string name;  // with its argument, if it can have one: "verbs[:made]"
  std::string help;
};
const std::vector<VariantHelp>& Variants();

// The environment seen through variants: names separated by '+' or ',', "" for none, added to those
// that it is seen through already. Its spec is the environment's but for what an action
// format changes; the instances' Instructions() have the words of the task as well. InvalidArgument for an
// unknown name (with a suggestion), one given twice, two action formats, an impossible argument, or
// a variant that needs what the environment's Interface does not tell.
absl::StatusOr<std::unique_ptr<Environment>> Vary(std::shared_ptr<const Environment> environment,
                                                  std::string_view variants);

// The same with a seed for what the variants choose, instead of the one that the environment has so
// far (0).
absl::StatusOr<std::unique_ptr<Environment>> Vary(std::shared_ptr<const Environment> environment,
                                                  std::string_view variants, uint64_t seed);

// The names, without arguments, of those that an environment can be seen through, by its own Spec.
std::vector<std::string> PossibleVariants(const Spec& spec);

}  // namespace sojourn::envs

#endif  // SOJOURN_ENVS_VARIANTS_VARIANTS_H_
