// The engine against HTTP servers on loopback that do what a test says, well or badly.
#include "endpoint/endpoint_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"

namespace sojourn::endpoint {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Server {
 public:
  using Handler = std::function<void(const json& request, httplib::Response&)>;
  explicit Server(Handler handler) : handler_(std::move(handler)) {
    const auto answer = [this](const httplib::Request& request, httplib::Response& response) {
      const json body = json::parse(request.body);
      {
        std::lock_guard lock(mu_);
        requests_.push_back(body);
        paths_.push_back(request.path);
        keys_.push_back(request.get_header_value("Authorization"));
        most_at_once_ = std::max(most_at_once_, ++at_once_);
      }
      handler_(body, response);
      std::lock_guard lock(mu_);
      --at_once_;
    };
    http_.Post("/v1/completions", answer);
    http_.Post("/v1/chat/completions", answer);
    http_.Get("/v1/models", [](const httplib::Request&, httplib::Response& response) {
      response.set_content(R"({"data": [{"id": "tiny-model", "max_model_len": 99}]})",
                           "application/json");
    });
    port_ = http_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { http_.listen_after_bind(); });
    while (!http_.is_running()) std::this_thread::yield();
  }
  ~Server() {
    http_.stop();
    thread_.join();
  }
  std::string url() const { return absl::StrCat("http://127.0.0.1:", port_); }
  std::vector<json> requests() const {
    std::lock_guard lock(mu_);
    return requests_;
  }
  std::vector<std::string> paths() const {
    std::lock_guard lock(mu_);
    return paths_;
  }
  std::vector<std::string> keys() const {
    std::lock_guard lock(mu_);
    return keys_;
  }
  int most_at_once() const {
    std::lock_guard lock(mu_);
    return most_at_once_;
  }

 private:
  const Handler handler_;
  httplib::Server http_;
  int port_ = 0;
  std::thread thread_;
  mutable std::mutex mu_;
  std::vector<json> requests_;
  std::vector<std::string> paths_, keys_;
  int at_once_ = 0, most_at_once_ = 0;
};

// A completion with these tokens.
void Say(httplib::Response& response, json choice, const char* finish = "stop") {
  choice["finish_reason"] = finish;
  const json usage = {{"prompt_tokens", 10}, {"completion_tokens", 2}};
  response.set_content(json({{"choices", {choice}}, {"usage", usage}}).dump(), "application/json");
}
void SayTokens(httplib::Response& response) {
  Say(response, {{"text", "ab"}, {"token_ids", {7, 2}}});
}

EndpointOptions Options(const std::string& url, bool messages = false) {
  EndpointOptions options;
  options.url = url;
  options.model = "tiny";
  options.messages = messages;
  options.max_context_tokens = 100;
  options.patience = absl::Seconds(20);
  options.http.timeout = absl::Seconds(20);
  options.backoff = {.first = absl::Milliseconds(1), .longest = absl::Milliseconds(5)};
  return options;
}

policy::ResponseRequest Ask(std::vector<int32_t> prompt = {}) {
  policy::ResponseRequest request;
  request.prompt = std::move(prompt);
  request.max_tokens = 8;
  request.stop_tokens = {2, 3};
  request.key = RandomKey(5);
  return request;
}

policy::ResponseRequest Tell(const std::string& text) {
  policy::ResponseRequest request = Ask();
  request.messages = {{"user", text}};
  return request;
}

std::unique_ptr<EndpointEngine> Make(EndpointOptions options) {
  auto engine = EndpointEngine::Create(std::move(options));
  EXPECT_TRUE(engine.ok()) << engine.status();
  return *std::move(engine);
}

// The answer to one request.
policy::Response Answer(EndpointEngine& engine, int64_t id, policy::ResponseRequest request) {
  const absl::Status asked = engine.Respond(id, std::move(request));
  EXPECT_TRUE(asked.ok()) << asked;
  for (const absl::Time deadline = absl::Now() + absl::Seconds(60); absl::Now() < deadline;) {
    const auto responses = engine.Step();
    EXPECT_TRUE(responses.ok()) << responses.status();
    if (!responses->empty()) return responses->front();
  }
  ADD_FAILURE() << "no answer";
  return {};
}

// Of an endpoint that behaves like this, the answer to one request of one episode.
policy::Response OnlyAnswer(const EndpointOptions& options) {
  auto engine = Make(options);
  const int64_t id = engine->OpenGroup(std::vector<int32_t>{1, 5}, 1)->front();
  return Answer(*engine, id, options.messages ? Tell("hi") : Ask());
}

