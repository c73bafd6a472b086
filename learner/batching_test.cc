#include "learner/batching.h"

#include <gtest/gtest.h>

namespace sojourn::learner {
namespace {

TEST(CutMicrobatches, FillsTheBudgetInOrder) {
  const std::vector<int32_t> lengths = {3, 4, 3, 10, 1, 1};
  EXPECT_EQ(CutMicrobatches(lengths, 7), (std::vector<Range>{{0, 2}, {2, 3}, {3, 4}, {4, 6}}));
}

TEST(CutMicrobatches, ASequenceOverTheBudgetIsAlone) {
  const std::vector<int32_t> lengths = {100, 1, 100};
  EXPECT_EQ(CutMicrobatches(lengths, 10), (std::vector<Range>{{0, 1}, {1, 2}, {2, 3}}));
}

TEST(CutMicrobatches, NoBudgetIsOneMicrobatchAndNothingIsNone) {
  const std::vector<int32_t> lengths = {5, 6, 7};
  EXPECT_EQ(CutMicrobatches(lengths, 0), (std::vector<Range>{{0, 3}}));
  EXPECT_TRUE(CutMicrobatches({}, 10).empty());
}

TEST(MinibatchOf, PartsAreContiguousAndNearlyEqual) {
  std::vector<uint32_t> parts;
  for (uint64_t group = 20; group < 25; ++group) parts.push_back(MinibatchOf(group, 5, 2));
  EXPECT_EQ(parts, (std::vector<uint32_t>{0, 0, 0, 1, 1}));
}

}  // namespace
}  // namespace sojourn::learner
