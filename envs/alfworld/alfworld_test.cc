#include "envs/alfworld/alfworld.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::unique_ptr<Instance> MakeOrDie(const Options& options = {}) {
  auto environment = MakeAlfWorld(options);
  EXPECT_TRUE(environment.ok()) << environment.status();
  return (*environment)->NewInstance();
}

TEST(AlfWorldTest, ATaskIsPlayedToItsEnd) {
  const auto instance = MakeOrDie();
  for (const DifficultySpec& difficulty : AlfWorldSpec().difficulties) {
    const auto reset = instance->Reset({Split::kTest, difficulty.difficulty, 3});
    ASSERT_TRUE(reset.ok()) << reset.status();
    EXPECT_THAT(
        reset->observation,
        AllOf(StartsWith("You are in the middle of a room."), HasSubstr("\nYour task is to: "),
              HasSubstr("\nAVAILABLE ACTIONS: go to "), Not(HasSubstr("\n\n"))));
    double progress = 0;
    Turn turn;
    while (!turn.done) {
      const auto advice = instance->Expert();
      ASSERT_TRUE(advice.ok()) << advice.status();
      turn = *instance->Step(advice->action);
      EXPECT_FALSE(turn.invalid_action);
      EXPECT_GE(turn.progress, 0);
      progress = turn.progress;
      if (!turn.done) {
        EXPECT_EQ(turn.reward, 0);
        EXPECT_LT(progress, 1);
      }
    }
    EXPECT_TRUE(turn.success);
    EXPECT_EQ(turn.reward, 1);
    EXPECT_EQ(progress, 1);
    EXPECT_TRUE(instance->ValidActions().empty());
    EXPECT_EQ(instance->Step("look").status().code(), absl::StatusCode::kFailedPrecondition);
  }
}

TEST(AlfWorldTest, WhatIsNotAdmissibleIsInvalid) {
  const auto instance = MakeOrDie();
  ASSERT_TRUE(instance->Reset({Split::kTrain, 2, 0}).ok());
  const auto before = instance->ValidActions();
  for (const char* action : {"", "fly", "LOOK", "take mug 1", "\xff\xfe"}) {
    const auto turn = instance->Step(action);
    ASSERT_TRUE(turn.ok());
    EXPECT_EQ(turn->observation, "Nothing happens.");
    EXPECT_TRUE(turn->invalid_action);
  }
  EXPECT_EQ(instance->ValidActions(), before);
  EXPECT_FALSE(instance->Step(" look\n")->invalid_action);
}

TEST(AlfWorldTest, TheGoalBlindPlayerDoesSomethingElse) {
  const auto instance = MakeOrDie();
  int acting = 0;
  for (int index = 0; index < 20; ++index) {
    ASSERT_TRUE(instance->Reset({Split::kTrain, 2, index}).ok());
    for (int turn = 0; turn < 12; ++turn) {
      const auto advice = instance->GoalBlind();
      ASSERT_TRUE(advice.ok()) << advice.status();
      acting += advice->action.starts_with("move ") ? 1 : 0;
      ASSERT_FALSE(instance->Step(advice->action)->done);
    }
  }
  EXPECT_GT(acting, 10);
}

TEST(AlfWorldTest, OptionsSayWhenTheActionsAreListed) {
  const auto lists = [](const char* option) {
    const auto instance = MakeOrDie({{"action_list", option}});
    const bool first =
        instance->Reset({Split::kTrain, 1, 0})->observation.find("AVAILABLE") != std::string::npos;
    const bool later = instance->Step("look")->observation.find("AVAILABLE") != std::string::npos;
    return std::make_pair(first, later);
  };
  EXPECT_EQ(lists("first"), std::make_pair(true, false));
  EXPECT_EQ(lists("all"), std::make_pair(true, true));
  EXPECT_EQ(lists("none"), std::make_pair(false, false));
}

TEST(AlfWorldTest, ImpossibleOptionsAreRefused) {
  const auto error = [](const Options& options) {
    return std::string(MakeAlfWorld(options).status().message());
  };
  EXPECT_THAT(error({{"action_list", "firts"}}), HasSubstr("did you mean \"first\"?"));
  EXPECT_THAT(error({{"receptacles", "11"}}), HasSubstr("from 12 to 50"));
  EXPECT_THAT(error({{"seed", "-1"}}), HasSubstr("seed: \"-1\""));
  EXPECT_THAT(error({{"data", "/nowhere"}}), HasSubstr("/nowhere: has no games"));
}

TEST(AlfWorldTest, ResponsesAreReadAsAgentGymsClientDoes) {
  const auto read = [](std::string_view response) { return *ReadAlfWorldAction(response); };
  EXPECT_EQ(read("Thought:\nI look.\n\nAction:\ngo to desk 1"), "go to desk 1");
  EXPECT_EQ(read("Thought: x\nAction: go to desk 1 </s>"), "go to desk 1");
  EXPECT_EQ(read("Action: look\nAction: inventory"), "inventory");
  EXPECT_EQ(read("Action:\nlook\nand more"), "look\nand more");
  EXPECT_EQ(read("put mug 1 in/on desk 1"), "");
  EXPECT_EQ(read(" search[mugs] "), "search[mugs]");
  EXPECT_EQ(read(FormatReAct("I see it", "take mug 1 from desk 1")), "take mug 1 from desk 1");
}

TEST(AlfWorldTest, TextsAreCutAsAgentGymsServerDoes) {
  EXPECT_EQ(AgentGymIntro("-= Welcome =-\n\nYou are here.\n\nYour task is to: rest."),
            "You are here.\nYour task is to: rest.");
  EXPECT_EQ(AgentGymIntro("nothing"), "");
  EXPECT_EQ(AgentGymReply("You arrive at loc 7. On the desk 1, you see a mug 1."),
            "On the desk 1, you see a mug 1.");
  EXPECT_EQ(AgentGymReply("You arrive at desk 1. On it."), "You arrive at desk 1. On it.");
}

}  // namespace
}  // namespace sojourn::envs