TEST(EndpointEngine, WhatWasSampledIsSentAgainAsItWas) {
  Server server([](const json&, httplib::Response& response) { SayTokens(response); });
  EndpointOptions options = Options(server.url());
  options.http.api_key = "secret";
  auto engine = Make(options);
  const int64_t id = engine->OpenGroup(std::vector<int32_t>{1, 5}, 1)->front();
  const policy::Response first = Answer(*engine, id, Ask());
  EXPECT_TRUE(first.status.ok()) << first.status;
  EXPECT_THAT(first.tokens, ElementsAre(7, 2));
  EXPECT_TRUE(first.stopped);
  EXPECT_TRUE(Answer(*engine, id, Ask({8, 9})).status.ok());
  EXPECT_THAT(server.paths(), ElementsAre("/v1/completions", "/v1/completions"));
  EXPECT_EQ(server.requests()[1]["prompt"], json({1, 5, 7, 2, 8, 9}));
  EXPECT_EQ(server.requests()[1]["stop_token_ids"], json({2, 3}));
  EXPECT_THAT(server.keys(), ElementsAre("Bearer secret", "Bearer secret"));
  EXPECT_EQ(engine->context_tokens(id), 8);
  EXPECT_TRUE(engine->idle());
}

TEST(EndpointEngine, MessagesGoOnWithWhatWasAnswered) {
  Server server([](const json&, httplib::Response& response) {
    Say(response, {{"message", {{"content", "go"}}}, {"token_ids", {7, 2}}});
  });
  auto engine = Make(Options(server.url(), /*messages=*/true));
  const int64_t id = engine->OpenGroup({}, 1)->front();
  const policy::Response first = Answer(*engine, id, Tell("where?"));
  EXPECT_EQ(first.text, "go");
  EXPECT_EQ(first.text_tokens, 2);
  Answer(*engine, id, Tell("and now?"));
  EXPECT_THAT(server.paths(), ElementsAre("/v1/chat/completions", "/v1/chat/completions"));
  EXPECT_EQ(server.requests()[1]["messages"], json::parse(R"([{"role": "user", "content": "where?"},
      {"role": "assistant", "content": "go"}, {"role": "user", "content": "and now?"}])"));
  EXPECT_FALSE(server.requests()[1].contains("stop_token_ids"));
}

TEST(EndpointEngine, TheTokenThatEndedATurnIsThereEvenWhenTheServerLeavesItOut) {
  for (const auto& [by, expected] : {std::pair(json(nullptr), 2), std::pair(json(3), 3)}) {
    Server server([&, by = by](const json&, httplib::Response& response) {
      Say(response, {{"text", "a"}, {"token_ids", {7}}, {"stop_reason", by}});
    });
    EXPECT_THAT(OnlyAnswer(Options(server.url())).tokens, ElementsAre(7, expected));
  }
  Server cut([](const json&, httplib::Response& response) {
    Say(response, {{"text", "a"}, {"token_ids", {7}}}, "length");
  });
  const policy::Response response = OnlyAnswer(Options(cut.url()));
  EXPECT_THAT(response.tokens, ElementsAre(7));
  EXPECT_FALSE(response.stopped);
}

TEST(EndpointEngine, AServerThatTellsNoIdsIsAskedForThemWithLogProbabilities) {
  Server older([](const json& request, httplib::Response& response) {
    json choice = {{"text", "ab"}};
    if (request.contains("logprobs"))
      choice["logprobs"] = {{"tokens", {"token_id:7", "token_id:2"}}};
    Say(response, choice);
  });
  EXPECT_THAT(OnlyAnswer(Options(older.url())).tokens, ElementsAre(7, 2));
  EXPECT_EQ(older.requests().size(), 2);
  Server strict([](const json& request, httplib::Response& response) {
    if (!request.contains("return_token_ids"))
      return Say(response, {{"message", {{"content", "go"}}}});
    response.status = 400;
    response.set_content(R"({"error": {"message": "unknown: return_token_ids"}})",
                         "application/json");
  });
  const policy::Response text = OnlyAnswer(Options(strict.url(), /*messages=*/true));
  EXPECT_TRUE(text.status.ok()) << text.status;
  EXPECT_EQ(text.text_tokens, 2) << "by usage";
}

