#include "serve/openai_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/api_error.h"

namespace sojourn::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// `more`: `, "name": value ...`.
std::string Chat(const std::string& more = "") {
  return R"({"model": "m", "messages": [{"role": "user", "content": "hi"}])" + more + "}";
}
std::string Completion(const std::string& more = "") { return R"({"prompt": "hi")" + more + "}"; }

TEST(OpenAiRequest, DefaultsAreTheApis) {
  const auto chat = ParseChatRequest(Chat());
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_EQ(chat->options.model, "m");
  EXPECT_EQ(chat->messages[0].role, "user");
  EXPECT_EQ(chat->messages[0].content, "hi");
  EXPECT_EQ(chat->options.n, 1);
  EXPECT_EQ(chat->options.sampling.temperature, 1);
  EXPECT_FALSE(chat->options.max_tokens.has_value());
  EXPECT_FALSE(chat->options.seed.has_value());
  EXPECT_FALSE(chat->options.top_logprobs.has_value());
  EXPECT_TRUE(chat->add_generation_prompt);

  const auto completion = ParseCompletionRequest(Completion(), {.temperature = 0.5});
  ASSERT_TRUE(completion.ok()) << completion.status();
  EXPECT_EQ(completion->options.max_tokens, 16);
  EXPECT_EQ(completion->options.sampling.temperature, 0.5);
}

TEST(OpenAiRequest, EveryOptionIsRead) {
  const auto request = ParseChatRequest(Chat(
      R"(, "n": 3, "temperature": 0.25, "top_p": 0.5, "top_k": 7, "seed": -1, "stop": ["a", "b"],
         "max_completion_tokens": 9, "logprobs": true, "top_logprobs": 4, "stream": true,
         "stream_options": {"include_usage": true}, "return_token_ids": true,
         "stop_token_ids": [5], "ignore_eos": true, "user": "me", "return_tokens_as_token_ids": true,
         "add_generation_prompt": false, "temperature": 0.25, "presence_penalty": 0.0,
         "tools": [], "tool_choice": "none", "response_format": {"type": "text"}, "min_p": null)"));
  ASSERT_TRUE(request.ok()) << request.status();
  const RequestOptions& options = request->options;
  EXPECT_EQ(options.n, 3);
  EXPECT_EQ(options.sampling.temperature, 0.25);
  EXPECT_EQ(options.sampling.top_p, 0.5);
  EXPECT_EQ(options.sampling.top_k, 7);
  EXPECT_EQ(options.seed, ~uint64_t{0});
  EXPECT_THAT(options.stop, ElementsAre("a", "b"));
  EXPECT_EQ(options.max_tokens, 9);
  EXPECT_EQ(options.top_logprobs, 4);
  EXPECT_TRUE(options.stream && options.include_usage && options.return_token_ids);
  EXPECT_TRUE(options.ignore_eos && options.tokens_as_ids);
  EXPECT_THAT(options.stop_token_ids, ElementsAre(5));
  EXPECT_FALSE(request->add_generation_prompt);
}

TEST(OpenAiRequest, ContentMayBePartsOfText) {
  const auto request = ParseChatRequest(
      R"({"messages": [{"role": "developer", "content": "be brief"},
          {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
          {"role": "assistant", "content": "c", "refusal": null, "tool_calls": []}]})");
  ASSERT_TRUE(request.ok()) << request.status();
  ASSERT_EQ(request->messages.size(), 3u);
  EXPECT_EQ(request->messages[0].role, "system");
  EXPECT_EQ(request->messages[1].content, "a\nb");
  EXPECT_EQ(request->messages[2].content, "c");
}

TEST(OpenAiRequest, APromptIsTextOrTokensOneOrMany) {
  const auto prompts = [](const std::string& prompt) {
    const auto request = ParseCompletionRequest(R"({"prompt": )" + prompt + "}");
    EXPECT_TRUE(request.ok()) << request.status();
    return request->prompts;
  };
  using Tokens = std::vector<int32_t>;
  EXPECT_THAT(prompts(R"("a")"), ElementsAre(Prompt("a")));
  EXPECT_THAT(prompts(R"(["a", "b"])"), ElementsAre(Prompt("a"), Prompt("b")));
  EXPECT_THAT(prompts("[1, 2]"), ElementsAre(Prompt(Tokens{1, 2})));
  EXPECT_THAT(prompts("[[1, 2], [3]]"), ElementsAre(Prompt(Tokens{1, 2}), Prompt(Tokens{3})));
}

struct Wrong {
  std::string body, parameter, message;
};

