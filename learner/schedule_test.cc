#include "learner/schedule.h"

#include <gtest/gtest.h>

namespace sojourn::learner {
namespace {

Schedule Make(const std::string& kind, uint32_t warmup, uint64_t total) {
  v1::Algorithm algorithm;
  algorithm.set_schedule(kind);
  algorithm.set_learning_rate(2);
  algorithm.set_warmup_updates(warmup);
  return Schedule::Create(algorithm, total).value();
}

TEST(Schedule, WarmsUpThenStaysConstant) {
  const Schedule s = Make("constant", 4, 100);
  EXPECT_DOUBLE_EQ(s.Rate(0), 0.5);
  EXPECT_DOUBLE_EQ(s.Rate(3), 2);
  EXPECT_DOUBLE_EQ(s.Rate(1000), 2);
}

TEST(Schedule, LinearFallsToZeroAtTheLastUpdate) {
  const Schedule s = Make("linear", 2, 12);
  EXPECT_DOUBLE_EQ(s.Rate(2), 2);
  EXPECT_DOUBLE_EQ(s.Rate(7), 1);
  EXPECT_DOUBLE_EQ(s.Rate(12), 0);
  EXPECT_DOUBLE_EQ(s.Rate(50), 0);
}

TEST(Schedule, CosineFallsAlongHalfAWave) {
  const Schedule s = Make("cosine", 0, 10);
  EXPECT_DOUBLE_EQ(s.Rate(0), 2);
  EXPECT_NEAR(s.Rate(5), 1, 1e-12);
  EXPECT_NEAR(s.Rate(10), 0, 1e-12);
}

TEST(Schedule, StaysConstantWhenTheNumberOfUpdatesIsUnknown) {
  EXPECT_DOUBLE_EQ(Make("cosine", 0, 0).Rate(1000), 2);
}

TEST(Schedule, RefusesWhatItDoesNotKnow) {
  v1::Algorithm algorithm;
  algorithm.set_schedule("step");
  EXPECT_EQ(Schedule::Create(algorithm, 1).status().code(), absl::StatusCode::kInvalidArgument);
  algorithm.set_schedule("linear");
  algorithm.set_learning_rate(-1);
  EXPECT_EQ(Schedule::Create(algorithm, 1).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sojourn::learner
