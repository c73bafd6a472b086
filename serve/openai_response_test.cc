#include "serve/openai_response.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "serve/api_error.h"

namespace sojourn::serve {
namespace {

using nlohmann::json;

class OpenAiResponseTest : public ::testing::Test {
 protected:
  OpenAiResponseTest() : tokenizer_(*policy::Tokenizer::Load("models/base/tokenizer.json")) {
    context_.id = "id-1";
    context_.model = "m";
    context_.created = 123;
    context_.prompts = {{10, 11, 12}};
    context_.eos_tokens = {end_};
  }

  // "a", then "é" in two tokens of a byte each, then the stop token.
  std::vector<Piece> Pieces() {
    const std::vector<int32_t> ids = tokenizer_->Encode("a\xC3\xA9");
    EXPECT_EQ(ids.size(), 3u);
    const policy::TokenLogprob other{ids[1], -2.5};
    return {{.choice = 0,
             .text = "a",
             .tokens = {{ids[0], -0.5, {{ids[0], -0.5}, other}}},
             .cached_tokens = 2},
            {.choice = 0, .text = "", .tokens = {{ids[1], -1}}},
            {.choice = 0, .text = "\xC3\xA9", .tokens = {{ids[2], -2}}},
            {.choice = 0, .tokens = {{end_, -3}}, .finish = Finish{Finish::kStop, end_}}};
  }
  json Whole(std::vector<Piece> pieces) {
    AnswerWriter writer(context_, *tokenizer_);
    for (Piece& piece : pieces) writer.Add({piece});
    return json::parse(writer.Whole());
  }
  static std::vector<std::string> Events(const std::string& text) {
    std::vector<std::string> events;
    for (const absl::string_view event : absl::StrSplit(text, "\n\n", absl::SkipEmpty())) {
      EXPECT_EQ(event.substr(0, 6), "data: ");
      events.emplace_back(event.substr(6));
    }
    return events;
  }