TEST(OpenAiRequest, ErrorsNameTheParameter) {
  const Wrong chats[] = {
      {"{", "", "not JSON"},
      {"[]", "", "not an object"},
      {"{\"a\": \"\xFF\"}", "", "not JSON"},
      {"{}", "messages", "missing"},
      {R"({"messages": []})", "messages", "list"},
      {R"({"messages": "hi"})", "messages", "list"},
      {R"({"messages": [3]})", "messages[0]", "object"},
      {R"({"messages": [{"content": "a"}]})", "messages[0].role", "missing"},
      {R"({"messages": [{"role": "user"}]})", "messages[0].content", "missing"},
      {R"({"messages": [{"role": "tool", "content": "a"}]})", "messages[0].role", "\"tool\""},
      {R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})",
       "messages[0].content[0].type", "only parts of type"},
      {R"({"messages": [{"role": "user", "content": "a", "tool_calls": [1]}]})",
       "messages[0].tool_calls", "not supported"},
      {R"({"messages": [{"role": "user", "content": "a", "nam": "b"}]})", "messages[0].nam",
       "did you mean \"name\""},
      {Chat(R"(, "temperature": "hot")"), "temperature", "expected a number, got \"hot\""},
      {Chat(R"(, "temperature": -1)"), "temperature", "got -1"},
      {Chat(R"(, "temperature": 1e999)"), "", "not JSON"},
      {Chat(R"(, "top_p": 0)"), "top_p", "above 0"},
      {Chat(R"(, "top_k": -2)"), "top_k", "-1 to"},
      {Chat(R"(, "n": 0)"), "n", "from 1 to 128, got 0"},
      {Chat(R"(, "n": 1.5)"), "n", "whole number"},
      {Chat(R"(, "n": 18446744073709551615)"), "n", "whole number"},
      {Chat(R"(, "max_tokens": 0)"), "max_tokens", "from 1"},
      {Chat(R"(, "max_tokens": 1, "max_completion_tokens": 2)"), "max_tokens", "give one"},
      {Chat(R"(, "seed": "x")"), "seed", "whole number"},
      {Chat(R"(, "stop": "")"), "stop", "empty"},
      {Chat(R"(, "stop": [1])"), "stop", "a string or a list of strings, got 1"},
      {Chat(R"(, "stop_token_ids": [-1])"), "stop_token_ids[0]", "token's id"},
      {Chat(R"(, "stream": "yes")"), "stream", "true or false"},
      {Chat(R"(, "stream_options": {})"), "stream_options", "only allowed"},
      {Chat(R"(, "stream": true, "stream_options": {"x": 1})"), "stream_options.x", "unknown"},
      {Chat(R"(, "logprobs": 2)"), "logprobs", "true or false"},
      {Chat(R"(, "top_logprobs": 2)"), "top_logprobs", "only allowed"},
      {Chat(R"(, "logprobs": true, "top_logprobs": 21)"), "top_logprobs", "0 to 20"},
      {Chat(R"(, "chat_template_kwargs": [])"), "chat_template_kwargs", "an object"},
      {Chat(R"(, "temprature": 1)"), "temprature", "did you mean \"temperature\""},
      {Chat(R"(, "tools": [{"type": "function"}])"), "tools", "not supported"},
      {Chat(R"(, "response_format": {"type": "json_object"})"), "response_format",
       R"(not supported by this server except as {"type":"text"})"},
      {Chat(R"(, "logit_bias": {"5": 1})"), "logit_bias", "not supported"},
      {Chat(R"(, "presence_penalty": 0.1)"), "presence_penalty", "except as 0"},
  };
  for (const Wrong& wrong : chats) {
    const auto request = ParseChatRequest(wrong.body);
    ASSERT_TRUE(absl::IsInvalidArgument(request.status())) << wrong.body;
    EXPECT_EQ(ErrorParameter(request.status()), wrong.parameter) << request.status();
    EXPECT_THAT(std::string(request.status().message()), HasSubstr(wrong.message));
  }
  const Wrong completions[] = {
      {"{}", "prompt", "missing"},
      {R"({"prompt": 3})", "prompt", "expected a string"},
      {R"({"prompt": []})", "prompt", "empty"},
      {R"({"prompt": [[]]})", "prompt[0]", "empty"},
      {R"({"prompt": ["a", 1]})", "prompt", "got 1"},
      {R"({"prompt": [1, "a"]})", "prompt[1]", "token's id, got \"a\""},
      {R"({"prompt": [1, 4294967296]})", "prompt[1]", "token's id"},
      {R"({"prompt": [true]})", "prompt", "got true"},
      {Completion(R"(, "logprobs": true)"), "logprobs", "whole number"},
      {Completion(R"(, "echo": true, "logprobs": 1)"), "echo", "not supported"},
      {Completion(R"(, "best_of": 2)"), "best_of", "except as 1"},
      {Completion(R"(, "suffix": "x")"), "suffix", "not supported"},
      {Completion(R"(, "messages": [])"), "messages", "unknown"},
  };
  for (const Wrong& wrong : completions) {
    const auto request = ParseCompletionRequest(wrong.body);
    ASSERT_TRUE(absl::IsInvalidArgument(request.status())) << wrong.body;
    EXPECT_EQ(ErrorParameter(request.status()), wrong.parameter) << request.status();
    EXPECT_THAT(std::string(request.status().message()), HasSubstr(wrong.message));
  }
}

TEST(OpenAiRequest, DeepNestingIsAnErrorNotACrash) {
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  EXPECT_FALSE(ParseChatRequest(Chat(R"(, "stop": )" + deep)).ok());
  EXPECT_FALSE(ParseChatRequest(Chat(R"(, "unknown": )" + deep)).ok());
  EXPECT_FALSE(ParseChatRequest(Chat(R"(, "tools": )" + deep)).ok());
  EXPECT_FALSE(ParseCompletionRequest(R"({"prompt": )" + deep + "}").ok());
  EXPECT_FALSE(ParseChatRequest(std::string(1'000'000, '[')).ok());
  // Brackets in a string are text.
  const std::string brackets = std::string(1000, '[') + R"(\")" + std::string(1000, '{');
  EXPECT_TRUE(ParseCompletionRequest(R"({"prompt": ")" + brackets + R"("})").ok());
}

}  // namespace
}  // namespace sojourn::serve