TEST(EndpointEngine, WithoutAnyIdsConversationsCannotGoAsTokens) {
  Server server([](const json&, httplib::Response& response) { Say(response, {{"text", "ab"}}); });
  const policy::Response response = OnlyAnswer(Options(server.url()));
  EXPECT_TRUE(absl::IsFailedPrecondition(response.status));
  EXPECT_THAT(std::string(response.status.message()),
              AllOf(HasSubstr(server.url() + "/v1/completions"), HasSubstr("no token ids")));
}

TEST(EndpointEngine, WhatMayPassIsTriedAgain) {
  std::atomic<int> calls = 0;
  Server server([&](const json&, httplib::Response& response) {
    switch (calls++) {
      case 0:
        response.status = 500;
        return;
      case 1:
        response.status = 429;
        return;
      case 2:
        return response.set_content("<html>", "text/html");
      case 3:  // ends in the middle
        return response.set_content_provider(1000, "application/json",
                                             [](size_t, size_t, httplib::DataSink& sink) {
                                               sink.write("{\"choices\"", 10);
                                               return false;
                                             });
      default:
        return SayTokens(response);
    }
  });
  const EndpointOptions options = Options(server.url());
  const policy::Response response = OnlyAnswer(options);
  EXPECT_TRUE(response.status.ok()) << response.status;
  EXPECT_THAT(response.tokens, ElementsAre(7, 2));
  EXPECT_EQ(calls, 5);
  const std::vector<json> requests = server.requests();
  EXPECT_EQ(requests.front(), requests.back());
}

TEST(EndpointEngine, WhatCannotGetBetterFailsAtOnceWithTheServersWords) {
  Server server([](const json&, httplib::Response& response) {
    response.status = 401;
    response.set_content(R"({"error": {"message": "wrong key"}})", "application/json");
  });
  const policy::Response response = OnlyAnswer(Options(server.url()));
  EXPECT_TRUE(absl::IsUnauthenticated(response.status));
  EXPECT_THAT(std::string(response.status.message()),
              AllOf(HasSubstr(server.url()), HasSubstr("wrong key")));
  EXPECT_EQ(server.requests().size(), 1);
}

TEST(EndpointEngine, NonsenseIsTriedThreeTimes) {
  for (const char* body : {"<html>", "{}", R"({"choices": [{"text": "a", "finish_reason": "stop",
                           "token_ids": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}]})"}) {
    Server server([&](const json&, httplib::Response& response) {
      response.set_content(body, "text/plain");
    });
    const policy::Response response = OnlyAnswer(Options(server.url()));
    EXPECT_TRUE(absl::IsDataLoss(response.status)) << response.status;
    EXPECT_EQ(server.requests().size(), 3);
  }
}

TEST(EndpointEngine, AServerThatFailsForGoodIsGivenUpWhenPatienceEnds) {
  Server server([](const json&, httplib::Response& response) { response.status = 503; });
  EndpointOptions options = Options(server.url());
  options.patience = absl::Milliseconds(50);
  options.trouble = std::make_shared<Trouble>();
  const policy::Response response = OnlyAnswer(options);
  EXPECT_TRUE(absl::IsUnavailable(response.status));
  EXPECT_THAT(std::string(response.status.message()),
              AllOf(HasSubstr("HTTP status 503"), HasSubstr("given up after")));
  EXPECT_GT(server.requests().size(), 1);
  EXPECT_THAT(options.trouble->Get().first,
              AllOf(HasSubstr("the endpoint " + server.url()), HasSubstr("503")));
}

TEST(EndpointEngine, NobodyAtTheAddressIsNamed) {
  std::string url;
  {
    Server gone([](const json&, httplib::Response&) {});
    url = gone.url();
  }
  EndpointOptions options = Options(url);
  options.patience = absl::Milliseconds(20);
  const policy::Response response = OnlyAnswer(options);
  EXPECT_TRUE(absl::IsUnavailable(response.status));
  EXPECT_THAT(std::string(response.status.message()),
              AllOf(HasSubstr(url), HasSubstr("cannot connect")));
  EXPECT_THAT(std::string(FindModel(url, "", {}).status().message()), HasSubstr("cannot connect"));
}

TEST(EndpointEngine, ASlowAnswerHasADeadline) {
  absl::Notification over;
  Server server([&](const json&, httplib::Response&) { over.WaitForNotification(); });
  EndpointOptions options = Options(server.url());
  options.http.timeout = absl::Milliseconds(50);
  options.patience = absl::Milliseconds(1);
  const policy::Response response = OnlyAnswer(options);
  EXPECT_TRUE(absl::IsDeadlineExceeded(response.status)) << response.status;
  EXPECT_THAT(std::string(response.status.message()), HasSubstr("no whole answer within 50ms"));
  over.Notify();
}

