#include "actor/episode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "actor/fake_job.h"
#include "envs/react.h"

namespace sojourn::actor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Succeeds on "win"; "bad" is invalid; everything else says what was done.
class Toy : public envs::Instance {
 public:
  absl::StatusOr<envs::Turn> Reset(const envs::TaskId& task) override {
    if (task.index > 9) return absl::InvalidArgumentError("no such task");
    return envs::Turn{.observation = absl::StrCat("task ", task.index)};
  }
  absl::StatusOr<envs::Turn> Step(std::string_view action) override {
    ++steps;
    if (action == "break") return absl::InternalError("broken");
    if (action == "win")
      return envs::Turn{.observation = "won", .reward = 1, .done = true, .success = true};
    if (action.substr(0, 3) == "bad")
      return envs::Turn{.observation = "cannot", .invalid_action = true};
    return envs::Turn{
        .observation = absl::StrCat("did ", action), .reward = 0.125, .progress = 0.25 * steps};
  }
  std::vector<std::string> ValidActions() const override { return {"left", "right", "win"}; }
  absl::StatusOr<Advice> Expert() override { return Advice{"winning", "win"}; }
  int steps = 0;
};

class EpisodeTest : public ::testing::Test {
 protected:
  Episode Make(EpisodeOptions options = {
                   .max_turns = 5, .max_context_tokens = 4096, .invalid_action_reward = -0.25}) {
    auto toy = std::make_unique<Toy>();
    toy_ = toy.get();
    return Episode(std::move(toy), &chat_, options);
  }
  policy::Response Say(const std::string& text, bool stopped = true) {
    policy::Response response{.tokens = tokenizer_->Encode(text), .stopped = stopped};
    if (stopped) response.tokens.push_back(chat_.stop_token());
    for (size_t i = 0; i < response.tokens.size(); ++i) response.logprobs.push_back(-0.5f - i);
    return response;
  }
  absl::Status Do(Episode& episode, const std::string& action) {
    return episode.TakeResponse(Say(envs::FormatReAct("so be it", action)));
  }

  std::unique_ptr<policy::Tokenizer> tokenizer_ = ByteTokenizer();
  policy::ChatFormat chat_ = *policy::ChatFormat::Create(*tokenizer_);
  Toy* toy_ = nullptr;
};

TEST_F(EpisodeTest, TheEnvironmentSaysHowAResponseIsRead) {
  EpisodeOptions options{.max_turns = 5, .max_context_tokens = 4096};
  options.read_action = [](std::string_view response) -> absl::StatusOr<std::string> {
    return std::string(response.substr(1));
  };
  Episode episode = Make(options);
  ASSERT_TRUE(episode.Start({envs::Split::kTrain, 1, 7}, "Play.", "OK.").ok());
  ASSERT_TRUE(episode.TakeResponse(Say("!win")).ok());
  EXPECT_TRUE(episode.success());
}

