// How WebShop compares words that need not be the same: thefuzz 0.19 with python-Levenshtein, and
// its list of colors.
#ifndef SOJOURN_ENVS_WEBSHOP_FUZZY_H_
#define SOJOURN_ENVS_WEBSHOP_FUZZY_H_

#include <string>
#include <string_view>

namespace sojourn::envs::webshop {

// thefuzz.fuzz.token_set_ratio: 0 to 100. Both texts become sets of lower-case words (runs of
// letters, digits and _; characters U+0080 to U+00FF are dropped first); the common words, alone
// and with those of either side, sorted, are compared by Ratio, and the best counts. 0 when a text
// has no words.
int TokenSetRatio(std::string_view a, std::string_view b);

// 100 * (1 - d / (|a| + |b|)), rounded to even, where d is how many characters are to be deleted
// and inserted to make one of the other.
int Ratio(std::string_view a, std::string_view b);

// What counts as the same: a token set ratio above 85.
bool IsAlike(std::string_view a, std::string_view b);

// The first of WebShop's colors that the text contains; the text when it contains none.
std::string_view NormalizeColor(std::string_view text);

// Whether the text is the name of one of WebShop's colors.
bool IsColor(std::string_view text);

}  // namespace sojourn::envs::webshop

#endif  // SOJOURN_ENVS_WEBSHOP_FUZZY_H_
