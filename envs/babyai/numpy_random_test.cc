#include "envs/babyai/numpy_random.h"

#include <gtest/gtest.h>

#include <vector>

namespace sojourn::envs::babyai {
namespace {

// Answers of numpy's default_rng(SEED), which is how gymnasium seeds environments too.
TEST(NumpyRandom, DrawsWhatNumpyDraws) {
  struct Answer {
    uint64_t seed;
    std::vector<int64_t> integers;    // of integers(0, n) for n in kBounds
    double uniform;
    std::vector<int64_t> after;       // integers(0, 10), three times
  };
  const std::vector<int64_t> kBounds = {2, 7, 6, 1, 100, 3, 1000};
  for (const Answer& answer : {Answer{0, {1, 4, 3, 0, 26, 0, 40}, 0.016527635528529094, {1, 8, 6}},
                               Answer{7, {1, 4, 4, 0, 89, 1, 775}, 0.22520718999059186, {0, 3, 2}},
                               Answer{1099511627781, {0, 0, 2, 0, 37, 2, 587}, 0.15139964872492384, {0, 4, 8}}}) {
    NumpyRandom random(answer.seed);
    std::vector<int64_t> integers, after;
    for (const int64_t n : kBounds) integers.push_back(random.Integers(0, n));
    EXPECT_EQ(integers, answer.integers) << "seed " << answer.seed;
    EXPECT_EQ(random.Uniform(), answer.uniform) << "seed " << answer.seed;
    for (int i = 0; i < 3; ++i) after.push_back(random.Integers(0, 10));
    EXPECT_EQ(after, answer.after) << "seed " << answer.seed;
  }
}

}  // namespace
}  // namespace sojourn::envs::babyai