TEST_F(EpisodeTest, WhatWasSampledIsWhatIsRecorded) {
  Episode episode = Make();
  ASSERT_TRUE(episode.Start({envs::Split::kTrain, 1, 7}, "Play.", "OK.").ok());
  const auto first = Say("Thought: a\nAction: left"),
             second = Say("Action: turn", /*stopped=*/false), third = Say("Action: win");
  for (const auto& response : {first, second, third}) {
    ASSERT_FALSE(episode.done());
    ASSERT_TRUE(episode.TakeResponse(response).ok());
  }
  ASSERT_TRUE(episode.done());
  v1::Trajectory trajectory;
  episode.MoveInto(trajectory);
  ASSERT_EQ(trajectory.tokens_size(), trajectory.loss_mask().size());
  ASSERT_EQ(trajectory.tokens_size(), trajectory.behavior_logprobs_size());
  std::vector<int32_t> sampled, all(trajectory.tokens().begin(), trajectory.tokens().end());
  std::vector<float> logprobs;
  for (int i = 0; i < trajectory.tokens_size(); ++i) {
    if (trajectory.loss_mask()[i] == 1) {
      sampled.push_back(trajectory.tokens(i));
      logprobs.push_back(trajectory.behavior_logprobs(i));
    } else {
      EXPECT_EQ(trajectory.loss_mask()[i], 0);
      EXPECT_EQ(trajectory.behavior_logprobs(i), 0);
    }
  }
  std::vector<int32_t> expected;
  std::vector<float> expected_logprobs;
  for (const auto& response : {first, second, third}) {
    expected.insert(expected.end(), response.tokens.begin(), response.tokens.end());
    expected_logprobs.insert(expected_logprobs.end(), response.logprobs.begin(),
                             response.logprobs.end());
  }
  EXPECT_EQ(sampled, expected);
  EXPECT_EQ(logprobs, expected_logprobs);
  EXPECT_EQ(tokenizer_->Decode(all, /*with_special=*/true),
            "<|im_start|>user\nPlay.<|im_end|>\n<|im_start|>assistant\nOK.<|im_end|>\n"
            "<|im_start|>user\ntask 7<|im_end|>\n<|im_start|>assistant\nThought: a\nAction: "
            "left<|im_end|>\n"
            "<|im_start|>user\ndid left<|im_end|>\n<|im_start|>assistant\nAction: turn<|im_end|>\n"
            "<|im_start|>user\ndid turn<|im_end|>\n<|im_start|>assistant\nAction: win<|im_end|>");
  EXPECT_THAT(trajectory.turn_rewards(), ElementsAre(0.125, 0.125, 1));
  EXPECT_EQ(trajectory.reward(), 1.25);
  EXPECT_TRUE(trajectory.success());
  EXPECT_FALSE(trajectory.truncated());
  EXPECT_EQ(trajectory.turns(), 3);
  EXPECT_EQ(trajectory.actor(), "");
}

TEST_F(EpisodeTest, TheTurnLimitTruncates) {
  Episode episode = Make({.max_turns = 2, .max_context_tokens = 4096});
  ASSERT_TRUE(episode.Start({}, "", "").ok());
  ASSERT_TRUE(Do(episode, "left").ok());
  EXPECT_FALSE(episode.done());
  ASSERT_TRUE(Do(episode, "left").ok());
  EXPECT_TRUE(episode.done());
  EXPECT_TRUE(episode.truncated());
  EXPECT_FALSE(episode.success());
}

TEST_F(EpisodeTest, WinningInTheLastTurnIsNotTruncated) {
  Episode episode = Make({.max_turns = 1, .max_context_tokens = 4096});
  ASSERT_TRUE(episode.Start({}, "", "").ok());
  ASSERT_TRUE(Do(episode, "win").ok());
  EXPECT_TRUE(episode.success());
  EXPECT_FALSE(episode.truncated());
}

TEST_F(EpisodeTest, TheContextsEndTruncatesBeforeAnObservationThatDoesNotFit) {
  Episode episode = Make({.max_turns = 100, .max_context_tokens = 200});
  ASSERT_TRUE(episode.Start({}, "", "").ok());
  while (!episode.done()) ASSERT_TRUE(Do(episode, "left").ok());
  EXPECT_TRUE(episode.truncated());
  v1::Trajectory trajectory;
  episode.MoveInto(trajectory);
  EXPECT_LE(trajectory.tokens_size(), 200);
  EXPECT_EQ(trajectory.loss_mask().back(),
            1);  // ends with a response, not with an unread observation
}

TEST_F(EpisodeTest, AFirstPromptThatDoesNotFitCannotBePlayed) {
  Episode episode = Make({.max_turns = 1, .max_context_tokens = 10});
  const absl::Status status = episode.Start({}, "", "");
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("max_context_tokens"));
}

TEST_F(EpisodeTest, InvalidActionsArePenalizedInTrainingOnly) {
  Episode episode = Make();
  ASSERT_TRUE(episode.Start({}, "", "").ok());
  ASSERT_TRUE(Do(episode, "bad one").ok());
  ASSERT_TRUE(Do(episode, "bad one").ok());
  ASSERT_TRUE(Do(episode, "bad two").ok());
  ASSERT_TRUE(Do(episode, "win").ok());
  v1::EpisodeResult result;
  episode.MoveInto(result);
  EXPECT_EQ(result.reward(), 1);
  EXPECT_EQ(result.invalid_actions(), 3);
  EXPECT_EQ(result.repeated_failures(), 1);
  v1::Trajectory trajectory;
  episode.MoveInto(trajectory);
  EXPECT_THAT(trajectory.turn_rewards(), ElementsAre(-0.25, -0.25, -0.25, 1));
  EXPECT_EQ(trajectory.reward(), 0.25);
}

