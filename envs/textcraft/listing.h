// Which recipes a task shows, and in which order.
#ifndef SOJOURN_ENVS_TEXTCRAFT_LISTING_H_
#define SOJOURN_ENVS_TEXTCRAFT_LISTING_H_

#include <vector>

#include "common/random.h"
#include "envs/textcraft/recipe_book.h"

namespace sojourn::envs::textcraft {

inline constexpr int kAgentGymDistractors = 10;

// All recipes of the goal's tree and min(`distractors`, as many as it has) of its distractors,
// shuffled. The original's choice and order depend on Python's hash seed, which is new in every
// process; ours depend on `random` alone.
std::vector<int> DrawListing(const RecipeBook& book, int goal, int distractors, Random& random);

}  // namespace sojourn::envs::textcraft

#endif  // SOJOURN_ENVS_TEXTCRAFT_LISTING_H_
