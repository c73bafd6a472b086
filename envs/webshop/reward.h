// What a purchase is worth: WebShop's score.
#ifndef SOJOURN_ENVS_WEBSHOP_REWARD_H_
#define SOJOURN_ENVS_WEBSHOP_REWARD_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "envs/webshop/catalogue.h"

namespace sojourn::envs::webshop {

struct Score {
  // (attributes met + options met + [price <= bound]) / (attributes + options + 1) * type
  double reward = 0;

  double type = 0;  // 1, or 0.5, 0.1, 0 when the purchase is another kind of thing
  bool query_match = false, category_match = false;
  double title_score = 0;
  int attributes_met = 0, attributes = 0;
  int options_met = 0, options = 0;
  bool price_met = false;
};

// `chosen` are the options that were clicked. The formulas are WebShop's
// (web_agent_site/engine/goal.py):
//  - an attribute is met when one of the product's is alike (fuzzy.h), or when the title, the
//  features
//    or the description contain it;
//  - an option is met when a chosen value is alike, colors standing for all their shades; of a
//  named
//    option its name and value together are compared with each chosen value;
//  - the type is 1 when the queries are the same, or two parts of the product categories, or more
//  than
//    a fifth of the title's nouns; else 0.5; but 0.1 when less than a tenth of the nouns are the
//    same, and 0 when none are. What the original calls a noun its tagger decides (spaCy), here
//    TitleNouns.
Score ScorePurchase(const Catalogue& catalogue, const Product& purchased,
                    const std::vector<Option>& chosen, const Goal& goal);

// What the score would be were all attributes, options and the price as they are and the type
// `type`.
double RewardOf(const Score& score, double type);

// Whether choosing `value` meets the goal's option.
bool MeetsOption(std::string_view value, const Option& wanted, bool is_named);

// The words of a title that count as its nouns, in lower case, in order: words with a letter that
// do not begin with a digit, but for a list of function words. Titles are mostly names, and taggers
// take their adjectives for names, too.
std::vector<std::string> TitleNouns(std::string_view title);

}  // namespace sojourn::envs::webshop

#endif  // SOJOURN_ENVS_WEBSHOP_REWARD_H_
