#include "envs/textcraft/count.h"

#include "gtest/gtest.h"

namespace sojourn::envs::textcraft {
namespace {

Count Of(std::string_view digits) { return Count::FromDigits(digits); }

TEST(CountTest, ReadsAndPrintsNumbersOfAnySize) {
  EXPECT_EQ(Of("0").ToString(), "0");
  EXPECT_EQ(Of("000").ToString(), "0");
  EXPECT_EQ(Of("0042").ToString(), "42");
  EXPECT_EQ(Of("9999999999999999999999999").ToString(), "9999999999999999999999999");
  EXPECT_EQ(Of("1000000000000000000").ToString(), "1000000000000000000");
  EXPECT_EQ(Count(UINT64_MAX).ToString(), "18446744073709551615");
}

TEST(CountTest, AddsAndSubtractsWithCarries) {
  Count count = Of("999999999999999999999999999999999999");
  count.Add(Count(1));
  EXPECT_EQ(count.ToString(), "1000000000000000000000000000000000000");
  count.Subtract(Count(1));
  EXPECT_EQ(count.ToString(), "999999999999999999999999999999999999");
  count.Subtract(count);
  EXPECT_TRUE(count.IsZero());
}

TEST(CountTest, ComparesByValue) {
  EXPECT_EQ(Of("007"), Count(7));
  EXPECT_LT(Count(7), Count(8));
  EXPECT_LT(Count(8), Of("10000000000000000000000"));
  EXPECT_FALSE(Of("2000000000000000000000") < Of("1000000000000000000009"));
}

TEST(CountTest, ClampsToAMachineWord) {
  EXPECT_EQ(Count(5).Clamped(100), 5);
  EXPECT_EQ(Count(500).Clamped(100), 100);
  EXPECT_EQ(Of("10000000000000000000000").Clamped(100), 100);
}

}  // namespace
}  // namespace sojourn::envs::textcraft
