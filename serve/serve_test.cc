// The real program, started as a user starts it, with the model of the repository.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "cli/child_process.h"
#include "serve/served_model.h"

namespace sojourn::serve {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr char kModel[] = "models/base";

class ServeTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    log_ = ::testing::TempDir() + absl::StrCat("sojourn-serve-", getpid(), ".log");
    const auto program = cli::SiblingProgram("sojourn");
    ASSERT_TRUE(program.ok()) << program.status();
    auto started = cli::ChildProcess::Start(
        {.command = {*program, "serve-model", kModel, "--listen", "127.0.0.1:0", "--name", "tiny",
                     "--slots", "8", "--metrics-port", "0"},
         .environment = {},
         .log_path = log_});
    ASSERT_TRUE(started.ok()) << started.status();
    process_ = new cli::ChildProcess(*std::move(started));
    // It prints where it listens.
    const std::string mark = "http://127.0.0.1:";
    for (const absl::Time deadline = absl::Now() + absl::Seconds(60); port_ == 0;) {
      ASSERT_LT(absl::Now(), deadline) << cli::LastLines(log_, 10);
      ASSERT_FALSE(process_->Poll().has_value()) << cli::LastLines(log_, 10);
      const std::string log = cli::LastLines(log_, 10);
      const size_t at = log.find(mark), end = log.find("/v1", at == log.npos ? 0 : at);
      if (end != log.npos) {
        ASSERT_TRUE(absl::SimpleAtoi(log.substr(at + mark.size(), end - at - mark.size()), &port_));
      } else {
        absl::SleepFor(absl::Milliseconds(10));
      }
    }
  }
  static void TearDownTestSuite() {
    process_->Terminate();
    const auto end = process_->WaitOrKill(absl::Now() + absl::Seconds(20));
    EXPECT_TRUE(end.clean) << end.how << "\n" << cli::LastLines(log_, 10);
    delete process_;
    std::filesystem::remove(log_);
  }

  static httplib::Client Client() {
    httplib::Client client("127.0.0.1", port_);
    client.set_read_timeout(60);
    return client;
  }
  static json Post(const std::string& path, const json& body) {
    const auto result = Client().Post(path, body.dump(), "application/json");
    EXPECT_TRUE(result) << httplib::to_string(result.error());
    if (!result) return json();
    EXPECT_EQ(result->status, 200) << result->body;
    return json::parse(result->body);
  }
  static json Chat(json more = json::object()) {
    more["messages"] = {{{"role", "system"}, {"content", "You play."}},
                        {{"role", "user"}, {"content", "Goal: craft 1 beacon."}}};
    return more;
  }
  // The events of a stream, without [DONE], and what came when.
  static std::vector<json> Stream(const std::string& path, json body) {
    body["stream"] = true;
    std::vector<json> events;
    const auto result = Client().Post(path, body.dump(), "application/json");
    EXPECT_TRUE(result && result->status == 200);
    std::vector<std::string> texts = absl::StrSplit(result->body, "\n\n");
    EXPECT_EQ(texts.back(), "");
    texts.pop_back();
    EXPECT_EQ(texts.back(), "data: [DONE]");
    texts.pop_back();
    for (const std::string& text : texts) events.push_back(json::parse(text.substr(6)));
    return events;
  }

  static inline std::string log_;
  static inline cli::ChildProcess* process_ = nullptr;
  static inline int port_ = 0;
};

// What the same engine, asked directly, says to the chat above.
policy::Response Direct(const policy::SamplingParameters& sampling, uint64_t seed, int choice,
                        int max_tokens) {
  auto loaded = LoadServedModel(kModel, "", {.slots = 2, .max_context_tokens = 0});
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  ChatRequest request;
  request.messages = {{"system", "You play."}, {"user", "Goal: craft 1 beacon."}};
  const auto prompt = *loaded->served.encode_chat(request);
  policy::Engine& engine = *loaded->engine;
  policy::ResponseRequest wanted;
  wanted.sampling = sampling;
  wanted.max_tokens = max_tokens;
  wanted.stop_tokens = loaded->served.eos_tokens;
  wanted.key = RandomKey(seed).With(choice);
  const int64_t episode = engine.OpenGroup(prompt, 1)->front();
  EXPECT_TRUE(engine.Respond(episode, wanted).ok());
  while (true) {
    const auto step = engine.Step();
    EXPECT_TRUE(step.ok()) << step.status();
    if (!step->empty()) return step->front();
  }
}

