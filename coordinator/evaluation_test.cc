#include "coordinator/evaluation.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "coordinator/test_job.h"

namespace sojourn::coordinator {
namespace {

TEST(Evaluation, ARowHasASampledAndAGreedyAssignmentPerTask) {
  const JobPlan plan = TestPlan();
  const auto row = PlanRow(plan, 0, kBeforeRow, 0);
  ASSERT_EQ(row.size(), 3 * 3 * 2);
  EXPECT_EQ(RowEpisodes(plan, kBeforeRow), 3 * 3 * 3);
  for (size_t i = 0; i < row.size(); ++i) {
    EXPECT_EQ(row[i].name().group(), i);
    EXPECT_EQ(row[i].mode(), i % 2 == 0 ? v1::SAMPLE : v1::GREEDY);
    EXPECT_EQ(row[i].episodes(), i % 2 == 0 ? 2 : 1);
    EXPECT_EQ(row[i].split(), "test");
    EXPECT_EQ(row[i].task_index(), i / 2 % 3);
    EXPECT_EQ(row[i].want_transcript(), i % 6 == 0);
  }
}

TEST(Evaluation, TheRandomRowNeedsNoPolicyAndNoGreedyEpisodes) {
  const JobPlan plan = TestPlan();
  const auto row = PlanRow(plan, 0, kRandomRow, 0);
  ASSERT_EQ(row.size(), 9);
  EXPECT_EQ(RowEpisodes(plan, kRandomRow), 18);
  for (const v1::Assignment& a : row) EXPECT_EQ(a.mode(), v1::RANDOM_VALID);
}

TEST(Evaluation, RowsAndArmsAreComparedWithCommonRandomNumbers) {
  const JobPlan plan = TestPlan();
  const auto before = PlanRow(plan, 0, kBeforeRow, 0), after = PlanRow(plan, 1, StageRow(0), 2);
  ASSERT_EQ(before.size(), after.size());
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i].random_key(), after[i].random_key());
    EXPECT_EQ(after[i].policy_version(), 2);
    if (i > 0) {
      EXPECT_NE(before[i].random_key(), before[i - 1].random_key());
    }
  }
}

TEST(Evaluation, ACellOfTrainingTasksPlaysThemWithItsOwnRandomNumbers) {
  JobPlan plan = TestPlan();
  plan.config.mutable_evaluation()->mutable_cells(0)->set_split("train");
  plan.config.mutable_evaluation()->set_tasks(1000);
  const auto row = PlanRow(plan, 0, kRandomRow, 0);
  ASSERT_EQ(row.size(), 50 + 10 + 10);
  EXPECT_EQ(row[49].split(), "train");
  EXPECT_EQ(row[50].split(), "test");
  EXPECT_NE(row[0].random_key(), PlanRow(TestPlan(), 0, kRandomRow, 0)[0].random_key());
}

TEST(Evaluation, NoMoreTasksThanTheSplitHas) {
  JobPlan plan = TestPlan();
  plan.config.mutable_evaluation()->set_tasks(1000);
  EXPECT_EQ(PlanRow(plan, 0, kRandomRow, 0).size(), 30);
}

TEST(Evaluation, RowsAreNamedAfterWhatWasTrained) {
  const JobPlan plan = TestPlan();
  EXPECT_EQ(RowName(plan.config.arms(0), kRandomRow), "random");
  EXPECT_EQ(RowName(plan.config.arms(0), kBeforeRow), "before");
  EXPECT_EQ(RowName(plan.config.arms(0), StageRow(1)), "after 2: textcraft");
  EXPECT_EQ(RowName(plan.config.arms(1), StageRow(0)), "after 1: babyai, textcraft");
}

TEST(Evaluation, ResultsAreCollectedByCellAndTaskWhateverTheirOrder) {
  const JobPlan plan = TestPlan();
  std::vector<v1::EpisodeResult> results(3);
  results[0].mutable_name()->set_group(9);  // cell 1, task 1, greedy
  results[0].set_success(true);
  results[1].mutable_name()->set_group(6);  // cell 1, task 0, sampled
  results[1].set_member(1);
  results[1].set_turns(4);
  results[2].mutable_name()->set_group(6);
  results[2].set_success(true);
  results[2].set_turns(2);
  results[2].add_transcript()->set_observation("you see a ball");
  const v1::MatrixRow row = CollectRow(plan, 0, kBeforeRow, results);
  ASSERT_EQ(row.cells_size(), 3);
  EXPECT_EQ(row.cells(0).tasks_size(), 0);
  ASSERT_EQ(row.cells(1).tasks_size(), 2);
  EXPECT_EQ(row.cells(1).tasks(0).episodes(), 2);
  EXPECT_EQ(row.cells(1).tasks(0).successes(), 1);
  EXPECT_EQ(row.cells(1).tasks(0).turns(), 6);
  EXPECT_FALSE(row.cells(1).tasks(0).greedy_played());
  EXPECT_TRUE(row.cells(1).tasks(1).greedy_success());
  ASSERT_EQ(row.cells(1).samples_size(), 1);
  EXPECT_TRUE(row.cells(1).samples(0).success());
}

TEST(Evaluation, EpisodesThatFailedAreCountedWithTheFirstError) {
  std::vector<v1::EpisodeResult> results(3);
  for (int i = 0; i < 3; ++i) {
    results[i].mutable_name()->set_group(6);  // cell 1, task 0, sampled
    results[i].set_member(i);
    if (i > 0) results[i].set_error(absl::StrCat("UNAVAILABLE: the ", i, "th"));
  }
  const v1::TaskOutcome task = CollectRow(TestPlan(), 0, kBeforeRow, results).cells(1).tasks(0);
  EXPECT_EQ(task.episodes(), 3);
  EXPECT_EQ(task.failed_episodes(), 2);
  EXPECT_EQ(task.error(), "UNAVAILABLE: the 1th");
}

}  // namespace
}  // namespace sojourn::coordinator
