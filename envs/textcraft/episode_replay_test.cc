#include "envs/textcraft/episode_replay.h"

#include <filesystem>

#include "envs/recordings.h"
#include "envs/textcraft/game.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::textcraft {
namespace {

using ::testing::IsEmpty;

constexpr char kSample[] = "envs/textcraft/testdata/episodes.jsonl";
constexpr char kRecordings[] = "../shared/data/conformance/agentgym/";

TEST(EpisodeReplayTest, TheSampleHasNoDifference) {
  const auto differences = ReplayRecording(kSample, ReplayEpisode);
  ASSERT_TRUE(differences.ok()) << differences.status();
  EXPECT_THAT(*differences, IsEmpty());
}

TEST(EpisodeReplayTest, AllRecordedEpisodesHaveNoDifference) {
  const std::string path = std::string(kRecordings) + "textcraft.jsonl.xz";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const auto differences = ReplayRecording(path, ReplayEpisode);
  ASSERT_TRUE(differences.ok()) << differences.status();
  EXPECT_THAT(*differences, IsEmpty());
}

// The requests for steps among the recorded HTTP exchanges: odd spellings, huge numbers.
TEST(EpisodeReplayTest, RecordedRequestsAreAnsweredAlike) {
  const std::string path = std::string(kRecordings) + "textcraft_http.jsonl.xz";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const auto lines = ReadRecording(path);
  ASSERT_TRUE(lines.ok()) << lines.status();
  const auto book = *RecipeBook::Minecraft();
  Game game(book);
  int steps = 0;
  for (const nlohmann::json& line : *lines) {
    if (line["status"] != 200 || !line["body"].is_object() || line["body"].value("id", -1) != 0) {
      continue;
    }
    if (line["path"] == "/reset" && line["body"].value("data_idx", nlohmann::json()) == 0) {
      game.Reset(book->goals()[0], {});
    }
    const nlohmann::json response = nlohmann::json::parse(line["response_text"].get<std::string>());
    if (line["path"] != "/step" || response.value("error", "").ends_with("is not valid.")) continue;
    const auto action = line["body"]["action"].get<std::string>();
    const auto reply = game.Step(action);
    if (reply.ok()) {
      EXPECT_EQ(reply->observation, response.value("observation", "")) << action;
      EXPECT_EQ(reply->done, response.value("done", false)) << action;
    } else {
      EXPECT_EQ(reply.status().message(), response.value("error", "")) << action;
    }
    ++steps;
  }
  EXPECT_GT(steps, 50);
}

TEST(EpisodeReplayTest, DifferencesAreToldInWords) {
  const auto lines = ReadRecording(kSample);
  ASSERT_TRUE(lines.ok()) << lines.status();
  nlohmann::json line = lines->front();
  ASSERT_THAT(*ReplayEpisode(line), IsEmpty());
  line["steps"][0]["observation"] = "Got nothing";
  EXPECT_THAT(*ReplayEpisode(line), ::testing::ElementsAre(::testing::StartsWith("step 1 ")));
  line["reset"]["observation"] = "Crafting commands:\n\n\nGoal: craft oak sign.";
  EXPECT_THAT(*ReplayEpisode(line), ::testing::Contains(::testing::StartsWith("reset: ")));
  EXPECT_EQ(ReplayEpisode(nlohmann::json::array()).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReplayEpisode({{"data_idx", 1}}).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sojourn::envs::textcraft
