#include "coordinator/statistics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "common/random.h"

namespace sojourn::coordinator {
namespace {

TEST(Statistics, WilsonMatchesHandComputedIntervals) {
  // 8 of 10: (0.8 + z2/20 -+ z sqrt(.8*.2/10 + z2/400)) / (1 + z2/10), z = 1.96
  const Interval eight = WilsonInterval(0.8, 10);
  EXPECT_NEAR(eight.low, 0.4902, 1e-4);
  EXPECT_NEAR(eight.high, 0.9433, 1e-4);
  const Interval none = WilsonInterval(0, 10);  // [0, z2 / (n + z2)]
  EXPECT_EQ(none.low, 0);
  EXPECT_NEAR(none.high, 0.27753, 1e-5);
  EXPECT_NEAR(WilsonInterval(1, 10).low, 1 - none.high, 1e-12);
  EXPECT_EQ(WilsonInterval(0, 0).high, 1);
}

TEST(Statistics, TasksThatAgreeHaveWilsonsIntervalAndNotZeroWidth) {
  const Interval interval = BootstrapInterval(std::vector<double>(10, 1.0));
  EXPECT_NEAR(interval.low, 0.72247, 1e-5);
  EXPECT_DOUBLE_EQ(interval.high, 1);
  EXPECT_EQ(BootstrapInterval({}).high, 1);
}

TEST(Statistics, TheBootstrapComesNearTheNormalIntervalForManyTasks) {
  Random random(RandomKey(3));
  std::vector<double> values;
  for (int i = 0; i < 400; ++i) values.push_back(random.Uniform());
  const double mean = Mean(values);
  double variance = 0;
  for (const double value : values) variance += (value - mean) * (value - mean) / 399;
  const double half = 1.96 * std::sqrt(variance / 400);
  const Interval interval = BootstrapInterval(values);
  EXPECT_NEAR(interval.low, mean - half, 0.15 * half);
  EXPECT_NEAR(interval.high, mean + half, 0.15 * half);
}

TEST(Statistics, TheBootstrapOfTwoTasksIsExact) {
  // The mean of two draws from {0, 1} is 0 or 1 with a quarter each: the percentiles are the ends.
  const Interval interval = BootstrapInterval({0, 1});
  EXPECT_EQ(interval.low, 0);
  EXPECT_EQ(interval.high, 1);
}

TEST(Statistics, TheSameDataHaveTheSameInterval) {
  const std::vector<double> values = {0, 0.25, 1, 0.5, 0.75, 0.125};
  EXPECT_EQ(BootstrapInterval(values).low, BootstrapInterval(values).low);
  EXPECT_LT(BootstrapInterval(values).low, Mean(values));
  EXPECT_GT(BootstrapInterval(values).high, Mean(values));
}

TEST(Statistics, PassAtKIsTheShareOfDrawsWithASuccess) {
  // Of the 10 pairs of 5 episodes, 2 of which succeeded, 3 have no success.
  EXPECT_DOUBLE_EQ(PassAtK(5, 2, 2), 0.7);
  EXPECT_DOUBLE_EQ(PassAtK(5, 2, 1), 0.4);
  EXPECT_EQ(PassAtK(5, 2, 4), 1) << "only 3 can fail";
  EXPECT_EQ(PassAtK(5, 0, 5), 0);
  EXPECT_EQ(PassAtK(1024, 1, 1024), 1);
}

TEST(Statistics, EqualDifferencesHaveNoWidth) {
  EXPECT_EQ(DifferenceInterval({0.5, 0.5}).low, 0.5);
  EXPECT_EQ(DifferenceInterval({0.5, 0.5}).high, 0.5);
}

}  // namespace
}  // namespace sojourn::coordinator
