#include "coordinator/curriculum.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "coordinator/evaluation.h"
#include "coordinator/test_job.h"

namespace sojourn::coordinator {
namespace {

using ::testing::HasSubstr;

Event Start() {
  Event event;
  event.mutable_started();
  return event;
}

Event Row(uint32_t row) {
  Event event;
  event.mutable_row_measured()->set_row(row);
  return event;
}

Event Checkpoint(uint64_t version, const std::string& label) {
  Event event;
  event.mutable_checkpoint_written()->set_version(version);
  event.mutable_checkpoint_written()->set_label(label);
  return event;
}

Event Update(uint64_t update, uint64_t episodes, uint64_t successes, uint64_t tokens) {
  Event event;
  event.mutable_update_consumed()->set_update(update);
  event.mutable_update_consumed()->set_episodes(episodes);
  event.mutable_update_consumed()->set_successes(successes);
  event.mutable_update_consumed()->set_tokens(tokens);
  return event;
}

// The one event that a state waits for, with `successes` of an update's episodes.
Event Expected(const JobPlan& plan, const CurriculumState& state, uint64_t successes = 0) {
  if (state.phase() == CurriculumState::NOT_STARTED) return Start();
  if (const auto row = RowUnderWay(state); row.has_value()) return Row(*row);
  if (state.phase() == CurriculumState::TRAIN) {
    const uint64_t episodes =
        plan.config.rollout().groups_per_update() * plan.config.rollout().group_size();
    return Update(state.version(), episodes, successes, episodes * 10);
  }
  return Checkpoint(state.version(), CheckpointLabel(state));
}

struct Replay {
  std::vector<v1::Assignment> assignments;
  std::vector<CurriculumState> states;
};

Replay RunToEnd(const JobPlan& plan, uint64_t successes = 0) {
  Replay run;
  CurriculumState state;
  while (state.phase() != CurriculumState::DONE && run.states.size() < 1000) {
    auto step = Next(plan, state, Expected(plan, state, successes));
    EXPECT_TRUE(step.ok()) << step.status();
    if (!step.ok()) break;
    state = step->state;
    run.states.push_back(state);
    for (const auto& assignment : step->planned) run.assignments.push_back(assignment);
  }
  return run;
}

TEST(Curriculum, AnEndpointIsMeasuredWithoutLearnersAndCheckpoints) {
  JobPlan plan = TestPlan();
  plan.config.clear_arms();
  plan.config.add_arms()->set_name("model");
  plan.config.mutable_policy()->mutable_endpoint()->set_url("http://h:1");
  EXPECT_EQ(LearnerRanks(plan.config), 0);
  std::vector<std::string> phases;
  for (const CurriculumState& state : RunToEnd(plan).states) {
    phases.push_back(CurriculumState::Phase_Name(state.phase()));
  }
  EXPECT_THAT(phases, ::testing::ElementsAre("RANDOM_ROW", "BEFORE_ROW", "DONE"));
}

TEST(Curriculum, GoesThroughRowsStagesAndArmsToTheEnd) {
  const JobPlan plan = TestPlan();
  std::vector<std::string> phases;
  CurriculumState last;
  for (const CurriculumState& state : RunToEnd(plan).states) {
    if (state.phase() != last.phase() || state.arm() != last.arm()) {
      phases.push_back(CurriculumState::Phase_Name(state.phase()) + std::to_string(state.arm()));
    }
    last = state;
  }
  EXPECT_THAT(phases,
              ::testing::ElementsAre("RANDOM_ROW0", "SAVE_BEFORE0", "BEFORE_ROW0", "TRAIN0",
                                     "SAVE_STAGE0", "STAGE_ROW0", "TRAIN0", "SAVE_STAGE0",
                                     "STAGE_ROW0", "TRAIN1", "SAVE_STAGE1", "STAGE_ROW1", "DONE1"));
}

TEST(Curriculum, WithoutCellsOnlyStageCheckpointsRemain) {
  JobPlan plan = TestPlan();
  plan.config.mutable_evaluation()->clear_cells();
  for (const CurriculumState& state : RunToEnd(plan).states) {
    EXPECT_FALSE(RowUnderWay(state).has_value());
    EXPECT_NE(state.phase(), CurriculumState::SAVE_BEFORE);
  }
}

TEST(Curriculum, PlansExactlyOneUpdatePerConsumedOneAndStaysWithinStaleness) {
  const JobPlan plan = TestPlan();
  const uint64_t groups = plan.config.rollout().groups_per_update();
  for (const CurriculumState& state : RunToEnd(plan).states) {
    EXPECT_LE(state.planned() - state.version(), plan.config.rollout().max_staleness() + 1);
  }
  std::map<uint32_t, uint64_t> next_group;
  for (const v1::Assignment& a : RunToEnd(plan).assignments) {
    EXPECT_EQ(a.name().group(), next_group[a.name().arm()]++) << "groups are named in issue order";
    const uint64_t update = a.name().group() / groups;
    // Arm 0: stage 1 has updates 0..3, stage 2 the rest, and none is played with an older stage's
    // weights.
    const uint64_t first = a.name().arm() == 0 && update >= 4 ? 4 : 0;
    EXPECT_EQ(a.policy_version(), std::max(first, update > 1 ? update - 1 : 0));
    EXPECT_EQ(a.learner_rank(), a.name().group() % 2);
    EXPECT_EQ(a.split(), "train");
  }
  EXPECT_EQ(next_group[0], (4 + 3) * groups);
}

TEST(Curriculum, MixtureWeightsAreMetExactlyOverTime) {
  JobPlan plan = TestPlan();
  v1::Stage& stage = *plan.config.mutable_arms(1)->mutable_stages(0);
  stage.mutable_mixture(0)->set_weight(1);
  stage.mutable_mixture(1)->set_weight(3);
  stage.mutable_advance()->set_updates(20);
  std::map<std::string, int> counts;
  int total = 0;
  for (const v1::Assignment& a : RunToEnd(plan).assignments) {
    if (a.name().arm() != 1) continue;
    ++counts[a.environment()];
    ++total;
    EXPECT_LE(std::abs(counts["babyai"] - total * 0.25), 1) << "after " << total;
  }
  EXPECT_EQ(counts["babyai"] * 3, counts["textcraft"]);
}

TEST(Curriculum, DifficultiesAndTasksStayInTheirRangesAndAreAllDrawn) {
  JobPlan plan = TestPlan();
  plan.config.mutable_arms(1)->mutable_stages(0)->mutable_advance()->set_updates(30);
  std::map<std::string, std::set<int>> difficulties;
  std::set<int64_t> tasks;
  std::set<uint64_t> keys;
  const Replay run = RunToEnd(plan);
  for (const v1::Assignment& a : run.assignments) {
    difficulties[a.environment()].insert(a.difficulty());
    if (a.environment() == "babyai") tasks.insert(a.task_index());
    keys.insert(a.random_key());
  }
  EXPECT_THAT(difficulties["babyai"], ::testing::ElementsAre(1, 2));
  EXPECT_THAT(difficulties["textcraft"], ::testing::ElementsAre(1));
  EXPECT_GE(*tasks.begin(), 0);
  EXPECT_LT(*tasks.rbegin(), 50);
  EXPECT_GT(tasks.size(), 30);
  EXPECT_EQ(keys.size(), run.assignments.size());
}

TEST(Curriculum, AnArmsDrawsDoNotDependOnItsPlaceAmongTheArms) {
  JobPlan plan = TestPlan();
  JobPlan swapped = plan;
  swapped.config.mutable_arms()->SwapElements(0, 1);
  std::vector<std::string> a, b;
  for (auto [job, arm, keys] : {std::tuple(&plan, 1u, &a), std::tuple(&swapped, 0u, &b)}) {
    for (v1::Assignment assignment : RunToEnd(*job).assignments) {
      if (assignment.name().arm() != arm) continue;
      assignment.mutable_name()->set_arm(0);
      keys->push_back(assignment.SerializeAsString());
    }
  }
  EXPECT_EQ(a, b);
}

TEST(Curriculum, HorizonStepsCountWithinTheStage) {
  JobPlan plan = TestPlan();
  v1::Stage& stage = *plan.config.mutable_arms(0)->mutable_stages(1);
  stage.add_horizon()->set_max_turns(3);
  v1::HorizonStep& second = *stage.add_horizon();
  second.set_from_update(2);
  second.set_max_turns(9);
  for (const v1::Assignment& a : RunToEnd(plan).assignments) {
    if (a.name().arm() != 0) continue;
    const uint64_t update = a.name().group() / 4;
    EXPECT_EQ(a.max_turns(), update < 4 ? 5 : update < 6 ? 3 : 9);
  }
}

TEST(Curriculum, AnArmWithoutStagesOnlyMeasuresTheStartingPolicy) {
  JobPlan plan = TestPlan();
  plan.config.mutable_arms()->DeleteSubrange(1, plan.config.arms_size() - 1);
  plan.config.mutable_arms(0)->clear_stages();
  const auto run = RunToEnd(plan);
  EXPECT_EQ(run.states.back().phase(), CurriculumState::DONE);
  EXPECT_EQ(run.states.back().version(), 0);
}

TEST(Curriculum, AnEpisodeLimitEndsTheStageWithoutPlanningTooMuch) {
  JobPlan plan = TestPlan();
  v1::Advance& advance = *plan.config.mutable_arms(0)->mutable_stages(0)->mutable_advance();
  advance.set_episodes(25);  // 8 an update: four updates
  advance.set_updates(100);
  EXPECT_EQ(PlannedUpdates(plan.config, plan.config.arms(0).stages(0)), 4);
  v1::Arm arm;
  *arm.add_stages() = plan.config.arms(0).stages(0);
  arm.add_stages()->mutable_advance()->set_updates(3);
  EXPECT_EQ(PlannedUpdates(plan.config, arm), 7);
  arm.add_stages()->mutable_advance()->set_success_threshold(0.9);
  EXPECT_EQ(PlannedUpdates(plan.config, arm), 0);
  for (const CurriculumState& state : RunToEnd(plan).states) {
    if (state.arm() == 0 && state.stage() == 0) {
      EXPECT_LE(state.planned(), 4);
    }
  }
}

TEST(Curriculum, ATokenLimitDrainsWhatIsPlannedAndThenEnds) {
  JobPlan plan = TestPlan();
  v1::Advance& advance = *plan.config.mutable_arms(0)->mutable_stages(0)->mutable_advance();
  advance.Clear();
  advance.set_tokens(150);  // 80 an update: reached by the second, while the third is planned
  uint64_t end = 0;
  for (const CurriculumState& state : RunToEnd(plan).states) {
    if (state.phase() == CurriculumState::SAVE_STAGE && state.arm() == 0 && state.stage() == 0) {
      end = state.version();
      EXPECT_EQ(state.version(), state.planned());
      EXPECT_EQ(state.stage_tokens(), 240);
    }
  }
  EXPECT_EQ(end, 3);
}

TEST(Curriculum, ASuccessThresholdNeedsPatienceInARow) {
  JobPlan plan = TestPlan();
  v1::Advance& advance = *plan.config.mutable_arms(0)->mutable_stages(0)->mutable_advance();
  advance.set_updates(100);
  advance.set_success_threshold(0.5);
  advance.set_success_patience(2);
  CurriculumState state;
  const auto go = [&](uint64_t successes) {
    auto step = Next(plan, state, Expected(plan, state, successes));
    ASSERT_TRUE(step.ok()) << step.status();
    state = step->state;
  };
  while (state.phase() != CurriculumState::TRAIN) go(0);
  for (const uint64_t successes : {4, 3, 8}) go(successes);
  EXPECT_FALSE(state.ending());
  go(4);
  EXPECT_TRUE(state.ending());
  EXPECT_EQ(state.phase(), CurriculumState::TRAIN);
  go(0);  // the update that was planned already
  EXPECT_EQ(state.phase(), CurriculumState::SAVE_STAGE);
  EXPECT_EQ(state.version(), 5);
}

TEST(Curriculum, ReplayingTheEventsGivesTheSameStates) {
  const JobPlan plan = TestPlan();
  const Replay first = RunToEnd(plan, 3), second = RunToEnd(plan, 3);
  ASSERT_EQ(first.states.size(), second.states.size());
  for (size_t i = 0; i < first.states.size(); ++i) {
    EXPECT_EQ(first.states[i].SerializeAsString(), second.states[i].SerializeAsString());
  }
  ASSERT_EQ(first.assignments.size(), second.assignments.size());
  for (size_t i = 0; i < first.assignments.size(); ++i) {
    EXPECT_EQ(first.assignments[i].SerializeAsString(), second.assignments[i].SerializeAsString());
  }
}

TEST(Curriculum, RefusesEventsThatDoNotFit) {
  const JobPlan plan = TestPlan();
  CurriculumState state;
  EXPECT_FALSE(Next(plan, state, Row(0)).ok());
  state = Next(plan, state, Start())->state;
  EXPECT_FALSE(Next(plan, state, Start()).ok());
  EXPECT_FALSE(Next(plan, state, Row(1)).ok());
  EXPECT_FALSE(Next(plan, state, Update(0, 8, 0, 0)).ok());
  EXPECT_FALSE(Next(plan, state, Checkpoint(0, "")).ok());
  EXPECT_FALSE(Next(plan, state, Event()).ok());
  state = Next(plan, state, Row(0))->state;
  EXPECT_FALSE(Next(plan, state, Checkpoint(0, "stage-1")).ok());
  EXPECT_FALSE(Next(plan, state, Checkpoint(1, "before")).ok());
}

TEST(Curriculum, NamesTheMixtureEntryThatHasNoTasks) {
  JobPlan plan = TestPlan();
  plan.config.mutable_arms(0)->mutable_stages(0)->mutable_mixture(0)->set_min_difficulty(7);
  plan.config.mutable_arms(0)->mutable_stages(0)->mutable_mixture(0)->set_max_difficulty(9);
  plan.config.mutable_evaluation()->clear_cells();
  const auto step = Next(plan, CurriculumState(), Start());
  ASSERT_FALSE(step.ok());
  EXPECT_THAT(step.status().message(),
              HasSubstr("\"babyai\" has no training tasks of difficulty 7 to 9"));
}

}  // namespace
}  // namespace sojourn::coordinator
