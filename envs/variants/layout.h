// How observations are laid out: their lists, and their sentences and parts.
#ifndef SOJOURN_ENVS_VARIANTS_LAYOUT_H_
#define SOJOURN_ENVS_VARIANTS_LAYOUT_H_

#include <string>
#include <string_view>

#include "common/random.h"
#include "envs/interface.h"

namespace sojourn::envs::variants {

// The text with every list in another order, if it has two different elements.
std::string ShuffleLists(std::string_view text, const Interface& interface, RandomKey key);

// The text without its lists of valid actions, and without the line that one stands in when that
// holds nothing else.
std::string WithoutActionLists(std::string_view text, const Interface& interface);

// The text with its parts in another order, one a line, and its sentences in other words. With the
// same key the order and the words are the same for every text.
std::string Paraphrase(std::string_view text, const Interface& interface, RandomKey key);

}  // namespace sojourn::envs::variants

#endif  // SOJOURN_ENVS_VARIANTS_LAYOUT_H_