TEST(EndpointEngine, AnAnswerWithoutEndIsCutOff) {
  Server server([](const json&, httplib::Response& response) {
    response.set_chunked_content_provider("text/plain", [](size_t, httplib::DataSink& sink) {
      const std::string part(4096, 'x');
      return sink.write(part.data(), part.size());
    });
  });
  EndpointOptions options = Options(server.url());
  options.http.max_answer_bytes = 100000;
  const policy::Response response = OnlyAnswer(options);
  EXPECT_TRUE(absl::IsResourceExhausted(response.status)) << response.status;
  EXPECT_EQ(server.requests().size(), 1);
}

TEST(EndpointEngine, RequestsBeyondTheConnectionsWait) {
  Server server([](const json&, httplib::Response& response) { SayTokens(response); });
  EndpointOptions options = Options(server.url());
  options.connections = 3;
  auto engine = Make(options);
  const std::vector<int64_t> ids = *engine->OpenGroup(std::vector<int32_t>{1}, 20);
  for (const int64_t id : ids) ASSERT_TRUE(engine->Respond(id, Ask()).ok());
  std::set<int64_t> answered;
  while (!engine->idle()) {
    const std::vector<policy::Response> responses = *engine->Step();
    for (const policy::Response& response : responses) {
      EXPECT_TRUE(response.status.ok()) << response.status;
      EXPECT_TRUE(answered.insert(response.episode).second) << "once each";
    }
  }
  EXPECT_EQ(answered.size(), 20);
  EXPECT_LE(server.most_at_once(), 3);
  EXPECT_EQ(engine->stats().decoded_tokens, 40);
}

TEST(EndpointEngine, AClosedEpisodeGetsNoAnswer) {
  absl::Notification over;
  Server server([&](const json& request, httplib::Response& response) {
    if (request["prompt"][0] == 1) over.WaitForNotification();
    SayTokens(response);
  });
  auto engine = Make(Options(server.url()));
  const int64_t held = engine->OpenGroup(std::vector<int32_t>{1}, 1)->front();
  ASSERT_TRUE(engine->Respond(held, Ask()).ok());
  ASSERT_TRUE(engine->Step().ok());
  engine->Close(held);
  EXPECT_TRUE(engine->idle());
  const int64_t other = engine->OpenGroup(std::vector<int32_t>{4}, 1)->front();
  EXPECT_EQ(Answer(*engine, other, Ask()).episode, other);
  over.Notify();
}

TEST(EndpointEngine, AFullContextIsToldApart) {
  Server server([](const json&, httplib::Response& response) {
    response.status = 400;
    response.set_content(R"({"error": {"message": "maximum context length is 12 tokens"}})",
                         "application/json");
  });
  EXPECT_TRUE(absl::IsOutOfRange(OnlyAnswer(Options(server.url(), true)).status));
  Server counting([](const json&, httplib::Response& response) {
    Say(response, {{"message", {{"content", "go"}}}, {"token_ids", {7, 2}}});  // 12 by usage
  });
  EndpointOptions options = Options(counting.url(), true);
  options.max_context_tokens = 12;
  auto engine = Make(options);
  const int64_t id = engine->OpenGroup({}, 1)->front();
  EXPECT_TRUE(Answer(*engine, id, Tell("a")).status.ok());
  EXPECT_TRUE(absl::IsOutOfRange(Answer(*engine, id, Tell("b")).status));
  EXPECT_EQ(counting.requests().size(), 1);
}

TEST(EndpointEngine, ModelsAreFoundByName) {
  Server server([](const json&, httplib::Response&) {});
  const auto only = FindModel(server.url() + "/v1/", "", {});
  ASSERT_TRUE(only.ok()) << only.status();
  EXPECT_EQ(only->name, "tiny-model");
  EXPECT_EQ(only->max_context_tokens, 99);
  EXPECT_THAT(std::string(FindModel(server.url(), "tiny-modle", {}).status().message()),
              AllOf(HasSubstr("it has: tiny-model"), HasSubstr("did you mean \"tiny-model\"?")));
  for (const char* url : {"localhost:8000", "ftp://x", "http://", "http://a b", ""}) {
    EXPECT_TRUE(absl::IsInvalidArgument(BaseUrl(url).status())) << url;
  }
  EXPECT_EQ(*BaseUrl("http://h:1"), "http://h:1/v1");
  EXPECT_EQ(*BaseUrl("https://h/api/v3/"), "https://h/api/v3");
}

}  // namespace
}  // namespace sojourn::endpoint
