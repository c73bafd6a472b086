#include "envs/serve/doors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "envs/remote/web_client.h"

namespace sojourn::envs::serve {
namespace {

using nlohmann::json;
using remote::WebClient;
using ::testing::HasSubstr;

class DoorsTest : public ::testing::Test {
 protected:
  explicit DoorsTest(DoorsOptions options = {.environments = {"babyai", "textcraft"}}) {
    auto doors = Doors::Create(options, metrics_);
    EXPECT_TRUE(doors.ok()) << doors.status();
    doors_ = *std::move(doors);
  }

  void Serve(WebOptions options = {}) {
    auto web = WebServer::Start(*doors_, "127.0.0.1:0", options, metrics_);
    ASSERT_TRUE(web.ok()) << web.status();
    web_ = *std::move(web);
  }

  WebClient Client() const { return WebClient({"127.0.0.1", web_->port(), ""}, 1 << 20); }

  Response Post(std::string_view target, std::string_view body = "") {
    return doors_->Handle("POST", target, body);
  }

  Metrics metrics_;
  std::unique_ptr<Doors> doors_;
  std::unique_ptr<WebServer> web_;
};

TEST_F(DoorsTest, EnvironmentsAreNumberedInTheOrderOfTheirCreation) {
  EXPECT_EQ(Post("/babyai/create").body, R"({"id":0})");
  EXPECT_EQ(Post("/babyai//create").body, R"({"id":1})");
  EXPECT_THAT(Post("/textcraft/create", "{}").body, HasSubstr(R"("id":0)"));
  EXPECT_THAT(Post("/babyai/reset", R"({"id":1,"data_idx":3})").body, HasSubstr("Your goal"));
  EXPECT_THAT(Post("/babyai/step", R"({"id":"1","action":"turn left"})").body,
              HasSubstr("observation"));
  EXPECT_THAT(Post("/babyai/step", R"({"id":2,"action":"turn left"})").body,
              HasSubstr("The id 2 is not valid."));
  EXPECT_EQ(Post("/babyai/step", R"({"action":"turn left"})").status, 422);
  EXPECT_EQ(Post("/babyai/close", R"({"id":1})").body, "true");
  EXPECT_EQ(Post("/babyai/close", R"({"id":1})").body, "false");
  EXPECT_EQ(doors_->Handle("GET", "/babyai", "").body, "\"This is environment BabyAI.\"");
  EXPECT_EQ(Post("/chess/create").status, 404);
}

TEST_F(DoorsTest, WhatNamesNoEnvironmentOrTaskOfOpenEnvIsRefused) {
  EXPECT_EQ(Post("/openenv/textcraft/step", R"({"action":{"action":"inventory"}})").status, 422);
  EXPECT_EQ(Post("/openenv/textcraft/reset", "[").status, 422);
  EXPECT_EQ(Post("/openenv/textcraft/reset", R"({"seed":-1})").status, 422);
  EXPECT_EQ(Post("/openenv/textcraft/reset", R"({"difficulty":99})").status, 422);
  EXPECT_EQ(Post("/openenv/textcraft/reset", R"({"index":9223372036854775807})").status, 422);
  EXPECT_EQ(Post("/openenv/textcraft/reset", R"({"split":"both"})").status, 422);
  const json first = json::parse(Post("/openenv/textcraft/reset", R"({"seed":5})").body);
  EXPECT_THAT(first["observation"]["text"].get<std::string>(), HasSubstr("Goal: craft"));
  EXPECT_EQ(Post("/openenv/textcraft/step", R"({"action":7})").status, 422);
  const json turn = json::parse(
      Post("/openenv/textcraft/step", R"({"action":{"action":"inventory"}})").body);
  EXPECT_FALSE(turn["done"].get<bool>());
  const json state = json::parse(doors_->Handle("GET", "/openenv/textcraft/state", "").body);
  EXPECT_EQ(state["step_count"], 1);
  EXPECT_EQ(state["episode_id"], "textcraft-train-1-5");
  EXPECT_EQ(doors_->Handle("GET", "/openenv/textcraft/health", "").body, R"({"status":"healthy"})");
}

TEST_F(DoorsTest, WhatIsNestedWithoutEndIsRefused) {
  const std::string deep = std::string(200000, '[') + std::string(200000, ']');
  const std::string bodies[] = {deep, absl::StrCat("{\"seed\":", deep, "}"),
                                absl::StrCat("{\"action\":", deep, "}"),
                                absl::StrCat("{\"id\":", deep, "}")};
  for (const std::string& body : bodies) {
    for (const char* target : {"/openenv/babyai/reset", "/openenv/babyai/step", "/babyai/reset",
                               "/babyai/step", "/textcraft/create"}) {
      EXPECT_EQ(Post(target, body).status, 422) << target;
    }
    bool over = false;
    EXPECT_THAT((*doors_->Open("/openenv/babyai/ws"))->Answer(body, over),
                HasSubstr("INVALID_JSON"));
  }
}

TEST_F(DoorsTest, AWebSocketIsASession) {
  Serve();
  WebClient client = Client();
  ASSERT_TRUE(client.Open("/openenv/babyai/ws", absl::Seconds(5)).ok());
  const auto say = [&](const char* message) {
    const auto answer = client.Exchange(message, absl::Seconds(5));
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? json::parse(*answer) : json();
  };
  EXPECT_EQ(say("{")["data"]["code"], "INVALID_JSON");
  EXPECT_EQ(say("[]")["data"]["code"], "VALIDATION_ERROR");
  EXPECT_EQ(say(R"({"type":"dance"})")["data"]["code"], "UNKNOWN_TYPE");
  EXPECT_EQ(say(R"({"type":"step","data":{"action":"turn left"}})")["data"]["code"],
            "EXECUTION_ERROR");
  EXPECT_EQ(say(R"({"type":"reset","data":{"seed":1}})")["type"], "observation");
  const json turn = say(R"({"type":"step","data":{"action":"turn left"}})");
  EXPECT_EQ(turn["data"]["done"], false);
  EXPECT_EQ(say(R"({"type":"state"})")["data"]["step_count"], 1);
  EXPECT_FALSE(Client().Open("/babyai/ws", absl::Seconds(5)).ok());
}

TEST_F(DoorsTest, NothingIsLeftOpenAfterTheServersEnd) {
  const auto open = [] {
    const std::filesystem::directory_iterator files("/proc/self/fd");
    return std::distance(begin(files), end(files));
  };
  const auto before = open();
  for (int round = 0; round < 5; ++round) {
    Serve();
    WebClient asking = Client(), talking = Client();
    EXPECT_TRUE(asking.Call("GET", "/health", "", absl::Seconds(5)).ok());
    EXPECT_TRUE(talking.Open("/openenv/babyai/ws", absl::Seconds(5)).ok());
    web_.reset();
    EXPECT_TRUE(absl::IsUnavailable(talking.Exchange("{}", absl::Seconds(5)).status()));
  }
  EXPECT_EQ(open(), before);
  EXPECT_THAT(metrics_.Text(), HasSubstr("sojourn_envs_connections 0"));
  EXPECT_THAT(metrics_.Text(), HasSubstr("sojourn_envs_instances 0"));
}

TEST_F(DoorsTest, WhatIsTooLargeOrNoHttpIsRefused) {
  Serve({.max_body_bytes = 1000});
  WebClient client = Client();
  auto reply = client.Call("POST", "/babyai/step", std::string(2000, ' '), absl::Seconds(5));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->status, 413);
  reply = client.Call("POST", absl::StrCat("/", std::string(50000, 'a')), "", absl::Seconds(5));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->status, 431);
  reply = client.Call("GET", "/health", "", absl::Seconds(5));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->body, R"({"status":"healthy"})");
}