TEST_F(EpisodeTest, SeveralActionsAreRefusedWithoutTheEnvironment) {
  Episode episode = Make();
  ASSERT_TRUE(episode.Start({}, "", "").ok());
  ASSERT_TRUE(episode.TakeResponse(Say("Action: left\nAction: win")).ok());
  EXPECT_EQ(toy_->steps, 0);
  EXPECT_EQ(episode.invalid_actions(), 1);
  EXPECT_THAT(tokenizer_->Decode(episode.prompt()), HasSubstr("Only one 'Action' is allowed"));
}

TEST_F(EpisodeTest, AnEnvironmentsErrorIsTheEpisodes) {
  Episode episode = Make();
  EXPECT_TRUE(absl::IsInvalidArgument(episode.Start({envs::Split::kTrain, 1, 10}, "", "")));
  ASSERT_TRUE(episode.Start({}, "", "").ok());
  EXPECT_TRUE(absl::IsInternal(Do(episode, "break")));
}

TEST_F(EpisodeTest, TheTranscriptTellsWhatWasSeenSaidAndEarned) {
  Episode episode = Make({.max_turns = 5, .max_context_tokens = 4096, .transcript = true});
  ASSERT_TRUE(episode.Start({}, "Not shown.", "").ok());
  ASSERT_TRUE(episode.TakeResponse(Say("Action: left")).ok());
  ASSERT_TRUE(episode.TakeResponse(Say("Action: win")).ok());
  v1::EpisodeResult result;
  episode.MoveInto(result);
  ASSERT_EQ(result.transcript_size(), 2);
  EXPECT_EQ(result.transcript(0).observation(), "task 0");
  EXPECT_EQ(result.transcript(1).observation(), "did left");
  EXPECT_EQ(result.transcript(1).response(), "Action: win");
  EXPECT_EQ(result.transcript(1).reward(), 1);
}

TEST_F(EpisodeTest, WithoutATokenizerConversationsAreMessages) {
  using policy::Message;
  Episode episode(std::make_unique<Toy>(), nullptr, {.max_turns = 5, .messages = true});
  ASSERT_TRUE(episode.Start({envs::Split::kTrain, 1, 7}, "Play.", "OK.").ok());
  EXPECT_THAT(episode.messages(), ElementsAre(Message{"user", "Play."}, Message{"assistant", "OK."},
                                              Message{"user", "task 7"}));
  policy::Response response;
  response.text = "Action: left";
  response.text_tokens = 4;
  ASSERT_TRUE(episode.TakeResponse(response).ok());
  EXPECT_THAT(episode.messages(), ElementsAre(Message{"user", "did left"}));
  episode.Truncate();
  EXPECT_TRUE(episode.done());
  v1::EpisodeResult result;
  episode.MoveInto(result);
  EXPECT_EQ(result.tokens(), 4);
  EXPECT_EQ(result.progress(), 0.25);
  EXPECT_TRUE(result.truncated());

  Episode alternating(std::make_unique<Toy>(), nullptr, {.max_turns = 5, .messages = true});
  ASSERT_TRUE(alternating.Start({}, "Play.", "").ok());
  EXPECT_THAT(alternating.messages(), ElementsAre(Message{"user", "Play.\n\ntask 0"}));
}

TEST_F(EpisodeTest, RandomActionsNeedNoTokensAndFollowTheirKey) {
  const auto play = [&](uint64_t seed) {
    Episode episode(std::make_unique<Toy>(), nullptr, {.max_turns = 20, .transcript = true});
    EXPECT_TRUE(episode.Start({}, "", "").ok());
    while (!episode.done())
      EXPECT_TRUE(episode.TakeRandomAction(RandomKey(seed).With(episode.turns())).ok());
    v1::EpisodeResult result;
    episode.MoveInto(result);
    EXPECT_EQ(result.tokens(), 0);
    return result.SerializeAsString();
  };
  EXPECT_EQ(play(1), play(1));
  std::set<std::string> different;
  for (uint64_t seed = 0; seed < 8; ++seed) different.insert(play(seed));
  EXPECT_GT(different.size(), 4);
}

}  // namespace
}  // namespace sojourn::actor
