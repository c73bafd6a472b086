#include "envs/textcraft/textcraft.h"

#include <map>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kDepths[] = {1, 2, 3, 4};
// Goals by depth: 125, 291, 117 and 11, of which every fifth is a test goal.
const std::map<int, std::pair<int, int>> kRealGoals = {
    {1, {100, 25}}, {2, {233, 58}}, {3, {94, 23}}, {4, {9, 2}}};

std::unique_ptr<Environment> MakeOrDie(const Options& options = {}) {
  auto environment = MakeTextCraft(options);
  EXPECT_TRUE(environment.ok()) << environment.status();
  return *std::move(environment);
}

std::string Goal(std::string_view observation) {
  return std::string(observation.substr(observation.rfind("Goal: ")));
}

// The turns that the expert takes to solve the task; -1 when it does not.
int ExpertTurns(Instance& instance, const TaskId& task) {
  EXPECT_TRUE(instance.Reset(task).ok());
  for (int turns = 1; turns < 100; ++turns) {
    const auto advice = instance.Expert();
    if (!advice.ok()) return -1;
    const auto turn = instance.Step(advice->action);
    EXPECT_FALSE(turn->invalid_action) << advice->action << ": " << turn->observation;
    if (turn->done) return turn->success && turn->reward == 1 ? turns : -1;
  }
  return -1;
}

TEST(TextCraftTest, TheFirstObservationIsAgentGyms) {
  const auto instance = MakeOrDie()->NewInstance();
  const auto turn = instance->Reset({Split::kTrain, 1, 0});
  EXPECT_EQ(turn->observation,
            "Crafting commands:\ncraft 4 acacia planks using 1 acacia logs\n\n"
            "Goal: craft acacia planks.");
}

TEST(TextCraftTest, TheExpertSolvesAllRealGoals) {
  const auto environment = MakeOrDie();
  const auto instance = environment->NewInstance();
  int solved = 0;
  for (const auto& [depth, goals] : kRealGoals) {
    for (int i = 0; i < goals.first + goals.second; ++i) {
      const bool is_train = i < goals.first;
      const TaskId task{is_train ? Split::kTrain : Split::kTest, depth,
                        is_train ? i : i - goals.first};
      EXPECT_GT(ExpertTurns(*instance, task), depth) << task.index << " of depth " << depth;
      ++solved;
    }
  }
  EXPECT_EQ(solved, 544);
}

TEST(TextCraftTest, TheExpertSolvesFreshTasks) {
  const auto instance = MakeOrDie({{"recipes", "fresh"}, {"distractors", "20"}})->NewInstance();
  for (const int depth : kDepths) {
    for (const Split split : {Split::kTrain, Split::kTest}) {
      for (int index = 0; index < 50; ++index) {
        const int turns = ExpertTurns(*instance, {split, depth, index});
        EXPECT_GT(turns, depth);
        EXPECT_LE(turns, 2 * depth + 1);  // an item or two to get for each recipe, each made once
      }
    }
  }
}

TEST(TextCraftTest, TheExpertRecoversFromAnyState) {
  std::mt19937 random(1);
  for (const char* const recipes : {"real", "fresh"}) {
    const auto instance = MakeOrDie({{"recipes", recipes}})->NewInstance();
    for (int index = 0; index < 20; ++index) {
      ASSERT_TRUE(instance->Reset({Split::kTrain, 2, index}).ok());
      bool done = false;
      for (int i = 0; i < 15 && !done; ++i) {
        const std::vector<std::string> actions = instance->ValidActions();
        done = instance->Step(actions[random() % actions.size()])->done;
      }
      for (int i = 0; i < 20 && !done; ++i) {
        done = instance->Step(instance->Expert()->action)->done;
      }
      EXPECT_TRUE(done) << recipes << " " << index;
    }
  }
}

TEST(TextCraftTest, ValidActionsAreNeverRefusedAndAreEnoughToSolveATask) {
  std::mt19937 random(1);
  for (const char* const recipes : {"real", "fresh"}) {
    const auto instance = MakeOrDie({{"recipes", recipes}, {"distractors", "2"}})->NewInstance();
    int solved = 0;
    for (int index = 0; index < 50; ++index) {
      ASSERT_TRUE(instance->Reset({Split::kTrain, 1, index}).ok());
      for (int i = 0; i < 20; ++i) {
        const std::vector<std::string> actions = instance->ValidActions();
        ASSERT_FALSE(actions.empty());
        const std::string& action = actions[random() % actions.size()];
        const auto turn = instance->Step(action);
        EXPECT_FALSE(turn->invalid_action) << action << ": " << turn->observation;
        solved += turn->success;
        if (turn->done) break;
      }
    }
    EXPECT_GT(solved, 10) << recipes;
  }
}

TEST(TextCraftTest, TheGoalBlindPlayerMakesWhatIsListedFirst) {
  const auto instance = MakeOrDie({{"recipes", "fresh"}})->NewInstance();
  for (int index = 0; index < 20; ++index) {
    const std::string text = instance->Reset({Split::kTrain, 1, index})->observation;
    const size_t start = text.find('\n') + 1;
    const std::string first = text.substr(start, text.find('\n', start) - start);
    const std::string inputs = first.substr(first.find("using "));
    auto advice = instance->GoalBlind();
    EXPECT_THAT(advice->thought, AllOf(StartsWith("for "), EndsWith(inputs)));
    for (int i = 0; i < 3 && advice->action != first; ++i) {
      EXPECT_FALSE(instance->Step(advice->action)->invalid_action);
      advice = instance->GoalBlind();
    }
    EXPECT_EQ(advice->action, first);
  }
}

