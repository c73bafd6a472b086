#include "policy/thread_pool.h"

#include <gtest/gtest.h>

#include <numeric>

namespace sojourn::policy {
namespace {

TEST(ThreadPool, EveryPieceIsDoneOnceInEveryLoop) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    ASSERT_EQ(pool.threads(), threads);
    for (int64_t pieces = 0; pieces < 2000; pieces = pieces < 40 ? pieces + 1 : pieces * 3) {
      for (int repeat = 0; repeat < 20; ++repeat) {
        std::vector<int> counts(pieces, 0);
        pool.For(pieces, [&](int64_t piece, int thread) {
          EXPECT_TRUE(thread >= 0 && thread < threads);
          ++counts[piece];
        });
        ASSERT_EQ(counts, std::vector<int>(pieces, 1)) << threads << " threads";
      }
    }
  }
}

TEST(ThreadPool, ALoopSeesWhatTheLastOneWrote) {
  ThreadPool pool(3);
  std::vector<int64_t> values(64, 1);
  for (int loop = 0; loop < 10000; ++loop) {
    std::vector<int64_t> next(64);
    pool.For(64, [&](int64_t i, int) { next[i] = values[i] + values[(i + 1) % 64] - 1; });
    values = next;
  }
  EXPECT_EQ(values, std::vector<int64_t>(64, 1));
}

TEST(ThreadPool, EndsAtAnyMoment) {
  for (int i = 0; i < 500; ++i) {
    ThreadPool pool(3);
    if (i % 2 == 0) pool.For(4, [](int64_t, int) {});
  }
}

}  // namespace
}  // namespace sojourn::policy
