#include "coordinator/progress.h"

#include <gtest/gtest.h>

#include "coordinator/evaluation.h"
#include "coordinator/test_job.h"

namespace sojourn::coordinator {
namespace {

// The test job: rows of 18, 27, 27, 27, 27 episodes; stages of 4, 3 and 2 updates of 8.
constexpr double kAll = 18 + 4 * 27 + 9 * 8;

CurriculumState At(CurriculumState::Phase phase, uint32_t arm = 0, uint32_t stage = 0) {
  CurriculumState state;
  state.set_phase(phase);
  state.set_arm(arm);
  state.set_stage(stage);
  return state;
}

TEST(Progress, WorkGrowsFromNothingToAll) {
  const JobPlan plan = TestPlan();
  EXPECT_EQ(WorkDone(plan, At(CurriculumState::NOT_STARTED), 0), 0);
  EXPECT_NEAR(WorkDone(plan, At(CurriculumState::RANDOM_ROW), 9), 9 / kAll, 1e-12);
  EXPECT_NEAR(WorkDone(plan, At(CurriculumState::BEFORE_ROW), 1), 19 / kAll, 1e-12);
  CurriculumState training = At(CurriculumState::TRAIN, 0, 1);
  training.set_stage_episodes(16);
  EXPECT_NEAR(WorkDone(plan, training, 0), (18 + 27 + 32 + 27 + 16) / kAll, 1e-12);
  EXPECT_NEAR(WorkDone(plan, At(CurriculumState::SAVE_STAGE, 0, 1), 0),
              (18 + 27 + 32 + 27 + 24) / kAll, 1e-12);
  EXPECT_NEAR(WorkDone(plan, At(CurriculumState::STAGE_ROW, 1, 0), 7), (kAll - 20) / kAll, 1e-12);
  EXPECT_EQ(WorkDone(plan, At(CurriculumState::DONE, 1, 0), 0), 1);
}

TEST(Progress, PlannedUpdatesCountEndedStagesAsTheyWere) {
  const JobPlan plan = TestPlan();
  EXPECT_EQ(PlannedArmUpdates(plan, At(CurriculumState::NOT_STARTED)), 7);
  CurriculumState second = At(CurriculumState::TRAIN, 0, 1);
  second.set_first_version(2);  // the first stage ended early
  second.set_planned(4);
  EXPECT_EQ(PlannedArmUpdates(plan, second), 2 + 3);
  second.set_ending(true);
  EXPECT_EQ(PlannedArmUpdates(plan, second), 4);
}

TEST(Progress, RecentUpdatesGiveRatesAndTheStagesSuccess) {
  std::deque<v1::UpdateRecord> recent(3);
  for (int i = 0; i < 3; ++i) {
    v1::UpdateRecord& record = recent[i];
    record.set_stage(i == 0 ? 0 : 1);
    record.set_seconds(10 + 2 * i);
    record.mutable_metrics()->set_version(i + 1);
    record.mutable_metrics()->set_episodes(8);
    record.mutable_metrics()->set_tokens(80);
    v1::EnvironmentSuccess& success = *record.add_success();
    success.set_environment("babyai");
    success.set_episodes(i == 1 ? 2 : 6);
    success.set_success(i == 1 ? 1 : 0);
    success.set_turns(4);
  }
  v1::Progress progress;
  AddRecent(recent, 1, progress);
  EXPECT_EQ(progress.episodes_per_second(), 4);
  EXPECT_EQ(progress.tokens_per_second(), 40);
  EXPECT_EQ(progress.last_update().version(), 3);
  ASSERT_EQ(progress.success_size(), 1);
  EXPECT_EQ(progress.success(0).success(), 0.25);
  EXPECT_EQ(progress.success(0).turns(), 4);
  EXPECT_EQ(progress.success(0).episodes(), 8);
}

}  // namespace
}  // namespace sojourn::coordinator
