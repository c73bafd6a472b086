#include "envs/textcraft/python_random.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::textcraft {
namespace {

using ::testing::ElementsAre;

// Expected values: random.seed(n) and random.sample(range(...), ...) of CPython 3.11.7.
TEST(PythonRandomTest, SamplesAsPythonDoes) {
  PythonRandom random(42);
  EXPECT_THAT(random.Sample(1, 1), ElementsAre(0));
  EXPECT_THAT(random.Sample(3, 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(random.Sample(10, 10), ElementsAre(3, 2, 1, 5, 6, 4, 0, 8, 7, 9));
  EXPECT_THAT(random.Sample(30, 10), ElementsAre(0, 2, 6, 7, 16, 19, 29, 17, 27, 20));
  EXPECT_THAT(random.Sample(200, 10), ElementsAre(179, 139, 107, 56, 114, 150, 71, 1, 194, 40));
}

TEST(PythonRandomTest, LargePopulationsAreSampledInAnotherWay) {
  PythonRandom random(7);
  EXPECT_THAT(random.Sample(100, 6), ElementsAre(41, 19, 50, 83, 6, 9));
  EXPECT_THAT(random.Sample(21, 5), ElementsAre(17, 3, 11, 1, 16));
  EXPECT_THAT(random.Sample(22, 5), ElementsAre(6, 1, 2, 13, 7));
  EXPECT_THAT(random.Sample(85, 10), ElementsAre(11, 70, 54, 7, 72, 15, 28, 74, 81, 73));
  EXPECT_THAT(random.Sample(86, 10), ElementsAre(74, 50, 6, 28, 5, 71, 17, 37, 53, 18));
  for (int i = 0; i < 100; ++i) random.Sample(50, 10);  // past the first block of 624 words
  EXPECT_THAT(random.Sample(9, 3), ElementsAre(2, 6, 0));
}

}  // namespace
}  // namespace sojourn::envs::textcraft
