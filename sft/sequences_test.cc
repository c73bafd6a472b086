#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sft/demonstrations.h"
#include "sft/sequences.h"

namespace sojourn::sft {
namespace {

v1::SftConfig TextCraft(double goal_blind, double noise) {
  v1::SftConfig config;
  config.set_seed(3);
  auto* d = config.add_demonstrations();
  d->mutable_environment()->set_type("textcraft");
  (*d->mutable_environment()->mutable_options())["recipes"] = "fresh";
  (*d->mutable_environment()->mutable_options())["distractors"] = "2";
  d->set_min_difficulty(1);
  d->set_max_difficulty(1);
  d->set_weight(1);
  d->set_max_turns(4);
  d->set_goal_blind(goal_blind);
  d->set_noise(noise);
  return config;
}

double SuccessRate(const v1::SftConfig& config, int episodes) {
  auto demonstrator = Demonstrator::Create(config);
  EXPECT_TRUE(demonstrator.ok()) << demonstrator.status();
  int successes = 0;
  for (int n = 0; n < episodes; ++n) successes += (*demonstrator)->Play(n)->success;
  return static_cast<double>(successes) / episodes;
}

TEST(Demonstrator, ExpertsSolveTheirTasksAndGoalBlindPlayersRarelyDo) {
  EXPECT_EQ(SuccessRate(TextCraft(0, 0), 100), 1);
  EXPECT_LT(SuccessRate(TextCraft(1, 0), 100), 0.7);
}

TEST(Demonstrator, TheSameNumberIsTheSameDemonstration) {
  auto a = Demonstrator::Create(TextCraft(0.5, 0.3)), b = Demonstrator::Create(TextCraft(0.5, 0.3));
  ASSERT_TRUE(a.ok() && b.ok());
  (void)(*b)->Play(99);
  for (uint64_t n : {5, 1, 5}) {
    const auto x = (*a)->Play(n), y = (*b)->Play(n);
    ASSERT_TRUE(x.ok() && y.ok());
    ASSERT_EQ(x->turns.size(), y->turns.size());
    for (size_t t = 0; t < x->turns.size(); ++t) EXPECT_EQ(x->turns[t].response, y->turns[t].response);
  }
}

TEST(Demonstrator, UnknownEnvironmentsAndDifficultiesAreNamed) {
  v1::SftConfig config = TextCraft(0, 0);
  config.mutable_demonstrations(0)->set_max_difficulty(99);
  EXPECT_THAT(std::string(Demonstrator::Create(config).status().message()), ::testing::HasSubstr("demonstrations[0]"));
}

TEST(Sequences, OnlyTargetsAreLearnedAndNoiseWeighsNothing) {
  Demonstration demonstration;
  demonstration.turns = {{"see a", "Thought: x\nAction: y", true}, {"see b", "Thought: z\nAction: w", false}};
  const auto json = policy::TrainTokenizer({"see a", "see b"}, {.vocab_size = 300});
  ASSERT_TRUE(json.ok()) << json.status();
  const auto tokenizer = policy::Tokenizer::Parse(*json, "test");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const auto chat = policy::ChatFormat::Create(**tokenizer);
  ASSERT_TRUE(chat.ok());
  const auto sequence = ToSequence(demonstration, **tokenizer, *chat, 0.5);
  ASSERT_EQ(sequence.tokens.size(), sequence.weights.size());
  std::vector<int32_t> target, context, noise;
  for (size_t i = 0; i < sequence.tokens.size(); ++i) {
    (sequence.weights[i] == 1 ? target : sequence.weights[i] == 0 ? noise : context).push_back(sequence.tokens[i]);
  }
  EXPECT_EQ((*tokenizer)->Decode(target), "Thought: x\nAction: y");
  EXPECT_EQ(target.back(), chat->stop_token());
  EXPECT_EQ((*tokenizer)->Decode(noise), "Thought: z\nAction: w");
  EXPECT_THAT((*tokenizer)->Decode(context), ::testing::HasSubstr("see b"));
}

}  // namespace
}  // namespace sojourn::sft
