#include "common/suggest.h"

#include <gtest/gtest.h>

namespace sojourn {
namespace {

const std::vector<std::string> kNames = {"alfworld", "babyai", "searchqa", "textcraft", "webshop"};

TEST(Suggest, FindsTheNearestName) {
  EXPECT_EQ(Suggest("babyay", kNames), "; did you mean \"babyai\"?");
  EXPECT_EQ(Suggest("TextCraft", kNames), "; did you mean \"textcraft\"?");
  EXPECT_EQ(Suggest("webshpo", kNames), "; did you mean \"webshop\"?");
}

TEST(Suggest, SaysNothingWhenNothingIsNear) {
  EXPECT_EQ(Suggest("minecraft_world", kNames), "");
  EXPECT_EQ(Suggest("", kNames), "");
  EXPECT_EQ(Suggest("x", {}), "");
}

TEST(Suggest, ShortNamesMayDifferByOneLetter) {
  EXPECT_EQ(Suggest("top_q", {"top_k", "top_p"}), "; did you mean \"top_k\"?");
  EXPECT_EQ(Suggest("ab", {"cd"}), "");
}

}  // namespace
}  // namespace sojourn
