#include "envs/webshop/webshop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "absl/strings/match.h"
#include "envs/webshop/data_files.h"
#include "envs/webshop/generator.h"

namespace sojourn::envs {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kRealData[] = "../shared/data/webshop";
constexpr Split kSplits[] = {Split::kTrain, Split::kTest};

std::unique_ptr<Environment> MakeOrDie(const Options& options = {}) {
  auto environment = MakeWebShop(options);
  EXPECT_TRUE(environment.ok()) << environment.status();
  return *std::move(environment);
}

// The expert's turns; 0 when it fails.
int ExpertTurns(Instance& instance, const TaskId& task, int limit) {
  if (!instance.Reset(task).ok()) return 0;
  for (int turns = 1; turns <= limit; ++turns) {
    const auto advice = instance.Expert();
    if (!advice.ok()) return 0;
    EXPECT_EQ(advice->thought.find('\n'), std::string::npos);
    const auto turn = instance.Step(advice->action);
    EXPECT_FALSE(turn->invalid_action) << advice->action;
    if (turn->done) return turn->success && turn->reward == 1 && turn->progress == 1 ? turns : 0;
  }
  return 0;
}

TEST(WebShopTest, TheExpertSolvesEveryTaskInTheTurnLimit) {
  const auto instance = MakeOrDie()->NewInstance();
  for (const DifficultySpec& difficulty : WebShopSpec().difficulties) {
    for (const Split split : kSplits) {
      int failed = 0;
      for (int index = 0; index < 1000; ++index) {
        const TaskId task{split, difficulty.difficulty, index};
        failed += ExpertTurns(*instance, task, WebShopSpec().evaluation_turns) == 0;
      }
      EXPECT_EQ(failed, 0) << difficulty.name << " " << SplitName(split);
    }
  }
}

TEST(WebShopTest, SplitsShareNoInstruction) {
  const auto instance = MakeOrDie()->NewInstance();
  std::set<std::string> seen[2];
  for (int difficulty = 1; difficulty <= webshop::kDifficulties; ++difficulty) {
    for (int index = 0; index < 500; ++index) {
      for (const Split split : kSplits) {
        seen[static_cast<int>(split)].insert(
            instance->Reset({split, difficulty, index})->observation);
      }
    }
  }
  for (const std::string& text : seen[1]) EXPECT_FALSE(seen[0].contains(text)) << text;
  EXPECT_GT(seen[0].size(), 1900);
}

TEST(WebShopTest, WhoIgnoresTheGoalGetsPartOfTheReward) {
  const auto instance = MakeOrDie()->NewInstance();
  double sum = 0;
  int full = 0;
  for (int index = 0; index < 200; ++index) {
    auto turn = instance->Reset({Split::kTrain, 3, index});
    for (int i = 0; i < 15 && !turn->done; ++i) turn = instance->Step(instance->GoalBlind()->action);
    ASSERT_TRUE(turn->done);
    EXPECT_EQ(turn->progress, turn->reward);
    full += turn->success;
    sum += turn->reward;
  }
  EXPECT_LT(full, 20);
  EXPECT_GT(sum / 200, 0.1);
}

TEST(WebShopTest, WhatIsNotPossibleChangesNothing) {
  const auto instance = MakeOrDie()->NewInstance();
  EXPECT_EQ(instance->Step("search[a]").status().code(), absl::StatusCode::kFailedPrecondition);
  const std::string first = instance->Reset({})->observation;
  for (const char* action :
       {"", "hello", "search[]", "click[nope]", "click[buy now]", "search[<a> red]", "click[search]"}) {
    const auto turn = instance->Step(action);
    ASSERT_TRUE(turn.ok());
    EXPECT_TRUE(turn->invalid_action) << action;
    EXPECT_EQ(turn->observation, first) << action;
    EXPECT_EQ(turn->reward, 0);
  }
  EXPECT_EQ(instance->Reset({Split::kTrain, 9, 0}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(instance->Reset({Split::kTrain, 1, -1}).status().code(), absl::StatusCode::kOutOfRange);
}

TEST(WebShopTest, WrongOptionsAreRefusedWithWhatIsPossible) {
  EXPECT_THAT(MakeWebShop({{"goals", "humans"}}).status().message(), HasSubstr("human"));
  EXPECT_THAT(MakeWebShop({{"products", "1"}}).status().message(), HasSubstr("from 100 to"));
  EXPECT_THAT(MakeWebShop({{"data", "/no/such"}}).status().message(), HasSubstr("/no/such"));
}

TEST(WebShopTest, ActionsAreReadAsAgentGymsClientDoes) {
  EXPECT_EQ(*ReadShopAction("Thought:\nI think\n\nAction: \nclick[buy now]</s>"), "click[buy now]");
  EXPECT_EQ(*ReadShopAction("Action: a\nAction: search[b]"), "search[b]");
  EXPECT_EQ(*ReadShopAction(" search[b] "), "search[b]");
  EXPECT_EQ(*ReadShopAction("I do not know"), "");
}

TEST(WebShopTest, AMadeUpShopThatWasWrittenIsPlayedFromItsFolder) {
  const std::string folder = ::testing::TempDir() + "/webshop_test_written";
  ASSERT_TRUE(webshop::WriteData(folder, webshop::MakeProducts(5, 100)).ok());
  const auto environment = MakeOrDie({{"data", folder}});
  const auto instance = environment->NewInstance();
  int64_t tasks = 0;
  for (const Split split : kSplits) {
    for (int difficulty = 1; difficulty <= webshop::kDifficulties; ++difficulty) {
      const int64_t count = *environment->TaskCount(split, difficulty);
      tasks += count;
      for (int64_t index = 0; index < std::min<int64_t>(count, 50); ++index) {
        EXPECT_GT(ExpertTurns(*instance, {split, difficulty, index}, 15), 0) << difficulty << " " << index;
      }
    }
  }
  EXPECT_GT(tasks, 1000);
}

TEST(WebShopTest, ValidActionsAreValid) {
  const auto instance = MakeOrDie()->NewInstance();
  Random random(RandomKey(3));
  for (int index = 0; index < 60; ++index) {
    ASSERT_TRUE(instance->Reset({Split::kTrain, 2, index}).ok());
    for (int turn = 0; turn < 15; ++turn) {
      const auto actions = instance->ValidActions();
      ASSERT_FALSE(actions.empty());
      const auto played = instance->Step(actions[random.Below(actions.size())]);
      ASSERT_FALSE(played->invalid_action);
      if (played->done) break;
    }
  }
}

TEST(WebShopTest, RealDataHaveTasks) {
  if (!std::filesystem::exists(kRealData)) GTEST_SKIP() << kRealData << " is not there";
  const auto environment = MakeOrDie({{"data", kRealData}});
  const auto instance = environment->NewInstance();
  int tasks = 0, solved = 0;
  for (const Split split : kSplits) {
    for (int difficulty = 1; difficulty <= 4; ++difficulty) {
      const int64_t count = *environment->TaskCount(split, difficulty);
      for (int64_t index = 0; index < count; ++index, ++tasks) {
        const TaskId task{split, difficulty, index};
        solved += ExpertTurns(*instance, task, WebShopSpec().evaluation_turns) > 0;
      }
    }
  }
  EXPECT_EQ(tasks, 501);
  // By the original's rules the product that these ask for does not have the option ("color: green2").
  EXPECT_EQ(tasks - solved, 21);
  EXPECT_THAT(CheckWebShop(kRealData).faults, IsEmpty());
}

}  // namespace
}  // namespace sojourn::envs
