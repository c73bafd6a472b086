#include "envs/searchqa/searchqa.h"

#include <filesystem>
#include <random>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr Split kSplits[] = {Split::kTrain, Split::kTest};

std::unique_ptr<Environment> MakeOrDie(const Options& options = {}) {
  auto environment = MakeSearchQA(options);
  EXPECT_TRUE(environment.ok()) << environment.status();
  return *std::move(environment);
}

// The expert's turns; 0 when it fails.
int ExpertTurns(Instance& instance, const TaskId& task, int limit) {
  EXPECT_TRUE(instance.Reset(task).ok());
  for (int turns = 1; turns <= limit; ++turns) {
    const auto advice = instance.Expert();
    if (!advice.ok()) return 0;
    EXPECT_EQ(advice->thought.find('\n'), std::string::npos);
    const auto turn = instance.Step(advice->action);
    EXPECT_FALSE(turn->invalid_action);
    if (turn->done) return turn->success && turn->reward == 1 && turn->progress == 1 ? turns : 0;
  }
  return 0;
}

TEST(SearchQATest, TheExpertSolvesEveryKindOfTaskInTheTurnLimit) {
  const auto environment = MakeOrDie();
  const auto instance = environment->NewInstance();
  for (int hops = 1; hops <= 3; ++hops) {
    for (const Split split : kSplits) {
      for (int index = 0; index < 2000; ++index) {
        const int turns =
            ExpertTurns(*instance, {split, hops, index}, SearchQASpec().evaluation_turns);
        // One search for each hop; now and then one finds two.
        EXPECT_GE(turns, 2) << hops << " " << index;
        EXPECT_LE(turns, hops + 1) << hops << " " << index;
      }
    }
  }
}

TEST(SearchQATest, TheSameTaskIsTheSameEpisode) {
  const auto instance = MakeOrDie({{"passages", "500"}})->NewInstance();
  const auto other = MakeOrDie({{"passages", "500"}})->NewInstance();
  const TaskId task{Split::kTest, 2, 11};
  EXPECT_EQ(instance->Reset(task)->observation, other->Reset(task)->observation);
  const std::string action = instance->Expert()->action;
  EXPECT_EQ(instance->Step(action)->observation, other->Step(action)->observation);
  EXPECT_NE(
      instance->Reset(task)->observation,
      MakeOrDie({{"passages", "500"}, {"seed", "1"}})->NewInstance()->Reset(task)->observation);
}

TEST(SearchQATest, ResponsesAreReadWholeAndWrittenWithTags) {
  const Spec& spec = SearchQASpec();
  const std::string response = spec.write_response("I need it.", "<search>it</search>");
  EXPECT_EQ(response, "<think>I need it.</think>\n<search>it</search>");
  EXPECT_EQ(*spec.read_action(response), response);
  EXPECT_EQ(*spec.read_action("Action: a\nAction: b"), "Action: a\nAction: b");
}

TEST(SearchQATest, RandomPlayersSolveSomeTasks) {
  std::mt19937 random(1);
  const auto instance = MakeOrDie({{"passages", "500"}})->NewInstance();
  int solved = 0;
  for (int index = 0; index < 50; ++index) {
    ASSERT_TRUE(instance->Reset({Split::kTrain, 1, index}).ok());
    for (int i = 0; i < 20; ++i) {
      const std::vector<std::string> actions = instance->ValidActions();
      ASSERT_FALSE(actions.empty());
      const auto turn = instance->Step(actions[random() % actions.size()]);
      EXPECT_FALSE(turn->invalid_action);
      solved += turn->success;
      if (turn->done) break;
    }
  }
  EXPECT_GT(solved, 5);
}

TEST(SearchQATest, TheGoalBlindPlayerActsAndMostlyFails) {
  const auto instance = MakeOrDie({{"passages", "500"}})->NewInstance();
  int solved = 0;
  for (int index = 0; index < 50; ++index) {
    ASSERT_TRUE(instance->Reset({Split::kTrain, 2, index}).ok());
    for (int i = 0; i < 5; ++i) {
      const auto turn = instance->Step(instance->GoalBlind()->action);
      solved += turn->success;
      if (turn->done) break;
    }
  }
  EXPECT_LT(solved, 25);
}

TEST(SearchQATest, AWrongAnswerCostsATurnOnly) {
  const auto instance = MakeOrDie({{"passages", "500"}})->NewInstance();
  ASSERT_TRUE(instance->Reset({Split::kTrain, 1, 0}).ok());
  auto turn = instance->Step("<answer>wrong</answer>");
  EXPECT_FALSE(turn->done);
  EXPECT_FALSE(turn->invalid_action);
  turn = instance->Step("The answer is wrong.");
  EXPECT_TRUE(turn->invalid_action);
  EXPECT_EQ(turn->reward, 0);
  for (int i = 0; i < 3 && !turn->done; ++i) turn = instance->Step(instance->Expert()->action);
  EXPECT_TRUE(turn->success);
  EXPECT_EQ(instance->Step("<answer>x</answer>").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(SearchQATest, ImpossibleOptionsAreRefused) {
  for (const auto& [name, value] :
       Options{{"results", "0"}, {"passages", "99"}, {"seed", "-1"}, {"data", "/nowhere"}}) {
    EXPECT_THAT(std::string(MakeSearchQA({{name, value}}).status().message()),
                HasSubstr(name == "data" ? "/nowhere: no such directory" : name))
        << name;
  }
}

TEST(SearchQATest, TheSharedDataPlays) {
  const std::string folder = "../shared/data/searchqa";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no " << folder;
  const DataReport report = CheckSearchQAData(folder);
  EXPECT_EQ(report.found.size(), 2);
  EXPECT_TRUE(report.faults.empty());
  const auto environment = MakeOrDie({{"data", folder}});
  EXPECT_EQ(*environment->TaskCount(Split::kTrain, 1) + *environment->TaskCount(Split::kTest, 1),
            1805);
  EXPECT_FALSE(environment->TaskCount(Split::kTrain, 3).ok());
  const auto instance = environment->NewInstance();
  EXPECT_GT(ExpertTurns(*instance, {Split::kTest, 1, 0}, 3), 0);
  ASSERT_TRUE(instance->Reset({Split::kTest, 1, 0}).ok());
  EXPECT_THAT(instance->Step("<search>Pavia Cathedral's begin</search>")->observation,
              StartsWith("<information>Doc 1(Title: \"Pavia Cathedral\") on March 17, 1989."));
}

TEST(SearchQATest, AnotherEnvironmentsFolderIsNoFault) {
  const DataReport report = CheckSearchQAData("envs/textcraft");
  EXPECT_TRUE(report.found.empty());
  EXPECT_TRUE(report.faults.empty());
}

}  // namespace
}  // namespace sojourn::envs