TEST_F(DoorsTest, ManyClientsPlayAtOnce) {
  Serve();
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      WebClient client = Client();
      for (int round = 0; round < 5; ++round) {
        const auto made = client.Call("POST", "/babyai/create", "", absl::Seconds(10));
        ASSERT_TRUE(made.ok()) << made.status();
        const auto id = json::parse(made->body)["id"].get<int64_t>();
        const auto reset =
            client.Call("POST", "/babyai/reset", absl::StrCat("{\"id\":", id, ",\"data_idx\":3}"),
                        absl::Seconds(10));
        ASSERT_TRUE(reset.ok()) << reset.status();
        EXPECT_THAT(reset->body, HasSubstr("Your goal: go to the blue key"));
        const auto closed = client.Call("POST", "/babyai/close", absl::StrCat("{\"id\":", id, "}"),
                                        absl::Seconds(10));
        ASSERT_TRUE(closed.ok()) << closed.status();
        EXPECT_EQ(closed->body, "true");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(metrics_.Text(), HasSubstr("sojourn_envs_instances 0"));
}

class FewSeatsTest : public DoorsTest {
 protected:
  FewSeatsTest()
      : DoorsTest({.environments = {"babyai"}, .max_instances = 2, .idle = absl::Milliseconds(1)}) {}
};

TEST_F(FewSeatsTest, WhatIsNotUsedMakesRoom) {
  Post("/babyai/create");
  Post("/openenv/babyai/reset");
  for (const absl::Time start = absl::Now(); absl::Now() - start < absl::Milliseconds(5);) {
  }
  EXPECT_EQ(Post("/babyai/create").body, R"({"id":1})");
  EXPECT_THAT(Post("/babyai/reset", R"({"id":0,"data_idx":0})").body, HasSubstr("not valid"));
  EXPECT_THAT(metrics_.Text(), HasSubstr("sojourn_envs_expired_instances_total 1"));
}

}  // namespace
}  // namespace sojourn::envs::serve
