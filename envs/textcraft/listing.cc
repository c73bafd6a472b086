#include "envs/textcraft/listing.h"

#include <algorithm>

namespace sojourn::envs::textcraft {

std::vector<int> DrawListing(const RecipeBook& book, int goal, int distractors, Random& random) {
  std::vector<int> listing = book.Tree(goal);
  std::vector<int> others = book.Distractors(goal);
  random.Shuffle(others);
  others.resize(std::min<size_t>(others.size(), distractors));
  listing.insert(listing.end(), others.begin(), others.end());
  random.Shuffle(listing);
  return listing;
}

}  // namespace sojourn::envs::textcraft
