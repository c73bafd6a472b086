#include "envs/babyai/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sojourn::envs::babyai {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(AgentGymBabyAI, TellsTheGoalOnlyAfterAReset) {
  AgentGymBabyAI game;
  const auto first = game.Reset(0);
  ASSERT_TRUE(first.ok());
  EXPECT_THAT(first->observation, StartsWith("Your goal: go to the red ball\nIn front of you"));
  EXPECT_THAT(first->observation, EndsWith("\"check available actions\"]"));
  const auto second = game.Step("turn left");
  ASSERT_TRUE(second.ok());
  EXPECT_THAT(second->observation, Not(HasSubstr("Your goal")));
}

TEST(AgentGymBabyAI, UnderstandsActionsInAnyCaseWithSpaceAround) {
  AgentGymBabyAI game;
  ASSERT_TRUE(game.Reset(0).ok());
  const std::string reference = game.Step("turn right")->observation;
  for (const char* action :
       {"Turn RIGHT", "  turn right\n", "\u00a0turn right\u3000", "\tturn right\x1c"}) {
    ASSERT_TRUE(game.Reset(0).ok());
    EXPECT_EQ(game.Step(action)->observation, reference) << action;
  }
  EXPECT_THAT(game.Step("turn  right")->observation, StartsWith("The action is not recognized."));
  EXPECT_THAT(game.Step("\xff\xc2")->observation, StartsWith("The action is not recognized."));
  EXPECT_THAT(game.Step("")->observation, StartsWith("No change in state."));
}

TEST(AgentGymBabyAI, AnyActionWithCheckInItListsTheActions) {
  AgentGymBabyAI game;
  ASSERT_TRUE(game.Reset(0).ok());
  const auto reply = game.Step("please CHECK");
  ASSERT_TRUE(reply.ok());
  EXPECT_THAT(
      reply->observation,
      StartsWith("You can take the following actions: turn left, turn right, move forward, "));
}

TEST(AgentGymBabyAI, AfterTheEndOnlyAResetIsAccepted) {
  AgentGymBabyAI game(7);
  EXPECT_EQ(game.Step("turn left").status().message(), "7");
  EXPECT_EQ(game.Observe()->observation, "Environment not initialized");
  ASSERT_TRUE(game.Reset(0).ok());
  const auto reply = game.Step("go to red ball 1");
  ASSERT_TRUE(reply.ok());
  EXPECT_TRUE(reply->done);
  EXPECT_GT(reply->reward, 0.5);
  EXPECT_THAT(reply->observation, HasSubstr("\n The task is completed.\nAvailable actions: ["));
  EXPECT_EQ(game.Step("turn left").status().message(), "The task with environment 7 has finished.");
  EXPECT_EQ(game.Observe().status().message(), "The task with environment 7 has finished.");
  EXPECT_TRUE(game.Reset(1).ok());
  EXPECT_THAT(game.Observe()->observation, StartsWith("Your goal: "));
}

TEST(AgentGymBabyAI, NegativeIndicesAreRefusedInTheOriginalsWords) {
  AgentGymBabyAI game;
  for (const int64_t data_idx : {-1, -40}) {
    EXPECT_EQ(game.Reset(data_idx).status().message(),
              "Seed must be greater or equal to zero, actual value: -1");
  }
}

TEST(AgentGymBabyAI, AResetGivesTheSameLevelWhateverWasPlayedBefore) {
  for (int64_t data_idx = 0; data_idx < 3 * kAgentGymLevels; ++data_idx) {
    AgentGymBabyAI fresh, used;
    ASSERT_TRUE(used.Reset(data_idx).ok());
    for (const char* action : {"turn left", "move forward", "drop", "turn right"}) {
      ASSERT_TRUE(used.Step(action).ok());
    }
    ASSERT_TRUE(used.Reset(data_idx + 4 * kAgentGymLevels).ok());  // the same level, another seed
    EXPECT_EQ(used.Reset(data_idx)->observation, fresh.Reset(data_idx)->observation) << data_idx;
  }
}

TEST(AgentGymBabyAI, EveryListedActionIsAvailable) {
  AgentGymBabyAI game;
  for (int number = 1; number <= kAgentGymLevels; ++number) {
    game.Start(number, 3);
    std::vector<std::string> actions;
    for (const Choice& choice : game.scene().choices()) actions.emplace_back(choice.text);
    std::string list = "\nAvailable actions: [";
    for (const std::string& action : actions) {
      list += (&action == &actions.front() ? "\"" : ", \"") + action + "\"";
      game.Start(number, 3);
      EXPECT_NE(game.Act(action), AgentGymBabyAI::Answer::kRefused) << action;
    }
    game.Start(number, 3);
    std::string told;
    game.AppendActionList(&told);
    EXPECT_EQ(told, list + "]");
  }
}

}  // namespace
}  // namespace sojourn::envs::babyai
