// Which goals a catalogue's instructions make, as WebShop makes them.
#ifndef SOJOURN_ENVS_WEBSHOP_GOALS_H_
#define SOJOURN_ENVS_WEBSHOP_GOALS_H_

#include <cstdint>
#include <vector>

#include "envs/webshop/catalogue.h"

namespace sojourn::envs::webshop {

enum class GoalKind { kSynthetic, kHuman };

// A goal, kept small: there may be millions.
struct GoalRef {
  int32_t product = 0;
  int32_t instruction = 0;   // index into Product::human; 0 for synthetic ones
  uint32_t combination = 0;  // of the options, the last (by name) changing first
  double price_upper = kNoPriceBound;
};

// All goals in the order in which WebShop numbers its sessions: made in the products' order and
// then shuffled by random.seed(233).
//  - Synthetic: every combination of a product's options; the bound on the price is the larger of
//  two of
//    the next four multiples of 10 dollars, drawn by random.seed(233).
//  - Human: every instruction with each of the next four multiples of 10.
// Bounds go up to 990; a price of 980 or more has none. Products with more combinations than
// kMostCombinations have no synthetic goals.
inline constexpr int64_t kMostCombinations = 1'000'000;
std::vector<GoalRef> MakeGoals(const std::vector<Product>& products, GoalKind kind);

// How many combinations a product's options have; more than kMostCombinations is not counted
// further.
int64_t CombinationCount(const Product& product);

Goal Expand(const std::vector<Product>& products, const GoalRef& ref, GoalKind kind);

// What WebShop calls a goal's weight: rare attributes weigh more; 1 for human goals. Of the goals
// in order.
std::vector<double> GoalWeights(const std::vector<Product>& products,
                                const std::vector<GoalRef>& goals, GoalKind kind);

// What is appended to an instruction: ", and price lower than 40.00 dollars"; "" when there is no
// bound.
std::string PriceText(double price_upper);

}  // namespace sojourn::envs::webshop

#endif  // SOJOURN_ENVS_WEBSHOP_GOALS_H_
