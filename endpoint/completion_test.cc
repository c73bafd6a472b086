#include "endpoint/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace sojourn::endpoint {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

CompletionRequest Request(Dialect dialect = Dialect::kTokenIds) {
  CompletionRequest request;
  request.model = "m";
  request.dialect = dialect;
  request.sampling = {0.5, 0.9, 20};
  request.max_tokens = 7;
  request.seed = 11;
  request.stop_tokens = {2};
  return request;
}

TEST(Completion, ARequestSaysAllThatShapesTheAnswer) {
  const std::vector<int32_t> prompt = {5, 6};
  EXPECT_EQ(json::parse(TokensBody(Request(), prompt)),
            json::parse(R"({"model": "m", "prompt": [5, 6], "max_tokens": 7, "temperature": 0.5,
                            "top_p": 0.9, "top_k": 20, "seed": 11, "stop_token_ids": [2],
                            "return_token_ids": true})"));
  CompletionRequest greedy = Request(Dialect::kText);
  greedy.sampling.temperature = 0;
  greedy.stop_tokens.clear();
  const std::vector<policy::Message> messages = {{"user", "a \xff b"}};
  EXPECT_EQ(json::parse(MessagesBody(greedy, messages)),
            json::parse(R"({"model": "m", "messages": [{"role": "user", "content": "a � b"}],
                            "max_tokens": 7, "temperature": 0.0})"));
  EXPECT_EQ(json::parse(TokensBody(Request(Dialect::kLogprobs), prompt))["logprobs"], 1);
  EXPECT_EQ(json::parse(MessagesBody(Request(Dialect::kLogprobs), messages))["logprobs"], true);
}

TEST(Completion, TokenIdsAreReadAsEachServerTellsThem) {
  const auto tokens = [](const std::string& choice, bool messages) {
    const auto completion = ParseCompletion(
        absl::StrCat(R"({"choices": [{"finish_reason": "stop", )", choice, "}]}"), messages);
    EXPECT_TRUE(completion.ok()) << completion.status();
    return *completion->tokens;
  };
  EXPECT_THAT(tokens(R"("text": "a", "token_ids": [1, 2])", false), ElementsAre(1, 2));
  EXPECT_THAT(tokens(R"("text": "a", "logprobs": {"tokens": ["token_id:1", "token_id:2"]})", false),
              ElementsAre(1, 2));
  EXPECT_THAT(tokens(R"("message": {"content": "a"},
                       "logprobs": {"content": [{"token": "token_id:9", "logprob": -1}]})",
                     true),
              ElementsAre(9));
  EXPECT_THAT(tokens(R"("message": {"content": null},
                       "meta_info": {"output_token_logprobs": [[-0.5, 3, "x"], [-1, 4, null]]})",
                     true),
              ElementsAre(3, 4));
}

TEST(Completion, TextsWithoutIdsAreCountedByUsage) {
  const auto completion = ParseCompletion(
      R"({"choices": [{"message": {"content": "hi"}, "finish_reason": "length",
                       "logprobs": {"content": [{"token": "hi"}]}}],
          "usage": {"prompt_tokens": 40, "completion_tokens": 3}})",
      true);
  ASSERT_TRUE(completion.ok()) << completion.status();
  EXPECT_FALSE(completion->tokens.has_value());
  EXPECT_FALSE(completion->stopped);
  EXPECT_EQ(completion->text, "hi");
  EXPECT_EQ(completion->prompt_tokens, 40);
  EXPECT_EQ(completion->completion_tokens, 3);
}

TEST(Completion, MalformedAnswersSayWhatIsWrong) {
  const auto fault = [](const std::string& body) {
    const auto completion = ParseCompletion(body, true);
    EXPECT_TRUE(absl::IsDataLoss(completion.status())) << body;
    return std::string(completion.status().message());
  };
  EXPECT_THAT(fault("<html>"), HasSubstr("not a JSON object; it begins: <html>"));
  EXPECT_THAT(fault("{}"), HasSubstr("no choices"));
  EXPECT_THAT(fault(R"({"choices": []})"), HasSubstr("no choices"));
  EXPECT_THAT(fault(R"({"choices": [{"message": {"content": 3}}]})"), HasSubstr("content"));
  EXPECT_THAT(fault(R"({"choices": [{"message": {"content": ""}}]})"), HasSubstr("finish_reason"));
  EXPECT_THAT(fault(std::string(100000, '[')), HasSubstr("not a JSON object"));
  const std::string ids =
      R"({"choices": [{"message": {"content": ""}, "finish_reason": "stop", "token_ids": [-1]}]})";
  EXPECT_FALSE(ParseCompletion(ids, true)->tokens.has_value());
}

TEST(Completion, ErrorsHaveTheServersWordsAndAKind) {
  const absl::Status busy = ErrorOf(429, R"({"error": {"message": "slow down"}})");
  EXPECT_TRUE(absl::IsUnavailable(busy));
  EXPECT_EQ(busy.message(), "HTTP status 429: slow down");
  EXPECT_TRUE(absl::IsUnavailable(ErrorOf(503, "")));
  EXPECT_TRUE(absl::IsUnauthenticated(ErrorOf(401, R"({"detail": "no key"})")));
  EXPECT_TRUE(absl::IsNotFound(ErrorOf(404, "Not Found")));
  EXPECT_TRUE(absl::IsFailedPrecondition(ErrorOf(308, "")));
  EXPECT_TRUE(absl::IsInvalidArgument(ErrorOf(422, R"({"message": "top_k"})")));
  EXPECT_TRUE(absl::IsOutOfRange(ErrorOf(
      400, R"({"error": {"message": "This model's maximum context length is 4096 tokens."}})")));
  EXPECT_LT(ErrorOf(500, std::string(5000, 'x')).message().size(), 400);
  EXPECT_TRUE(Refuses(Dialect::kTokenIds, ErrorOf(400, "Unrecognized argument: return_token_ids")));
  EXPECT_FALSE(Refuses(Dialect::kTokenIds, ErrorOf(400, "top_k")));
}

TEST(Completion, ModelsAreListedWithTheirContext) {
  const auto models = ParseModels(R"({"data": [{"id": "a", "max_model_len": 64}, {"id": "b"}]})");
  ASSERT_TRUE(models.ok()) << models.status();
  EXPECT_EQ((*models)[0].max_context_tokens, 64);
  EXPECT_EQ((*models)[1].name, "b");
  EXPECT_TRUE(absl::IsDataLoss(ParseModels("[]").status()));
}

}  // namespace
}  // namespace sojourn::endpoint
