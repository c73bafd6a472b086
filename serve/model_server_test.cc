#include "serve/model_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "serve/model_server_testing.h"

namespace sojourn::serve {
namespace {

using ::testing::HasSubstr;

class ModelServerTest : public ::testing::Test {
 protected:
  ModelServerTest()
      : tokenizer_(*policy::Tokenizer::Load("models/base/tokenizer.json")),
        stop_token_(tokenizer_->SpecialId("<|im_end|>")) {}

  void Start(ModelServerOptions options = {.slots = 4, .max_queued = 3, .max_kept = 0}) {
    server_ = ModelServer::Start(std::make_unique<EchoEngine>(control_, stop_token_), *tokenizer_,
                                 options);
  }
  // Answered by the same text.
  GenerationRequest Request(const std::string& text) const {
    return {.prompts = {tokenizer_->Encode(text)}, .max_tokens = 100, .stop_tokens = {stop_token_}};
  }
  std::unique_ptr<Generation> Submit(GenerationRequest request) {
    auto generation = server_->Submit(std::move(request));
    EXPECT_TRUE(generation.ok()) << generation.status();
    return *std::move(generation);
  }
  // Everything of every choice.
  static std::map<int, Piece> Finish(Generation& generation) {
    std::map<int, Piece> all;
    for (;;) {
      auto pieces = generation.Next(absl::InfiniteFuture());
      if (!pieces.ok()) {
        EXPECT_TRUE(absl::IsOutOfRange(pieces.status())) << pieces.status();
        return all;
      }
      for (Piece& piece : *pieces) {
        EXPECT_FALSE(all[piece.choice].finish.has_value());
        all[piece.choice].text += piece.text;
        for (auto& token : piece.tokens) all[piece.choice].tokens.push_back(token);
        all[piece.choice].finish = piece.finish;
        all[piece.choice].cached_tokens += piece.cached_tokens;
      }
    }
  }

