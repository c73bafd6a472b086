// Recipes made new for every task from real items' names, so that nothing can be known by heart:
// what makes what is only to be read.
#ifndef SOJOURN_ENVS_TEXTCRAFT_FRESH_WORLD_H_
#define SOJOURN_ENVS_TEXTCRAFT_FRESH_WORLD_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/environment.h"
#include "envs/textcraft/recipe_book.h"

namespace sojourn::envs::textcraft {

// Recipes take and make 1 to this many of each item, unless less is asked for.
inline constexpr int kMostOfAKind = 4;

struct World {
  std::shared_ptr<const RecipeBook> book;
  int goal;
  std::vector<int> listing;  // all of the book's recipes, in the order to show
};

// A world whose goal has exactly this depth (1 to 4): each recipe of the tree takes one or two
// ingredients, one of them crafted (once is enough) unless the depth is 1. The distractors (0 to
// 20: there are no names for more) make other items; about half of their ingredients are the
// tree's.
//
// The arguments alone decide. A goal's recipe belongs to the test split when its hash is a multiple
// of four, so no recipe to be found in one split is the one to be found in the other.
absl::StatusOr<World> MakeFreshWorld(Split split, int depth, int64_t index, int distractors,
                                     int most_of_a_kind = kMostOfAKind);

}  // namespace sojourn::envs::textcraft

#endif  // SOJOURN_ENVS_TEXTCRAFT_FRESH_WORLD_H_
