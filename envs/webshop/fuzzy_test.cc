#include "envs/webshop/fuzzy.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace sojourn::envs::webshop {
namespace {

// Values of thefuzz.
TEST(Fuzzy, SetsOfWordsAreAlikeWhenOneHoldsTheOther) {
  EXPECT_EQ(TokenSetRatio("fuzzy was a bear", "fuzzy fuzzy was a bear"), 100);
  EXPECT_EQ(TokenSetRatio("", "a"), 0);
  EXPECT_EQ(Ratio("abcd", "abcd"), 100);
  EXPECT_EQ(Ratio("abcd", "bcde"), 75);
  EXPECT_TRUE(IsAlike("machine wash", "Machine-Wash"));
  EXPECT_FALSE(IsAlike("machine wash", "hand made"));
}

TEST(Fuzzy, RatiosAreThoseOfTheFuzz) {
  std::ifstream file("envs/webshop/testdata/ratios.jsonl");
  int count = 0;
  for (std::string line; std::getline(file, line); ++count) {
    const auto pair = nlohmann::json::parse(line);
    const auto a = pair[0].get<std::string>(), b = pair[1].get<std::string>();
    EXPECT_EQ(Ratio(a, b), pair[2].get<int>()) << line;
    EXPECT_EQ(TokenSetRatio(a, b), pair[3].get<int>()) << line;
  }
  EXPECT_GT(count, 400);
}

TEST(Fuzzy, ShadesStandForTheirColors) {
  EXPECT_EQ(NormalizeColor("dusty pink"), "pink");
  EXPECT_TRUE(IsColor("black"));
  EXPECT_FALSE(IsColor("x-large"));
}

}  // namespace
}  // namespace sojourn::envs::webshop
