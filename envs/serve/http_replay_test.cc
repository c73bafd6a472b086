#include "envs/serve/http_replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_split.h"
#include "envs/recordings.h"
#include "envs/webshop/episode_replay.h"

namespace sojourn::envs::serve {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Lines(const std::string& text) {
  return absl::StrSplit(text, '\n', absl::SkipWhitespace());
}

constexpr char kConversation[] = R"(
{"method": "GET", "path": "/", "body": null, "raw_body": null, "status": 200, "content_type": "application/json", "response_text": "\"This is environment TextCraft.\""}
{"method": "POST", "path": "/step", "body": null, "raw_body": "{bad", "status": 422, "content_type": "application/json", "response_text": "in other words"}
{"method": "POST", "path": "/create", "body": {}, "raw_body": null, "status": 200, "content_type": "application/json", "response_text": "{\"id\":0,\"observation\":\"Crafting commands:\\ncraft 4 acacia planks using 1 acacia logs\\n\\nGoal: craft acacia planks.\",\"done\":false,\"reward\":0}"}
{"method": "POST", "path": "/step", "body": {"id": 0, "action": "inventory"}, "raw_body": null, "status": 200, "content_type": "application/json", "response_text": "{\"observation\":\"Inventory: You are not carrying anything.\",\"reward\":0,\"done\":false}"}
)";

TEST(HttpReplay, FindsNoDifferenceInWhatTheOriginalAnswers) {
  const auto differences = ReplayHttp("textcraft", Lines(kConversation));
  ASSERT_TRUE(differences.ok());
  EXPECT_THAT(*differences, IsEmpty());
}

TEST(HttpReplay, NamesTheLineWhatWasExpectedAndWhatCame) {
  std::vector<std::string> lines = Lines(kConversation);
  lines[3].replace(lines[3].find("anything"), 8, "a thing!");
  lines.push_back("{\"method\":");
  const auto differences = ReplayHttp("textcraft", lines);
  ASSERT_TRUE(differences.ok());
  ASSERT_EQ(differences->size(), 2);
  EXPECT_EQ((*differences)[0].line, 3);
  EXPECT_THAT((*differences)[0].text,
              HasSubstr("POST /step {\"id\": 0, \"action\": \"inventory\"}: answer: "
                        "expected {\"observation\":\"Inventory: You are not carrying a thing!"));
  EXPECT_EQ((*differences)[1].line, 4);
}

TEST(HttpReplay, TellsTheServersApart) {
  std::vector<std::string> servers;
  for (const std::string& line : Lines(kConversation)) {
    servers.emplace_back(ServerOf(nlohmann::json::parse(line)));
  }
  EXPECT_THAT(servers, ::testing::ElementsAre("textcraft", "", "textcraft", ""));
}

class RecordedConversation : public ::testing::TestWithParam<const char*> {};

TEST_P(RecordedConversation, IsTheSame) {
  const std::string path =
      std::string("../shared/data/conformance/agentgym/") + GetParam() + "_http.jsonl.xz";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  std::shared_ptr<const webshop::Shop> shop;
  if (std::string_view(GetParam()) == "webshop") shop = *webshop::ShopOfRecording(path);
  const auto differences = ReplayHttp(GetParam(), Lines(*ReadRecordingText(path)), shop);
  ASSERT_TRUE(differences.ok());
  for (const HttpDifference& difference : *differences) {
    ADD_FAILURE() << path << ":" << difference.line + 1 << ": " << difference.text;
  }
}

INSTANTIATE_TEST_SUITE_P(Servers, RecordedConversation, ::testing::Values("babyai", "textcraft", "webshop"));

}  // namespace
}  // namespace sojourn::envs::serve
