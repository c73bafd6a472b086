#include "envs/serve/agentgym.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include "absl/strings/str_cat.h"
#include "envs/webshop/generator.h"

#include "absl/strings/str_cat.h"

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

std::unique_ptr<AgentGymServer> AlfWorld() {
  return NewAlfWorldServer(alfworld::Library::Generate(0, 16));
}

constexpr char kReset[] = R"({"id":0,"game":3,"world_type":"Text"})";

TEST(AlfWorldServer, PlaysAnEpisode) {
  const auto server = AlfWorld();
  const auto get = [&](const char* target) { return server->Handle("GET", target, "").body; };
  EXPECT_EQ(get("/"), "\"This is environment AlfWorld.\"");
  EXPECT_EQ(Post(*server, "/create", ""), "{\"id\":0}");
  EXPECT_EQ(Post(*server, "/create", ""), "{\"id\":1}");
  const std::string reset = Post(*server, "/reset", kReset);
  EXPECT_THAT(reset, StartsWith(R"({"id":0,"observation":"You are in the middle of a room. Looking )"));
  EXPECT_THAT(reset, HasSubstr(R"(\nYour task is to: )"));
  EXPECT_THAT(reset, HasSubstr(R"("available_actions":["go to )"));
  EXPECT_THAT(reset, HasSubstr(R"("task_type":"pick_heat_then_place_in_recep-)"));
  EXPECT_THAT(get("/detail?id=0"), StartsWith(R"({"world_type":"Text","game":3,"observation":"You are)"));
  EXPECT_THAT(get("/detail?id=0"), ::testing::EndsWith(R"("look"],"done":false,"reward":0,"deleted":false})"));
  EXPECT_THAT(Post(*server, "/step", R"({"id":0,"action":"fly"})"),
              StartsWith(R"({"observation":"Nothing happens.","reward":0.0,"available_actions":["go to )"));
  EXPECT_EQ(get("/observation?id=0"), "\"Nothing happens.\"");
  EXPECT_THAT(get("/detail?id=0"), HasSubstr(R"("done":false,"reward":0.0,)"));
  EXPECT_THAT(get("/available_actions?id=0"), StartsWith(R"(["go to )"));
  EXPECT_EQ(server->Handle("POST", "/close", R"({"id":0})").status, 404);
}

TEST(AlfWorldServer, ATaskEndsAfterFiftySteps) {
  const auto server = AlfWorld();
  Post(*server, "/create", "");
  Post(*server, "/reset", kReset);
  for (int step = 1; step <= 50; ++step) {
    EXPECT_THAT(Post(*server, "/step", R"({"id":0,"action":"look"})"),
                HasSubstr(step < 50 ? R"("done":false)" : R"("done":true)"));
  }
  const std::string finished = R"({"error":"The task with environment 0 has finished."})";
  EXPECT_EQ(Post(*server, "/step", R"({"id":0,"action":"look"})"), finished);
  EXPECT_EQ(server->Handle("GET", "/detail?id=0", "").body, finished);
  EXPECT_THAT(Post(*server, "/reset", kReset), HasSubstr("Your task is to: "));
  EXPECT_THAT(Post(*server, "/step", R"({"id":0,"action":"look"})"), HasSubstr(R"("done":false)"));
}

TEST(AlfWorldServer, FailsAsTheOriginal) {
  const auto server = AlfWorld();
  const auto get = [&](const char* target) { return server->Handle("GET", target, "").body; };
  Post(*server, "/create", "");
  EXPECT_EQ(Post(*server, "/step", R"({"id":0,"action":"look"})"), R"({"error":"0"})");
  EXPECT_EQ(get("/observation?id=0"), R"({"error":"'observation'"})");
  EXPECT_EQ(get("/available_actions?id=0"), R"({"error":"'available_actions'"})");
  EXPECT_EQ(get("/detail?id=0"), R"({"done":false,"reward":0,"deleted":false})");
  EXPECT_EQ(get("/detail?id=7"), R"({"error":"The id 7 is not valid."})");
  const auto reset = [&](const char* id, const char* game, const char* world) {
    return Post(*server, "/reset", absl::StrCat("{\"id\":", id, ",\"game\":", game, ",\"world_type\":\"",
                                                world, "\"}"));
  };
  EXPECT_EQ(reset("7", "0", "Text"), R"({"error":"The id 7 is not valid."})");
  EXPECT_EQ(reset("7", "0", "text"),
            R"({"error":"world_type must be one of \"Text\", \"Embody\" and \"Hybrid\""})");
  EXPECT_EQ(reset("0", "2620", "Text"), R"({"error":"list index out of range"})");
  EXPECT_EQ(reset("0", "-2621", "Text"), R"({"error":"list index out of range"})");
  EXPECT_EQ(reset("0", "99999999999999999999", "Text"),
            R"({"error":"cannot fit 'int' into an index-sized integer"})");
  const std::string last = reset("0", "-1", "Embody");
  EXPECT_EQ(last, reset("0", "2619", "Text"));
  EXPECT_EQ(server->Handle("POST", "/reset", R"({"id":0,"game":0})").status, 422);
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

std::unique_ptr<AgentGymServer> SearchQA() {
  auto library = searchqa::Library::Generate(0, 300);
  EXPECT_TRUE(library.ok()) << library.status();
  return NewSearchQAServer(*std::move(library));
}

TEST(SearchQAServer, PlaysAnEpisode) {
  const auto server = SearchQA();
  const auto library = *searchqa::Library::Generate(0, 300);
  const searchqa::Question question = *library->Get({Split::kTest, 1, 5});
  EXPECT_EQ(server->Handle("GET", "/", "").body, "\"ok\"");
  EXPECT_EQ(Post(*server, "/create", R"({"id":0})"), "0");
  EXPECT_EQ(Post(*server, "/create", R"({"id":1})"), "1");
  EXPECT_THAT(Post(*server, "/reset", R"({"env_idx":1,"id":5})"),
              ::testing::EndsWith("\\n\\n Question: " + question.text + "\""));
  EXPECT_THAT(server->Handle("GET", "/observation?env_idx=1", "").body, HasSubstr(question.text));
  EXPECT_THAT(Post(*server, "/step", R"({"env_idx":1,"action":"<search>town</search>"})"),
              StartsWith(R"({"observation":"<information>Doc 1(Title: \")"));
  EXPECT_EQ(
      Post(*server, "/step", R"({"env_idx":1,"action":"<answer>x</answer>"})"),
      R"({"observation":"Sorry, your answer is incorrect. Please try again.","reward":0.0,"done":false,"info":null})");
  const std::string answer =
      R"({"env_idx":1,"action":"<answer>)" + question.answers[0] + "</answer>\"}";
  const std::string right =
      R"({"observation":"Congratulations! You have answered the question correctly.","reward":1.0,"done":true,"info":null})";
  EXPECT_EQ(Post(*server, "/step", answer), right);
  EXPECT_EQ(Post(*server, "/step", answer), right);  // it goes on
  EXPECT_EQ(Post(*server, "/close", R"({"env_idx":1})"), "true");
  EXPECT_EQ(Post(*server, "/close", R"({"env_idx":1})"), "false");
}

TEST(SearchQAServer, FailsAsTheOriginal) {
  const auto server = SearchQA();
  const auto status = [&](const char* path, const char* body) {
    return server->Handle("POST", path, body).status;
  };
  EXPECT_EQ(status("/create", R"({"id":-1})"), 500);
  EXPECT_EQ(status("/create", R"({"id":99999999999999999999})"), 500);
  EXPECT_EQ(status("/create", "{}"), 422);
  EXPECT_EQ(Post(*server, "/create", R"({"id":3})"), "2");  // two numbers were used up
  EXPECT_EQ(status("/reset", R"({"env_idx":0,"id":3})"), 500);
  EXPECT_EQ(status("/reset", R"({"env_idx":2})"), 500);
  EXPECT_EQ(status("/reset", R"({"env_idx":2,"id":null})"), 500);
  EXPECT_EQ(status("/reset", R"({"env_idx":2,"id":1000000000})"), 500);
  EXPECT_EQ(status("/step", R"({"env_idx":7,"action":"x"})"), 500);
  EXPECT_EQ(status("/step", R"({"env_idx":2,"action":null})"), 422);
  EXPECT_EQ(server->Handle("GET", "/observation?env_idx=9", "").status, 500);
}

TEST(WebShopServer, PlaysASessionAndFailsAsTheOriginal) {
  const auto shop = webshop::Shop::Make(webshop::MakeProducts(0, 100), webshop::GoalKind::kSynthetic);
  const auto server = NewWebShopServer(shop, DrawByChance(*shop, RandomKey(1)));
  const auto get = [&](const std::string& target) { return server->Handle("GET", target, ""); };
  const std::string id = Post(*server, "/create", "");
  EXPECT_EQ(get("/list_envs").body, "[" + id + "]");
  EXPECT_THAT(get("/observation?env_idx=" + id).body, StartsWith("\"WebShop [SEP] Instruction:"));
  const std::string last = absl::StrCat(shop->goals.size() - 1);
  const std::string reset = "{\"env_idx\":" + id + ",\"session_id\":";
  const std::string shown = Post(*server, "/reset", reset + last + "}");
  EXPECT_EQ(Post(*server, "/reset", reset + "-1}"), shown);
  EXPECT_THAT(Post(*server, "/reset", reset + "null}"), HasSubstr("Find me"));
  EXPECT_EQ(Post(*server, "/reset", reset + "\"" + last + "\"}"), shown);
  EXPECT_EQ(get("/available_actions?env_idx=" + id).body,
            R"({"has_search_bar":true,"clickables":["search"]})");
  EXPECT_EQ(get("/state?env_idx=" + id).body,
            R"({"url":"url","html":"html","instruction_text":"instruction_text"})");
  const std::string step = "{\"env_idx\":" + id + ",\"action\":\"";
  const webshop::Goal goal = shop->goal(shop->goals.size() - 1);
  const webshop::Product& product = shop->catalogue->products()[goal.product];
  EXPECT_THAT(Post(*server, "/step", step + "search[" + product.title + "]\"}"),
              HasSubstr(product.asin));
  Post(*server, "/step", step + "click[" + product.asin + "]\"}");
  for (const auto& [name, value] : goal.options) {
    Post(*server, "/step", step + "click[" + value + "]\"}");
  }
  EXPECT_THAT(Post(*server, "/step", step + "click[Buy Now]\"}"),
              HasSubstr("\"reward\":1.0,\"done\":true,\"info\":null}"));
  EXPECT_EQ(get("/instruction_text?env_idx=" + id).status, 500);  // that page has none
  const auto status = [&](const char* path, const std::string& body) {
    return server->Handle("POST", path, body).status;
  };
  EXPECT_EQ(status("/step", step + "search[<a> red]\"}"), 500);
  Post(*server, "/reset", reset + "0}");
  const std::string before = get("/observation?env_idx=" + id).body;
  EXPECT_EQ(status("/reset", reset + "123456789}"), 500);
  EXPECT_EQ(get("/observation?env_idx=" + id).body, before);  // the page stays,
  EXPECT_EQ(status("/step", step + "search[red]\"}"), 500);    // but nothing is behind it
  EXPECT_EQ(status("/reset", R"({"env_idx":-5,"session_id":0})"), 500);
  EXPECT_EQ(status("/step", "{}"), 422);
  EXPECT_EQ(status("/close", "{\"env_idx\":" + id + "}"), 404);
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