TEST_F(ServeTest, GreedyTokensAreTheEngines) {
  const json answer = Post("/v1/chat/completions", Chat({{"temperature", 0},
                                                         {"max_tokens", 40},
                                                         {"logprobs", true},
                                                         {"top_logprobs", 3},
                                                         {"return_token_ids", true},
                                                         {"model", "tiny"}}));
  const policy::Response direct = Direct({.temperature = 0}, 0, 0, 40);
  const json& choice = answer["choices"][0];
  EXPECT_EQ(choice["token_ids"], json(direct.tokens));
  EXPECT_EQ(choice["finish_reason"], direct.stopped ? "stop" : "length");
  ASSERT_EQ(choice["logprobs"]["content"].size(), direct.tokens.size());
  for (size_t t = 0; t < direct.tokens.size(); ++t) {
    const json& entry = choice["logprobs"]["content"][t];
    EXPECT_EQ(entry["logprob"].get<float>(), direct.model_logprobs[t]);
    ASSERT_EQ(entry["top_logprobs"].size(), 3u);
    EXPECT_EQ(entry["top_logprobs"][0]["token"], entry["token"]) << "greedy takes the likeliest";
    EXPECT_EQ(entry["top_logprobs"][0]["logprob"], entry["logprob"]);
    EXPECT_LT(entry["top_logprobs"][1]["logprob"], entry["logprob"]);
  }
  EXPECT_EQ(answer["usage"]["completion_tokens"], direct.tokens.size());
  EXPECT_EQ(answer["usage"]["prompt_tokens"], answer["prompt_token_ids"].size());
}

TEST_F(ServeTest, ASeedsTokensAreTheEnginesForEveryChoice) {
  const json answer = Post("/v1/chat/completions", Chat({{"temperature", 0.9},
                                                         {"top_p", 0.95},
                                                         {"top_k", 50},
                                                         {"n", 3},
                                                         {"seed", 11},
                                                         {"max_tokens", 20},
                                                         {"return_token_ids", true}}));
  ASSERT_EQ(answer["choices"].size(), 3u);
  for (int choice = 0; choice < 3; ++choice) {
    const policy::Response direct =
        Direct({.temperature = 0.9, .top_p = 0.95, .top_k = 50}, 11, choice, 20);
    EXPECT_EQ(answer["choices"][choice]["token_ids"], json(direct.tokens)) << choice;
  }
}

TEST_F(ServeTest, AStreamCarriesTheSameAnswer) {
  json request = Chat(
      {{"seed", 4}, {"n", 2}, {"max_tokens", 30}, {"logprobs", true}, {"return_token_ids", true}});
  const json whole = Post("/v1/chat/completions", request);
  request["stream_options"] = {{"include_usage", true}};
  const auto events = Stream("/v1/chat/completions", request);
  std::map<int, std::string> text, finish;
  std::map<int, json> ids, logprobs;
  for (const json& event : events) {
    EXPECT_EQ(event["id"], events.front()["id"]);
    for (const json& choice : event["choices"]) {
      const int index = choice["index"];
      text[index] += choice["delta"].value("content", "");
      for (const json& id : choice["token_ids"]) ids[index].push_back(id);
      if (!choice["logprobs"].is_null()) {
        for (const json& one : choice["logprobs"]["content"]) logprobs[index].push_back(one);
      }
      if (!choice["finish_reason"].is_null()) finish[index] = choice["finish_reason"];
    }
  }
  EXPECT_EQ(events.front()["prompt_token_ids"], whole["prompt_token_ids"]);
  EXPECT_EQ(events.back()["usage"], whole["usage"]);
  for (const json& choice : whole["choices"]) {
    const int index = choice["index"];
    EXPECT_EQ(text[index], choice["message"]["content"]);
    EXPECT_EQ(ids[index], choice["token_ids"]);
    EXPECT_EQ(logprobs[index], choice["logprobs"]["content"]);
    EXPECT_EQ(finish[index], choice["finish_reason"]);
  }
}

