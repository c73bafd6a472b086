#include "learner/batching.h"

#include <gtest/gtest.h>

namespace sojourn::learner {
namespace {

std::vector<SequenceSize> Unrelated(std::vector<int32_t> lengths) {
  std::vector<SequenceSize> sequences;
  for (const int32_t length : lengths) sequences.push_back({length, sequences.size(), 0});
  return sequences;
}

TEST(CutMicrobatches, FillsTheBudgetInOrder) {
  const auto sequences = Unrelated({3, 4, 3, 10, 1, 1});
  EXPECT_EQ(CutMicrobatches(sequences, 7), (std::vector<Range>{{0, 2}, {2, 3}, {3, 4}, {4, 6}}));
}

TEST(CutMicrobatches, ASequenceOverTheBudgetIsAlone) {
  const auto sequences = Unrelated({100, 1, 100});
  EXPECT_EQ(CutMicrobatches(sequences, 10), (std::vector<Range>{{0, 1}, {1, 2}, {2, 3}}));
}

TEST(CutMicrobatches, WhatAGroupSharesIsReadOnceInAMicrobatch) {
  // Tokens to read: 10 + 2 + 2, then 10 (the group goes on in another micro-batch) + 5.
  const std::vector<SequenceSize> sequences = {
      {10, 0, 8}, {10, 0, 8}, {10, 0, 8}, {10, 0, 8}, {5, 1, 4}};
  EXPECT_EQ(CutMicrobatches(sequences, 15), (std::vector<Range>{{0, 3}, {3, 5}}));
}

TEST(CutMicrobatches, NoBudgetIsOneMicrobatchAndNothingIsNone) {
  const auto sequences = Unrelated({5, 6, 7});
  EXPECT_EQ(CutMicrobatches(sequences, 0), (std::vector<Range>{{0, 3}}));
  EXPECT_TRUE(CutMicrobatches({}, 10).empty());
}

TEST(MinibatchOf, PartsAreContiguousAndNearlyEqual) {
  std::vector<uint32_t> parts;
  for (uint64_t group = 20; group < 25; ++group) parts.push_back(MinibatchOf(group, 5, 2));
  EXPECT_EQ(parts, (std::vector<uint32_t>{0, 0, 0, 1, 1}));
}

}  // namespace
}  // namespace sojourn::learner