  const std::unique_ptr<policy::Tokenizer> tokenizer_;
  const int32_t end_ = tokenizer_->SpecialId("<|im_end|>");
  AnswerContext context_;
};

TEST_F(OpenAiResponseTest, AChatAnswerHasOpenAisShape) {
  context_.chat = true;
  context_.options.top_logprobs = 2;
  const json answer = Whole(Pieces());
  EXPECT_EQ(answer["object"], "chat.completion");
  EXPECT_EQ(answer["id"], "id-1");
  EXPECT_EQ(answer["created"], 123);
  EXPECT_EQ(answer["model"], "m");
  EXPECT_EQ(answer["usage"], json({{"prompt_tokens", 3},
                                   {"completion_tokens", 4},
                                   {"total_tokens", 7},
                                   {"prompt_tokens_details", {{"cached_tokens", 2}}}}));
  EXPECT_FALSE(answer.contains("prompt_token_ids"));
  const json& choice = answer["choices"][0];
  EXPECT_EQ(choice["message"]["role"], "assistant");
  EXPECT_EQ(choice["message"]["content"], "a\xC3\xA9");
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_EQ(choice["stop_reason"], nullptr);
  EXPECT_FALSE(choice.contains("token_ids"));
  const json& content = choice["logprobs"]["content"];
  ASSERT_EQ(content.size(), 4u);
  EXPECT_EQ(content[0]["token"], "a");
  EXPECT_EQ(content[0]["logprob"], -0.5);
  EXPECT_EQ(content[0]["bytes"], json({97}));
  EXPECT_EQ(content[0]["top_logprobs"].size(), 2u);
  EXPECT_EQ(content[1]["token"], "\xEF\xBF\xBD") << "half a character";
  EXPECT_EQ(content[1]["bytes"], json({0xC3}));
  EXPECT_EQ(content[3]["token"], "<|im_end|>");
}

TEST_F(OpenAiResponseTest, TokenIdsAreWhereVllmHasThem) {
  context_.options.return_token_ids = true;
  context_.chat = true;
  const json chat = Whole(Pieces());
  EXPECT_EQ(chat["prompt_token_ids"], json({10, 11, 12}));
  EXPECT_EQ(chat["choices"][0]["token_ids"].size(), 4u);
  context_.chat = false;
  const json completion = Whole(Pieces());
  EXPECT_FALSE(completion.contains("prompt_token_ids"));
  EXPECT_EQ(completion["choices"][0]["prompt_token_ids"], json({10, 11, 12}));
  EXPECT_EQ(completion["choices"][0]["token_ids"].size(), 4u);
}

TEST_F(OpenAiResponseTest, ACompletionsLogprobsAreLists) {
  context_.options.top_logprobs = 2;
  const json answer = Whole(Pieces());
  EXPECT_EQ(answer["object"], "text_completion");
  const json& choice = answer["choices"][0];
  EXPECT_EQ(choice["text"], "a\xC3\xA9");
  const json& logprobs = choice["logprobs"];
  EXPECT_EQ(logprobs["tokens"], json({"a", "\xEF\xBF\xBD", "\xEF\xBF\xBD", "<|im_end|>"}));
  EXPECT_EQ(logprobs["token_logprobs"], json({-0.5, -1, -2, -3}));
  EXPECT_EQ(logprobs["text_offset"], json({0, 1, 2, 2}));
  EXPECT_EQ(logprobs["top_logprobs"][0]["a"], -0.5);
  EXPECT_EQ(logprobs["top_logprobs"][0].size(), 2u);
  context_.options.tokens_as_ids = true;
  const json as_ids = Whole(Pieces());
  EXPECT_EQ(as_ids["choices"][0]["logprobs"]["tokens"][3], absl::StrCat("token_id:", end_));
}

TEST_F(OpenAiResponseTest, EchoPutsThePromptFirst) {
  context_.echoed = {"Q: "};
  EXPECT_EQ(Whole(Pieces())["choices"][0]["text"], "Q: a\xC3\xA9");
  AnswerWriter writer(context_, *tokenizer_);
  const auto events = Events(writer.Events(Pieces()));
  EXPECT_EQ(json::parse(events[0])["choices"][0]["text"], "Q: a");
  EXPECT_EQ(json::parse(events[1])["choices"][0]["text"], "\xC3\xA9");
}

TEST_F(OpenAiResponseTest, AStreamedChatOpensWithItsRoleAndEndsWithUsage) {
  context_.chat = true;
  context_.options.include_usage = true;
  AnswerWriter writer(context_, *tokenizer_);
  std::string text;
  for (const Piece& piece : Pieces()) text += writer.Events({piece});
  text += writer.LastEvents();
  const auto events = Events(text);
  ASSERT_EQ(events.size(), 5u) << "a piece that tells nothing makes no event";
  const json first = json::parse(events[0]);
  EXPECT_EQ(first["object"], "chat.completion.chunk");
  EXPECT_EQ(first["choices"][0]["delta"], json({{"role", "assistant"}, {"content", "a"}}));
  EXPECT_EQ(first["choices"][0]["finish_reason"], nullptr);
  EXPECT_EQ(first["usage"], nullptr);
  EXPECT_EQ(json::parse(events[1])["choices"][0]["delta"], json({{"content", "\xC3\xA9"}}));
  const json last = json::parse(events[2]);
  EXPECT_EQ(last["choices"][0]["delta"], json::object());
  EXPECT_EQ(last["choices"][0]["finish_reason"], "stop");
  const json usage = json::parse(events[3]);
  EXPECT_EQ(usage["choices"], json::array());
  EXPECT_EQ(usage["usage"]["completion_tokens"], 4);
  EXPECT_EQ(events[4], "[DONE]");
}

TEST_F(OpenAiResponseTest, StreamedTokenIdsAreCompleteAndThePromptsComeOnce) {
  context_.options.return_token_ids = true;
  AnswerWriter writer(context_, *tokenizer_);
  json ids = json::array();
  int prompts = 0;
  for (const std::string& event : Events(writer.Events(Pieces()))) {
    const json choice = json::parse(event)["choices"][0];
    prompts += choice.contains("prompt_token_ids");
    for (const json& id : choice["token_ids"]) ids.push_back(id);
  }
  EXPECT_EQ(prompts, 1);
  EXPECT_EQ(ids.size(), 4u);
}

TEST_F(OpenAiResponseTest, StopReasonTellsWhatTheRequestAskedFor) {
  auto pieces = Pieces();
  pieces.back().finish = Finish{Finish::kStop, "STOP"};
  EXPECT_EQ(Whole(pieces)["choices"][0]["stop_reason"], "STOP");
  pieces.back().finish = Finish{Finish::kStop, end_ + 1};
  EXPECT_EQ(Whole(pieces)["choices"][0]["stop_reason"], end_ + 1);
  pieces.back().finish = Finish{Finish::kLength, {}};
  EXPECT_EQ(Whole(pieces)["choices"][0]["finish_reason"], "length");
}

TEST(ApiError, BodyHasOpenAisShape) {
  const json error = json::parse(ErrorBody(ParameterError("n", "too many")))["error"];
  EXPECT_EQ(error["message"], "n: too many");
  EXPECT_EQ(error["type"], "invalid_request_error");
  EXPECT_EQ(error["param"], "n");
  EXPECT_EQ(error["code"], nullptr);
  const absl::Status missing = WithCode(absl::NotFoundError("no such model"), "model_not_found");
  EXPECT_EQ(HttpStatus(missing), 404);
  EXPECT_EQ(json::parse(ErrorBody(missing))["error"]["code"], "model_not_found");
  EXPECT_EQ(HttpStatus(absl::ResourceExhaustedError("")), 429);
  EXPECT_EQ(HttpStatus(absl::UnavailableError("")), 503);
  EXPECT_EQ(HttpStatus(absl::DeadlineExceededError("")), 504);
  EXPECT_EQ(HttpStatus(absl::InternalError("")), 500);
}

}  // namespace
}  // namespace sojourn::serve
