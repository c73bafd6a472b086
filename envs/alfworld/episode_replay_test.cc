#include "envs/alfworld/episode_replay.h"

#include <filesystem>

#include "envs/recordings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::alfworld {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kRecorded[] = "envs/alfworld/testdata/recorded.jsonl.xz";
constexpr char kShared[] = "../shared/data/conformance/alfworld/";

std::vector<std::string> Differences(const std::string& path) {
  const RecordedGames games = RecordedGames::Beside(path);
  const auto differences =
      ReplayRecording(path, [&](const nlohmann::json& line) { return ReplayEpisode(line, games); });
  EXPECT_TRUE(differences.ok()) << differences.status();
  return differences.ok() ? *differences : std::vector<std::string>();
}

// The original engine on games of ours.
TEST(EpisodeReplay, OurGamesAreTheSameInTheOriginal) {
  EXPECT_THAT(Differences(kRecorded), IsEmpty());
}

TEST(EpisodeReplay, TheOriginalsGamesAreTheSame) {
  if (!std::filesystem::exists(kShared)) GTEST_SKIP() << "no " << kShared;
  EXPECT_THAT(Differences(std::string(kShared) + "alfworld.jsonl.xz"), IsEmpty());
  EXPECT_THAT(Differences(std::string(kShared) + "names.json.xz"), IsEmpty());
}

TEST(EpisodeReplay, SaysWhatDiffers) {
  const RecordedGames games = RecordedGames::Beside(kRecorded);
  nlohmann::json line = ReadRecording(kRecorded)->at(0);
  line["steps"].erase(line["steps"].begin() + 2, line["steps"].end());
  line["steps"][1]["feedback"] = "You fly.";
  line["steps"][1]["score"] = 3;
  const auto differences = ReplayEpisode(line, games);
  ASSERT_TRUE(differences.ok()) << differences.status();
  EXPECT_THAT(*differences, ElementsAre(HasSubstr("feedback: recorded \"You fly.\", ours \"You "),
                                        HasSubstr("score: recorded 3, ours 0")));
  line["game"] = "elsewhere";
  EXPECT_THAT(std::string(ReplayEpisode(line, games).status().message()),
              HasSubstr("no game elsewhere; it is looked for"));
  line["game"] = 1;
  EXPECT_THAT(std::string(ReplayEpisode(line, games).status().message()),
              HasSubstr("not a recorded"));
}

}  // namespace
}  // namespace sojourn::envs::alfworld