  const std::unique_ptr<policy::Tokenizer> tokenizer_;
  const int32_t stop_token_;
  EchoControl control_;
  std::unique_ptr<ModelServer> server_;
};

TEST_F(ModelServerTest, AnswersEveryChoiceOfEveryPrompt) {
  Start();
  GenerationRequest request = Request("first");
  request.prompts.push_back(tokenizer_->Encode("second"));
  request.n = 2;
  const auto all = Finish(*Submit(request));
  ASSERT_EQ(all.size(), 4u);
  for (const auto& [choice, piece] : all) {
    EXPECT_EQ(piece.text, choice < 2 ? "first" : "second");
    EXPECT_EQ(piece.tokens.size(), request.prompts[choice / 2].size() + 1);
    EXPECT_EQ(piece.tokens.back().token, stop_token_);
    EXPECT_EQ(piece.tokens[1].logprob, -1);
    EXPECT_EQ(piece.finish->reason, Finish::kStop);
    EXPECT_EQ(std::get<int32_t>(piece.finish->by), stop_token_);
  }
}

TEST_F(ModelServerTest, WithoutStreamingAChoiceIsOnePiece) {
  Start();
  GenerationRequest request = Request("go to the red ball");
  request.stop = {"unseen"};
  request.n = 2;
  request.stream = false;
  const auto generation = Submit(request);
  for (int left = 2; left > 0;) {
    const auto pieces = generation->Next(absl::InfiniteFuture());
    ASSERT_TRUE(pieces.ok()) << pieces.status();
    for (const Piece& piece : *pieces) {
      EXPECT_EQ(piece.text, "go to the red ball");
      EXPECT_EQ(piece.tokens.size(), request.prompts[0].size() + 1);
      EXPECT_TRUE(piece.finish.has_value());
      --left;
    }
  }
}

TEST_F(ModelServerTest, LogprobsAreTheModelsOwnOrOfTheDraw) {
  Start();
  GenerationRequest request = Request("north");
  request.top_logprobs = 1;
  const GeneratedToken own = Finish(*Submit(request))[0].tokens[1];
  EXPECT_EQ(own.logprob, -1);
  EXPECT_THAT(own.top, ::testing::ElementsAre(policy::TokenLogprob{own.token, -1}));
  Start({.processed_logprobs = true});
  EXPECT_EQ(Finish(*Submit(request))[0].tokens[1].logprob, -0.5);
}

TEST_F(ModelServerTest, MaxTokensCutsOff) {
  Start();
  GenerationRequest request = Request("go to the red ball");
  request.max_tokens = 2;
  const Piece piece = Finish(*Submit(request))[0];
  EXPECT_EQ(piece.tokens.size(), 2u);
  EXPECT_EQ(piece.finish->reason, Finish::kLength);
  EXPECT_THAT("go to the red ball", ::testing::StartsWith(piece.text));
}

TEST_F(ModelServerTest, AStopStringEndsTheAnswerBeforeIt) {
  Start();
  GenerationRequest request = Request("Action: go north\nAction: go south");
  request.stop = {"h\nAc", "unseen"};
  const Piece piece = Finish(*Submit(request))[0];
  EXPECT_EQ(piece.text, "Action: go nort");
  EXPECT_EQ(piece.finish->reason, Finish::kStop);
  EXPECT_EQ(std::get<std::string>(piece.finish->by), "h\nAc");
  EXPECT_LT(piece.tokens.size(), request.prompts[0].size());
  control_.AwaitOpen(0);
}

TEST_F(ModelServerTest, TextThatOnlyBeginsAStopStringIsShownInTheEnd) {
  Start();
  GenerationRequest request = Request("north");
  request.stop = {"thunder"};
  EXPECT_EQ(Finish(*Submit(request))[0].text, "north");
}

TEST_F(ModelServerTest, PiecesAreWholeCharacters) {
  Start();
  const std::string text = "caf\xC3\xA9 \xF0\x9F\x9A\x80";
  GenerationRequest request = Request(text);
  ASSERT_GT(request.prompts[0].size(), 8u) << "the characters must be split among tokens";
  for (size_t most = 1; most <= request.prompts[0].size() + 1; ++most) {
    request.max_tokens = static_cast<int>(most);
    const auto generation = Submit(request);
    std::string all;
    while (true) {
      const auto pieces = generation->Next(absl::InfiniteFuture());
      if (!pieces.ok()) break;
      all += pieces->front().text;
    }
    const size_t cut = all.find("\xEF\xBF\xBD");  // max_tokens in the middle of a character
    EXPECT_EQ(text.substr(0, cut == all.npos ? all.size() : cut), all.substr(0, cut));
    EXPECT_TRUE(cut == all.npos || cut + 3 == all.size());
  }
  EXPECT_EQ(Finish(*Submit(Request(text)))[0].text, text);
}

TEST_F(ModelServerTest, AFullQueueRefusesAndLaterTakesAgain) {
  Start({.slots = 1, .max_queued = 2, .max_kept = 0});
  control_.Hold();
  const auto running = Submit(Request("one"));
  control_.AwaitHeldStep();
  const auto second = Submit(Request("two"));
  auto third = Submit(Request("three"));
  const auto refused = server_->Submit(Request("four"));
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status())) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("2 prompts wait"));
  EXPECT_EQ(server_->stats().queued, 2);
  third.reset();  // its caller does not wait any more
  control_.Release();
  EXPECT_EQ(Finish(*running)[0].text, "one");
  EXPECT_EQ(Finish(*second)[0].text, "two");
  EXPECT_EQ(Finish(*Submit(Request("four")))[0].text, "four");
}

TEST_F(ModelServerTest, ACancelledGenerationFreesItsSlots) {
  Start({.slots = 2, .max_queued = 2, .max_kept = 0});
  control_.Hold();
  GenerationRequest request = Request("one");
  request.n = 2;
  auto cancelled = Submit(request);
  control_.AwaitHeldStep();
  const auto next = Submit(Request("two"));
  cancelled.reset();
  control_.Release();
  EXPECT_EQ(Finish(*next)[0].text, "two");
  control_.AwaitOpen(0);
}

