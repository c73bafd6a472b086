#include "serve/openai_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "serve/model_server_testing.h"

namespace sojourn::serve {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A connection on which anything can be sent.
class RawClient {
 public:
  explicit RawClient(int port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~RawClient() { Close(); }
  void Send(std::string_view text) {
    EXPECT_EQ(send(socket_, text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  // Until `end` has come, or the connection ends.
  std::string Read(std::string_view end = "no such text") {
    char buffer[4096];
    while (text_.find(end) == text_.npos) {
      const ssize_t n = recv(socket_, buffer, sizeof buffer, 0);
      if (n <= 0) break;
      text_.append(buffer, static_cast<size_t>(n));
    }
    return text_;
  }
  void Close() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
  }

 private:
  int socket_;
  std::string text_;
};

class OpenAiServerTest : public ::testing::Test {
 protected:
  void SetUp() override { Start({}); }
  void TearDown() override {
    control_.Release();
    if (openai_ != nullptr) openai_->Stop();
  }

  // The model says again what the last message or the prompt says.
  void Start(OpenAiOptions options,
             ModelServerOptions server = {.slots = 4, .max_queued = 3, .max_kept = 0}) {
    openai_.reset();
    const int32_t stop = tokenizer_->SpecialId("<|im_end|>");
    model_server_ =
        ModelServer::Start(std::make_unique<EchoEngine>(control_, stop), *tokenizer_, server);
    ServedModel model;
    model.name = "echo";
    model.tokenizer = tokenizer_;
    model.encode_text = [this](std::string_view text, bool) { return tokenizer_->Encode(text); };
    model.encode_chat = [this](const ChatRequest& request) {
      return tokenizer_->Encode(request.messages.back().content);
    };
    model.eos_tokens = {stop};
    model.max_context_tokens = 100;
    options.listen = "127.0.0.1:0";
    auto started = OpenAiServer::Start(model, *model_server_, metrics_, options);
    ASSERT_TRUE(started.ok()) << started.status();
    openai_ = *std::move(started);
  }
  httplib::Client Client() const { return httplib::Client("127.0.0.1", openai_->port()); }
  httplib::Result Post(const std::string& path, const json& body) const {
    return Client().Post(path, body.dump(), "application/json");
  }
  json Chat(const std::string& text, json more = json::object()) const {
    more["messages"] = {{{"role", "user"}, {"content", text}}};
    return more;
  }
  // Not to end by itself within a test: the stop token is ignored.
  static json Endless(json more) {
    more.update({{"prompt", "one"}, {"ignore_eos", true}, {"max_tokens", 100'000'000}});
    return more;
  }
  static std::string Head(size_t length) {
    return absl::StrCat("POST /v1/completions HTTP/1.1\r\nContent-Type: application/json\r\n",
                        "Content-Length: ", length, "\r\n\r\n");
  }
  static std::string Raw(const json& body) {
    return absl::StrCat(Head(body.dump().size()), body.dump());
  }

  const std::shared_ptr<const policy::Tokenizer> tokenizer_ =
      *policy::Tokenizer::Load("models/base/tokenizer.json");
  EchoControl control_;
  Metrics metrics_;
  std::unique_ptr<ModelServer> model_server_;
  std::unique_ptr<OpenAiServer> openai_;
};

TEST_F(OpenAiServerTest, SaysThatItLivesAndWhatItServes) {
  EXPECT_EQ(Client().Get("/health")->status, 200);
  const auto models = Client().Get("/v1/models");
  EXPECT_EQ(json::parse(models->body)["data"][0]["id"], "echo");
  const auto model = Client().Get("/v1/models/echo");
  EXPECT_EQ(json::parse(model->body), json::parse(models->body)["data"][0]);
  const auto none = Client().Get("/v1/models/other");
  EXPECT_EQ(none->status, 404);
  EXPECT_EQ(json::parse(none->body)["error"]["code"], "model_not_found");
}

TEST_F(OpenAiServerTest, AnswersChatsAndCompletions) {
  const auto chat = Post("/v1/chat/completions", Chat("hello there", {{"model", "echo"}}));
  ASSERT_EQ(chat->status, 200) << chat->body;
  EXPECT_EQ(chat->get_header_value("Content-Type"), "application/json");
  EXPECT_EQ(json::parse(chat->body)["choices"][0]["message"]["content"], "hello there");

  const auto completion =
      Post("/v1/completions", {{"prompt", {"one", "two"}}, {"n", 2}, {"echo", true}});
  ASSERT_EQ(completion->status, 200) << completion->body;
  const json answer = json::parse(completion->body);
  ASSERT_EQ(answer["choices"].size(), 4u);
  EXPECT_EQ(answer["choices"][1]["text"], "oneone");
  EXPECT_EQ(answer["choices"][2]["text"], "twotwo");
  EXPECT_THAT(metrics_.Text(), HasSubstr("sojourn_serve_requests_total{status=\"200\"} 2"));
}

TEST_F(OpenAiServerTest, AStreamSaysTheSameAsAWholeAnswer) {
  const std::string text = "caf\xC3\xA9 and then STO, no";
  const auto result =
      Post("/v1/chat/completions", Chat(text, {{"stream", true}, {"stop", "STOP"}}));
  ASSERT_EQ(result->status, 200);
  EXPECT_EQ(result->get_header_value("Content-Type"), "text/event-stream");
  std::string said;
  size_t at = 0;
  for (size_t end; (end = result->body.find("\n\n", at)) != std::string::npos; at = end + 2) {
    const std::string event = result->body.substr(at + 6, end - at - 6);
    if (event == "[DONE]") break;
    const json delta = json::parse(event)["choices"][0]["delta"];
    said += delta.value("content", "");
  }
  EXPECT_EQ(result->body.substr(at), "data: [DONE]\n\n");
  EXPECT_EQ(said, text);
}

TEST_F(OpenAiServerTest, OneConnectionTakesManyRequests) {
  RawClient client(openai_->port());
  const std::string request = Raw({{"prompt", "again"}});
  client.Send(request + request);  // pipelined
  const std::string answers = client.Read("again\",\"logprobs\":null,\"finish_reason\":\"stop\"");
  EXPECT_THAT(answers, StartsWith("HTTP/1.1 200"));
  httplib::Client keeps = Client();
  keeps.set_keep_alive(true);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(keeps.Get("/health")->status, 200);
}

TEST_F(OpenAiServerTest, ErrorsHaveTheirStatusAndNameTheParameter) {
  const struct {
    const char* path;
    json body;
    int status;
    json parameter, code;
  } cases[] = {
      {"/v1/completions", {{"prompt", 3}}, 400, "prompt", nullptr},
      {"/v1/completions", {{"prompt", {768}}}, 400, "prompt", nullptr},
      {"/v1/completions", {{"prompt", {{1}, {768}}}}, 400, "prompt[1]", nullptr},
      {"/v1/completions", {{"prompt", ""}}, 400, "prompt", nullptr},
      {"/v1/completions",
       {{"prompt", std::vector<int>(100, 1)}},
       400,
       "prompt",
       "context_length_exceeded"},
      {"/v1/completions",
       {{"prompt", "a"}, {"stop_token_ids", {999}}},
       400,
       "stop_token_ids",
       nullptr},
      {"/v1/completions", {{"prompt", "a"}, {"n", 5}}, 400, nullptr, nullptr},
      {"/v1/completions", {{"prompt", "a"}, {"model", "gpt"}}, 404, nullptr, "model_not_found"},
      {"/v1/chat/completions", Chat("a", {{"tools", {1}}}), 400, "tools", "unsupported_parameter"},
      {"/v1/chat/completion", Chat("a"), 404, nullptr, nullptr},
  };
  for (const auto& wrong : cases) {
    const auto result = Post(wrong.path, wrong.body);
    ASSERT_TRUE(result) << wrong.body;
    EXPECT_EQ(result->status, wrong.status) << result->body;
    const json error = json::parse(result->body)["error"];
    EXPECT_EQ(error["param"], wrong.parameter) << result->body;
    EXPECT_EQ(error["code"], wrong.code) << result->body;
  }
  EXPECT_EQ(Client().Get("/v1/completions")->status, 405);
  EXPECT_EQ(Client().Post("/v1/completions", "{", "application/json")->status, 400);
  EXPECT_EQ(Client().Post("/v1/completions", "{}", "text/plain")->status, 415);
}

TEST_F(OpenAiServerTest, ABodyTooLargeIsRefusedHoweverItComes) {
  Start({.http = {.max_body_bytes = 1000}});
  const std::string large(50'000, ' ');
  EXPECT_EQ(Client().Post("/v1/completions", large, "application/json")->status, 413);
  RawClient chunked(openai_->port());
  chunked.Send(
      "POST /v1/completions HTTP/1.1\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 3; ++i)
    chunked.Send(absl::StrCat("200\r\n", std::string(0x200, ' '), "\r\n"));
  EXPECT_THAT(chunked.Read(), StartsWith("HTTP/1.1 413"));
  RawClient none(openai_->port());
  none.Send("POST /v1/completions HTTP/1.1\r\nContent-Type: application/json\r\n\r\n");
  EXPECT_THAT(none.Read(), StartsWith("HTTP/1.1 411"));
}

TEST_F(OpenAiServerTest, GarbageIsAnsweredOrDropped) {
  for (const std::string& text :
       {std::string("\r\n\r\n"), std::string("GET\r\n\r\n"),
        std::string("\x16\x03\x01\x00\r\n\r\n", 8),
        absl::StrCat("GET /", std::string(10'000, 'a'), " HTTP/1.1\r\n\r\n"),
        absl::StrCat("GET /health HTTP/1.1\r\n", std::string(9'000, 'a'), ": b\r\n\r\n")}) {
    RawClient client(openai_->port());
    client.Send(text);
    EXPECT_THAT(client.Read(), ::testing::AnyOf("", StartsWith("HTTP/1.1 4")));
  }
  RawClient flood(openai_->port());  // headers without end
  std::string headers = "GET /health HTTP/1.1\r\n";
  for (int i = 0; i < 5000; ++i) absl::StrAppend(&headers, "X-", i, ": ", i, "\r\n");
  flood.Send(headers);
  EXPECT_THAT(flood.Read(), ::testing::AnyOf("", StartsWith("HTTP/1.1 4")));
  EXPECT_EQ(Client().Get("/health")->status, 200);
}

TEST_F(OpenAiServerTest, ARequestThatDoesNotArriveInTimeGets408) {
  Start({.http = {.read_timeout = absl::Milliseconds(50)}});
  RawClient client(openai_->port());
  client.Send(Head(100) + "{");
  EXPECT_THAT(client.Read(), StartsWith("HTTP/1.1 408"));
}

TEST_F(OpenAiServerTest, AFullQueueGets429) {
  Start({}, {.slots = 1, .max_queued = 1, .max_kept = 0});
  control_.Hold();
  RawClient running(openai_->port()), waiting(openai_->port());
  running.Send(Raw({{"prompt", "one"}}));
  control_.AwaitHeldStep();
  waiting.Send(Raw({{"prompt", "two"}}));
  while (model_server_->stats().queued == 0) std::this_thread::yield();
  const auto refused = Post("/v1/completions", {{"prompt", "three"}});
  EXPECT_EQ(refused->status, 429) << refused->body;
  EXPECT_EQ(refused->get_header_value("Retry-After"), "1");
  control_.Release();
  EXPECT_THAT(running.Read("total_tokens"), HasSubstr("\"one\""));
  EXPECT_THAT(waiting.Read("total_tokens"), HasSubstr("\"two\""));
}

TEST_F(OpenAiServerTest, AClientThatLeavesFreesItsSlots) {
  for (const bool stream : {true, false}) {
    RawClient client(openai_->port());
    client.Send(Raw(Endless({{"stream", stream}, {"n", 4}})));
    control_.AwaitOpen(4);
    if (stream) {
      EXPECT_THAT(client.Read("text_completion"), HasSubstr("data: "));
    }
    client.Close();
    control_.AwaitOpen(0);
    EXPECT_EQ(Post("/v1/completions", {{"prompt", "two"}, {"n", 4}})->status, 200);
  }
}

TEST_F(OpenAiServerTest, AnAnswerThatTakesTooLongGets504) {
  Start({.request_timeout = absl::Milliseconds(20)});
  control_.Hold();
  const auto result = Post("/v1/completions", {{"prompt", "one"}});
  EXPECT_EQ(result->status, 504);
  control_.Release();
  control_.AwaitOpen(0);
}

TEST_F(OpenAiServerTest, AnEngineFailureIsA500ToThoseItConcerns) {
  control_.Hold();
  RawClient client(openai_->port());
  client.Send(Raw({{"prompt", "one"}, {"stream", true}}));
  control_.AwaitHeldStep();
  control_.FailNextStep();
  control_.Release();
  EXPECT_THAT(client.Read("}}"), StartsWith("HTTP/1.1 500"));
  EXPECT_EQ(Post("/v1/completions", {{"prompt", "two"}})->status, 200);
}

TEST_F(OpenAiServerTest, OneConnectionTooManyGets503) {
  Start({.http = {.max_connections = 2}});
  RawClient first(openai_->port()), second(openai_->port());
  const std::string health = "GET /health HTTP/1.1\r\n\r\n";
  first.Send(health);
  EXPECT_THAT(first.Read("ok"), StartsWith("HTTP/1.1 200"));
  second.Send(health);
  EXPECT_THAT(second.Read("ok"), StartsWith("HTTP/1.1 200"));
  RawClient third(openai_->port());
  EXPECT_THAT(third.Read(), StartsWith("HTTP/1.1 503"));
}

TEST_F(OpenAiServerTest, StoppingLetsAnswersUnderWayEndAndTakesNoMore) {
  control_.Hold();
  RawClient client(openai_->port()), other(openai_->port());
  client.Send(Raw({{"prompt", "one"}}));
  control_.AwaitHeldStep();
  absl::Notification stopped;
  std::thread stopping([&] {
    openai_->Stop();
    stopped.Notify();
  });
  while (Client().Get("/health")->status != 503) std::this_thread::yield();
  other.Send(Raw({{"prompt", "two"}}));
  EXPECT_THAT(other.Read("}}"), StartsWith("HTTP/1.1 503"));
  EXPECT_FALSE(stopped.HasBeenNotified());
  control_.Release();
  EXPECT_THAT(client.Read("total_tokens"), HasSubstr("\"one\""));
  stopping.join();
}

TEST_F(OpenAiServerTest, StoppingEndsAnswersThatDoNotEndInTime) {
  Start({.drain = absl::Milliseconds(20)});
  RawClient client(openai_->port());
  client.Send(Raw(Endless({{"stream", true}})));
  client.Read("text_completion");
  openai_->Stop();
  EXPECT_THAT(client.Read(), HasSubstr("the server is stopping"));
}

TEST_F(OpenAiServerTest, AnAddressInUseIsAnError) {
  OpenAiOptions options;
  options.listen = absl::StrCat("127.0.0.1:", openai_->port());
  const auto second = OpenAiServer::Start({}, *model_server_, metrics_, options);
  EXPECT_TRUE(absl::IsUnavailable(second.status())) << second.status();
  options.listen = "nowhere";
  EXPECT_TRUE(
      absl::IsInvalidArgument(OpenAiServer::Start({}, *model_server_, metrics_, options).status()));
}

}  // namespace
}  // namespace sojourn::serve
