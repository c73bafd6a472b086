#include "envs/client_replay.h"

#include <filesystem>

#include "envs/environment.h"
#include "envs/recordings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ClientReplayTest, EveryRecordedResponseIsReadAlike) {
  const std::string path = "../shared/data/conformance/agentgym/client_parse.jsonl.xz";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const auto lines = ReadRecording(path);
  ASSERT_TRUE(lines.ok()) << lines.status();
  int responses = 0;
  for (const nlohmann::json& line : *lines) {
    const auto differences = ReplayClientParse(line);
    ASSERT_TRUE(differences.ok()) << differences.status();
    EXPECT_THAT(*differences, IsEmpty());
    responses += line.contains("response");
  }
  EXPECT_GT(responses, 100);
}

TEST(ClientReplayTest, DifferencesAreToldInWords) {
  const nlohmann::json right = {{"client", "textcraft"},
                                {"response", "Action: get 1 stick"},
                                {"posted_action", "get 1 stick"},
                                {"local_state", nullptr}};
  EXPECT_THAT(*ReplayClientParse(right), IsEmpty());
  nlohmann::json wrong = right;
  wrong["posted_action"] = "get 2 stick";
  EXPECT_THAT(*ReplayClientParse(wrong), ElementsAre(HasSubstr("get 2 stick")));
  EXPECT_THAT(*ReplayClientParse({{"client", "textcraft"},
                                  {"conversation_start", {{{"from", "gpt"}, {"value", "Hm."}}}}}),
              ElementsAre(HasSubstr("Hm.")));
}

TEST(ClientReplayTest, OtherLinesAreErrors) {
  EXPECT_EQ(ReplayClientParse({{"client", "textcraft"}}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReplayClientParse({{"client", "chess"}}).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace sojourn::envs
