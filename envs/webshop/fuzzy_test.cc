#include "envs/webshop/fuzzy.h"

#include <gtest/gtest.h>

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

TEST(Fuzzy, ShadesStandForTheirColors) {
  EXPECT_EQ(NormalizeColor("dusty pink"), "pink");
  EXPECT_TRUE(IsColor("black"));
  EXPECT_FALSE(IsColor("x-large"));
}

}  // namespace
}  // namespace sojourn::envs::webshop