TEST(TextCraftTest, TheGoalBlindPlayerIsNeverRefusedAmongRealRecipes) {
  const auto instance = MakeOrDie()->NewInstance();
  for (int index = 0; index < 50; ++index) {
    ASSERT_TRUE(instance->Reset({Split::kTrain, 3, index}).ok());
    bool done = false;
    for (int i = 0; i < 30 && !done; ++i) {
      const auto advice = instance->GoalBlind();
      ASSERT_TRUE(advice.ok()) << advice.status();
      const auto turn = instance->Step(advice->action);
      EXPECT_FALSE(turn->invalid_action) << advice->action << ": " << turn->observation;
      done = turn->done;
    }
  }
}

TEST(TextCraftTest, NoGoalIsInBothSplits) {
  const auto environment = MakeOrDie();
  const auto instance = environment->NewInstance();
  std::map<Split, std::set<std::string>> goals;
  for (const int depth : kDepths) {
    const auto [train, test] = kRealGoals.at(depth);
    EXPECT_EQ(*environment->TaskCount(Split::kTrain, depth), train * 1'000'000LL);
    EXPECT_EQ(*environment->TaskCount(Split::kTest, depth), test * 1'000'000LL);
    for (int i = 0; i < 2 * train; ++i) {
      goals[Split::kTrain].insert(Goal(instance->Reset({Split::kTrain, depth, i})->observation));
    }
    for (int i = 0; i < 2 * test; ++i) {
      goals[Split::kTest].insert(Goal(instance->Reset({Split::kTest, depth, i})->observation));
    }
  }
  EXPECT_EQ(goals[Split::kTrain].size(), 436);
  EXPECT_EQ(goals[Split::kTest].size(), 108);
  for (const std::string& goal : goals[Split::kTest]) {
    EXPECT_FALSE(goals[Split::kTrain].contains(goal)) << goal;
  }
}

TEST(TextCraftTest, ALaterRoundShowsTheSameGoalsDifferently) {
  const auto instance = MakeOrDie()->NewInstance();
  const std::string first = instance->Reset({Split::kTrain, 2, 7})->observation;
  const std::string later = instance->Reset({Split::kTrain, 2, 7 + 233})->observation;
  EXPECT_EQ(Goal(first), Goal(later));
  EXPECT_NE(first, later);
  EXPECT_EQ(instance->Reset({Split::kTrain, 2, 7})->observation, first);
}

TEST(TextCraftTest, AnEpisodeEndsWithTheGoal) {
  const auto instance = MakeOrDie()->NewInstance();
  EXPECT_EQ(instance->Step("inventory").status().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(instance->Reset({Split::kTrain, 1, 0}).ok());
  EXPECT_TRUE(instance->Step("get some logs")->invalid_action);
  EXPECT_FALSE(instance->Step(" get  1 acacia logs. ")->invalid_action);
  const auto turn = instance->Step("craft 4 acacia planks using 1 acacia logs");
  EXPECT_TRUE(turn->done && turn->success);
  EXPECT_EQ(turn->reward, 1);
  EXPECT_EQ(instance->Step("inventory").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(instance->Expert().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(TextCraftTest, ANumberThatPythonRefusesIsAnInvalidAction) {
  const auto instance = MakeOrDie()->NewInstance();
  ASSERT_TRUE(instance->Reset({Split::kTrain, 1, 0}).ok());
  const auto turn = instance->Step("get " + std::string(5000, '9') + " string");
  EXPECT_TRUE(turn->invalid_action);
  EXPECT_THAT(turn->observation, StartsWith("Exceeds the limit"));
}

TEST(TextCraftTest, DistractorsAreAsManyAsAskedFor) {
  const auto lines = [](const Options& options) {
    const std::string text =
        MakeOrDie(options)->NewInstance()->Reset({Split::kTrain, 1, 0})->observation;
    return std::count(text.begin(), text.end(), '\n');
  };
  EXPECT_EQ(lines({{"recipes", "fresh"}, {"distractors", "0"}}), 3);
  EXPECT_EQ(lines({{"recipes", "fresh"}, {"distractors", "20"}}), 23);
}

TEST(TextCraftTest, ImpossibleOptionsAndTasksAreRefused) {
  for (const Options& options : std::vector<Options>{{{"recipes", "frsh"}},
                                                     {{"distractors", "-1"}},
                                                     {{"distractors", "21"}},
                                                     {{"distractors", "x"}}}) {
    EXPECT_EQ(MakeTextCraft(options).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_THAT(std::string(MakeTextCraft({{"recipes", "frsh"}}).status().message()),
              HasSubstr("did you mean \"fresh\"?"));
  const auto environment = MakeOrDie();
  EXPECT_EQ(environment->TaskCount(Split::kTest, 5).status().code(),
            absl::StatusCode::kInvalidArgument);
  const auto instance = environment->NewInstance();
  EXPECT_FALSE(instance->Reset({Split::kTest, 0, 0}).ok());
  EXPECT_EQ(instance->Reset({Split::kTest, 4, 2'000'000}).status().code(),
            absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace sojourn::envs
