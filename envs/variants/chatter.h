// Sentences that have nothing to do with the task.
#ifndef SOJOURN_ENVS_VARIANTS_CHATTER_H_
#define SOJOURN_ENVS_VARIANTS_CHATTER_H_

#include <string>
#include <string_view>

#include "common/random.h"

namespace sojourn::envs::variants {

inline constexpr int kMostChatter = 8;

// The text with a line of so many sentences (1 to kMostChatter, all different) before or below it.
std::string AddChatter(std::string_view text, int sentences, Random random);

}  // namespace sojourn::envs::variants

#endif  // SOJOURN_ENVS_VARIANTS_CHATTER_H_