TEST_F(ServeTest, ACompletionGoesOnFromItsTokens) {
  // A chat's prompt as token ids is the chat; its first tokens as a prompt give the rest.
  const json chat =
      Post("/v1/chat/completions",
           Chat({{"temperature", 0}, {"max_tokens", 12}, {"return_token_ids", true}}));
  json prompt = chat["prompt_token_ids"];
  const json tokens = chat["choices"][0]["token_ids"];
  json longer = prompt;
  for (size_t t = 0; t < 5; ++t) longer.push_back(tokens[t]);
  const json both = Post("/v1/completions", {{"prompt", {prompt, longer}},
                                             {"temperature", 0},
                                             {"max_tokens", 7},
                                             {"return_token_ids", true}});
  EXPECT_EQ(both["choices"][0]["token_ids"], json(tokens.begin(), tokens.begin() + 7));
  EXPECT_EQ(both["choices"][1]["token_ids"], json(tokens.begin() + 5, tokens.begin() + 12));
}

TEST_F(ServeTest, AConversationThatGoesOnIsReadFromItsEnd) {
  json prompt = Post("/v1/chat/completions",
                     Chat({{"max_tokens", 1}, {"return_token_ids", true}}))["prompt_token_ids"];
  const json first =
      Post("/v1/completions",
           {{"prompt", prompt}, {"seed", 6}, {"max_tokens", 30}, {"return_token_ids", true}});
  json longer = prompt;
  for (const json& token : first["choices"][0]["token_ids"]) longer.push_back(token);
  const size_t kept = longer.size();
  for (const int token : {201, 1, 87}) longer.push_back(token);
  json request = {{"prompt", longer}, {"seed", 7}, {"max_tokens", 20}, {"return_token_ids", true}};
  const json next = Post("/v1/completions", request);
  EXPECT_EQ(next["usage"]["prompt_tokens_details"]["cached_tokens"], kept);
  request["n"] = 2;  // several are read anew
  const json anew = Post("/v1/completions", request);
  EXPECT_EQ(anew["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
  EXPECT_EQ(next["choices"][0]["token_ids"], anew["choices"][0]["token_ids"]);
}

TEST_F(ServeTest, AStopStringCutsTheText) {
  json request = Chat({{"temperature", 0}, {"max_tokens", 40}});
  const std::string text =
      Post("/v1/chat/completions", request)["choices"][0]["message"]["content"];
  const std::string stop = text.substr(text.size() / 2, 3);
  request["stop"] = {stop};
  const json cut = Post("/v1/chat/completions", request)["choices"][0];
  EXPECT_EQ(cut["message"]["content"], text.substr(0, text.find(stop)));
  EXPECT_EQ(cut["finish_reason"], "stop");
  EXPECT_EQ(cut["stop_reason"], stop);
}

TEST_F(ServeTest, ManyClientsGetTheAnswersTheyWouldGetAlone) {
  const auto ask = [](int seed) {
    const json answer =
        Post("/v1/chat/completions",
             Chat({{"seed", seed}, {"max_tokens", 25}, {"return_token_ids", true}}));
    return answer["choices"][0]["token_ids"];
  };
  constexpr int kClients = 24;
  std::vector<json> alone, together(kClients);
  for (int seed = 0; seed < kClients; ++seed) alone.push_back(ask(seed));
  std::vector<std::thread> clients;
  for (int seed = 0; seed < kClients; ++seed) {
    clients.emplace_back([&, seed] { together[seed] = ask(seed); });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(together, alone);
}

TEST_F(ServeTest, ErrorsAreOpenAis) {
  const auto result =
      Client().Post("/v1/chat/completions", Chat({{"tools", {{{"type", "function"}}}}}).dump(),
                    "application/json");
  EXPECT_EQ(result->status, 400);
  EXPECT_EQ(json::parse(result->body)["error"]["param"], "tools");
}

TEST(ServeModel, AFolderWithoutAModelIsAnErrorThatNamesIt) {
  const auto loaded = LoadServedModel("models/none", "", {});
  EXPECT_THAT(std::string(loaded.status().message()), HasSubstr("models/none"));
}

}  // namespace
}  // namespace sojourn::serve
