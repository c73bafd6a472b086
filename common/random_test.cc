#include "common/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sojourn {
namespace {

using ::testing::ElementsAre;

// Known answers published with the Random123 library (kat_vectors, philox4x32 10).
TEST(Philox, GivesThePublishedAnswers) {
  EXPECT_THAT(Philox({0, 0, 0, 0}, {0, 0}), ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  EXPECT_THAT(Philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(Philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(RandomKey, DependsOnEveryPartAndItsOrder) {
  const RandomKey key(7);
  EXPECT_NE(key.With(1).With(2).value(), key.With(2).With(1).value());
  EXPECT_NE(key.With("a").value(), key.With("b").value());
  EXPECT_NE(key.With("").value(), key.value());
  EXPECT_EQ(key.With("a").With(3).value(), RandomKey(7).With("a").With(3).value());
}

TEST(Random, SameKeySameStream) {
  Random a{RandomKey(1).With("x")}, b{RandomKey(1).With("x")};
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.Next64(), b.Next64());
}

TEST(Random, BelowIsUniform) {
  Random random{RandomKey(5)};
  std::array<int, 7> counts{};
  for (int i = 0; i < 70000; ++i) ++counts[random.Below(7)];
  for (int count : counts) EXPECT_NEAR(count, 10000, 500);
}

TEST(Random, UniformStaysInTheUnitInterval) {
  Random random{RandomKey(6)};
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const double u = random.Uniform();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

}  // namespace
}  // namespace sojourn
