#include "envs/serve/agentgym.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sojourn::envs::serve {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::unique_ptr<AgentGymServer> TextCraft() {
  auto server = NewTextCraftServer();
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

std::string Post(AgentGymServer& server, std::string_view path, std::string_view body) {
  const Response response = server.Handle("POST", path, body);
  EXPECT_EQ(response.status, 200) << response.body;
  return response.body;
}

TEST(AgentGymServer, RefusesWhatItDoesNotServe) {
  const auto server = NewBabyAIServer();
  EXPECT_EQ(server->Handle("GET", "/nope", "").status, 404);
  EXPECT_EQ(server->Handle("GET", "/create", "").status, 405);
  EXPECT_EQ(server->Handle("POST", "/observation?id=0", "").status, 405);
  EXPECT_EQ(server->Handle("GET", "/observation", "").status, 422);
  EXPECT_EQ(server->Handle("POST", "/step", "[]").status, 422);
  EXPECT_EQ(server->Handle("GET", "/", "").body, "\"This is environment BabyAI.\"");
}

TEST(BabyAIServer, PlaysAnEpisode) {
  const auto server = NewBabyAIServer();
  EXPECT_EQ(Post(*server, "/create", ""), "{\"id\":0}");
  EXPECT_EQ(Post(*server, "/step", R"({"id":0,"action":"turn left"})"), R"({"error":"0"})");
  EXPECT_EQ(
      server->Handle("GET", "/observation?id=0", "").body,
      R"({"observation":"Environment not initialized","reward":0,"score":0,"done":false,"deleted":false})");
  EXPECT_THAT(Post(*server, "/reset", R"({"id":0,"data_idx":0})"),
              StartsWith(R"({"observation":"Your goal: go to the red ball\nIn front of you)"));
  EXPECT_THAT(Post(*server, "/step", R"({"id":0,"action":"go to red ball 1"})"),
              HasSubstr(R"(\n The task is completed.)"));
  EXPECT_EQ(Post(*server, "/step", R"({"id":0,"action":"turn left"})"),
            R"({"error":"The task with environment 0 has finished."})");
  EXPECT_EQ(Post(*server, "/close", R"({"id":0})"), "true");
  EXPECT_EQ(Post(*server, "/close", R"({"id":0})"), "false");
}

TEST(BabyAIServer, AnEnvironmentClosedBeforeItsResetCannotBeClosedAnyMore) {
  const auto server = NewBabyAIServer();
  Post(*server, "/create", "");
  EXPECT_EQ(Post(*server, "/close", R"({"id":0})"), "false");
  EXPECT_THAT(Post(*server, "/reset", R"({"id":0,"data_idx":3})"), HasSubstr("Your goal: "));
  EXPECT_EQ(Post(*server, "/close", R"({"id":0})"), "false");
  EXPECT_THAT(Post(*server, "/step", R"({"id":0,"action":"turn left"})"), HasSubstr("reward"));
}

TEST(BabyAIServer, TakesTasksOfAnySizeThatHasASeed) {
  const auto server = NewBabyAIServer();
  Post(*server, "/create", "");
  EXPECT_EQ(Post(*server, "/reset", R"({"id":0,"data_idx":-1})"),
            R"({"error":"Seed must be greater or equal to zero, actual value: -1"})");
  EXPECT_THAT(Post(*server, "/reset", R"({"id":0,"data_idx":1000000000000000000000000000000})"),
              HasSubstr("Your goal: go to the red ball"));
  EXPECT_THAT(Post(*server, "/reset", "{\"id\":0,\"data_idx\":" + std::string(60, '9') + "}"),
              HasSubstr("128 bits"));
}

TEST(BabyAIServer, RendersAPicture) {
  const auto server = NewBabyAIServer();
  Post(*server, "/create", "");
  Post(*server, "/reset", R"({"id":0,"data_idx":0})");
  EXPECT_THAT(Post(*server, "/render", R"({"id":0})"),
              StartsWith("\"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAQAAAAEACAIAA"));
}

TEST(TextCraftServer, CreatesTheTaskOfTheNewId) {
  const auto server = TextCraft();
  EXPECT_EQ(server->Handle("POST", "/create", "").status, 422);
  const std::string first =
      "{\"id\":0,\"observation\":\"Crafting commands:\\ncraft 4 acacia planks using 1 acacia "
      "logs\\n\\nGoal: craft acacia planks.\",\"done\":false,\"reward\":0}";
  EXPECT_EQ(Post(*server, "/create", R"({"commands":"craft 1 a using 1 b","goal":"minecraft:a"})"),
            first);
  EXPECT_THAT(Post(*server, "/create", "{}"), HasSubstr("Goal: craft acacia wood."));
  EXPECT_EQ(Post(*server, "/reset", R"({"id":0,"data_idx":544})"), first);
}

TEST(TextCraftServer, GoesOnAfterTheGoal) {
  const auto server = TextCraft();
  Post(*server, "/create", "{}");
  EXPECT_EQ(Post(*server, "/step", R"({"id":0,"action":"get 2 acacia logs"})"),
            R"({"observation":"Got 2 acacia logs","reward":0,"done":false})");
  EXPECT_EQ(
      Post(*server, "/step", R"({"id":0,"action":"craft 4 acacia planks using 1 acacia logs"})"),
      R"({"observation":"Crafted 4 minecraft:acacia_planks","reward":1,"done":true})");
  EXPECT_EQ(
      server->Handle("GET", "/detail?id=0", "").body,
      R"({"observation":"Crafted 4 minecraft:acacia_planks","done":true,"reward":1,"deleted":false})");
  EXPECT_EQ(Post(*server, "/step", R"({"id":0,"action":"h\u00e9"})"),
            "{\"observation\":\"Could not execute h\u00e9\",\"reward\":0,\"done\":false}");
  EXPECT_EQ(server->Handle("GET", "/observation?id=0", "").body, "\"Could not execute h\u00e9\"");
}

TEST(TextCraftServer, KeepsWhatFailsInTheOriginal) {
  const auto server = TextCraft();
  Post(*server, "/create", "{}");
  const Response goal = server->Handle("GET", "/goal?id=0", "");
  EXPECT_EQ(goal.status, 500);
  EXPECT_EQ(goal.content_type, "text/plain; charset=utf-8");
  Post(*server, "/step", R"({"id":0,"action":"get 1 string"})");
  EXPECT_EQ(Post(*server, "/reset", R"({"id":0,"data_idx":null})"),
            R"({"error":"unsupported operand type(s) for %: 'NoneType' and 'int'"})");
  EXPECT_THAT(Post(*server, "/step", R"({"id":0,"action":"inventory"})"),
              HasSubstr("not carrying anything"));
}

}  // namespace
}  // namespace sojourn::envs::serve