TEST_F(ModelServerTest, NextReturnsEmptyHandedAtItsDeadline) {
  Start();
  control_.Hold();
  const auto generation = Submit(Request("one"));
  const auto pieces = generation->Next(absl::InfinitePast());
  ASSERT_TRUE(pieces.ok()) << pieces.status();
  EXPECT_TRUE(pieces->empty());
  control_.Release();
  EXPECT_EQ(Finish(*generation)[0].text, "one");
}

TEST_F(ModelServerTest, AnEngineFailureFailsWhatIsUnderWayOnly) {
  Start();
  control_.Hold();
  const auto failed = Submit(Request("one"));
  control_.AwaitHeldStep();
  control_.FailNextStep();
  control_.Release();
  EXPECT_TRUE(absl::IsInternal(failed->Next(absl::InfiniteFuture()).status()));
  EXPECT_EQ(Finish(*Submit(Request("two")))[0].text, "two");
  control_.AwaitOpen(0);
}

TEST_F(ModelServerTest, StoppingFailsWhatWaitsAndOutlivesItsCallers) {
  Start({.slots = 1, .max_queued = 2, .max_kept = 0});
  control_.Hold();
  const auto running = Submit(Request("one"));
  control_.AwaitHeldStep();
  const auto queued = Submit(Request("two"));
  server_->Stop();
  EXPECT_TRUE(absl::IsUnavailable(server_->Submit(Request("three")).status()));
  control_.Release();
  server_.reset();
  EXPECT_TRUE(absl::IsUnavailable(running->Next(absl::InfiniteFuture()).status()));
  EXPECT_TRUE(absl::IsUnavailable(queued->Next(absl::InfiniteFuture()).status()));
}

TEST_F(ModelServerTest, AConversationGoesOnFromWhatIsKept) {
  Start({.slots = 4, .max_queued = 3, .max_kept = 2});
  const auto say = [&](const std::vector<int32_t>& prompt) {
    GenerationRequest request = Request("");
    request.prompts = {prompt};
    const Piece piece = Finish(*Submit(request))[0];
    return std::pair(piece.text, piece.cached_tokens);
  };
  // Hears what follows only, because the rest was kept: the prompt, and its echo up to the stop.
  const auto next_turn = [&](std::vector<int32_t> conversation, const std::string& more) {
    const std::vector<int32_t> said = conversation, told = tokenizer_->Encode(more);
    conversation.insert(conversation.end(), said.begin(), said.end());
    conversation.push_back(stop_token_);
    conversation.insert(conversation.end(), told.begin(), told.end());
    return conversation;
  };
  const auto one = tokenizer_->Encode("one"), two = tokenizer_->Encode("two"),
             three = tokenizer_->Encode("three");
  EXPECT_EQ(say(one), std::pair(std::string("one"), int64_t{0}));
  EXPECT_EQ(say(next_turn(one, " and")),
            std::pair(std::string(" and"), static_cast<int64_t>(2 * one.size() + 1)));
  EXPECT_EQ(say(one).second, 0) << "nothing follows, so it is read again";
  say(two);
  say(three);  // the oldest ones are no longer kept
  EXPECT_EQ(say(next_turn(one, " and")).second, 0);
  EXPECT_GT(say(next_turn(three, " and")).second, 0);
  control_.AwaitOpen(2);
}

TEST_F(ModelServerTest, RefusesWhatCouldNeverRun) {
  Start();
  GenerationRequest wide = Request("one");
  wide.n = 5;
  EXPECT_TRUE(absl::IsInvalidArgument(server_->Submit(wide).status()));
  GenerationRequest many = Request("one");
  many.prompts.resize(4, many.prompts[0]);
  EXPECT_TRUE(absl::IsInvalidArgument(server_->Submit(many).status()));
}

TEST_F(ModelServerTest, ManyCallersAtOnceGetTheirOwnAnswers) {
  Start({.slots = 4, .max_queued = 100});
  std::vector<std::thread> callers;
  for (int i = 0; i < 16; ++i) {
    callers.emplace_back([&, i] {
      for (int j = 0; j < 10; ++j) {
        const std::string text = absl::StrCat("caller ", i, " says ", j);
        EXPECT_EQ(Finish(*Submit(Request(text)))[0].text, text);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

}  // namespace
}  // namespace sojourn::serve
