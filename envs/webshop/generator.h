// Makes up a shop: products of some fifty kinds, and what customers ask for.
#ifndef SOJOURN_ENVS_WEBSHOP_GENERATOR_H_
#define SOJOURN_ENVS_WEBSHOP_GENERATOR_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/random.h"
#include "envs/environment.h"
#include "envs/webshop/catalogue.h"

namespace sojourn::envs::webshop {

inline constexpr int kFewestProducts = 100;
inline constexpr int kMostProducts = 1'000'000;
inline constexpr int kDefaultProducts = 3000;

// Goals have this many constraints (attributes and options; a bound on the price comes on top):
// difficulty 1: 1-2, 2: 3-4, 3: 5-6, 4: 7 and more (made up ones: 7-8).
inline constexpr int kDifficulties = 4;
int DifficultyOf(int constraints);

// The same numbers give the same products. Every product has a title with some of its attributes, all of
// them among its features, one to three groups of options, and an instruction with the attributes that
// the title lacks in part, so that a shop that is written to files (data_files.h) has goals.
std::vector<Product> MakeProducts(uint64_t seed, int count);

// The words, in lower case, that made-up products are called by: their kinds, colors, scents and
// flavors, a plural after its singular ("dress|dresses").
std::vector<std::string> NamesOfWares();

// A goal that buying its product with the named options meets in full. Whether it belongs to the train
// or the test split is decided by its kind of product and its attributes, so no instruction of one split
// is one of the other. Nothing when the products have no such goal (there are too few).
std::optional<Goal> MakeGoal(const std::vector<Product>& products, Split split, int difficulty,
                             RandomKey key);

// Which split instructions with this text (without options and price) belong to: one in five is for
// testing.
Split SplitOf(std::string_view instruction);

}  // namespace sojourn::envs::webshop

#endif  // SOJOURN_ENVS_WEBSHOP_GENERATOR_H_
