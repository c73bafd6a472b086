#include "envs/babyai/episode_replay.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "envs/recordings.h"

namespace sojourn::envs::babyai {
namespace {

constexpr char kSample[] = "envs/babyai/testdata/agentgym_episodes.jsonl";

void ExpectNoDifference(const std::string& path) {
  const auto differences = ReplayRecording(path, ReplayEpisode);
  ASSERT_TRUE(differences.ok()) << differences.status();
  EXPECT_TRUE(differences->empty())
      << differences->size() << " differences, the first: " << differences->front();
}

TEST(EpisodeReplay, RecordedSampleReplaysExactly) { ExpectNoDifference(kSample); }

class SharedRecordings : public testing::TestWithParam<std::string> {};

TEST_P(SharedRecordings, ReplayExactly) {
  const std::string path = "../shared/data/conformance/agentgym/" + GetParam() + ".jsonl.xz";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not here";
  ExpectNoDifference(path);
}

INSTANTIATE_TEST_SUITE_P(All, SharedRecordings,
                         testing::Values("babyai", "babyai_err", "babyai_extra", "babyai_resets"),
                         [](const auto& info) { return info.param; });

TEST(EpisodeReplay, ReportsEveryDifference) {
  const auto lines = ReadRecording(kSample);
  ASSERT_TRUE(lines.ok()) << lines.status();
  nlohmann::json line = lines->front();
  line["reset"]["observation"] = "Your goal: another";
  line["steps"][0]["score"] = 0.25;
  const auto differences = ReplayEpisode(line);
  ASSERT_TRUE(differences.ok()) << differences.status();
  ASSERT_EQ(differences->size(), 2);
  EXPECT_NE((*differences)[0].find("reset: observation"), std::string::npos);
  EXPECT_NE((*differences)[1].find("score: expected 0.25, got 0"), std::string::npos);
}

TEST(EpisodeReplay, RefusesLinesOfAnotherForm) {
  for (const char* line : {"{}", "[]", "3", R"({"data_idx": "x", "reset": {}})",
                           R"({"data_idx": 1, "reset": {"observation": 5}})",
                           R"({"data_idx": 1, "reset": {}, "steps": 7})"}) {
    EXPECT_EQ(ReplayEpisode(nlohmann::json::parse(line)).status().code(),
              absl::StatusCode::kInvalidArgument)
        << line;
  }
}

}  // namespace
}  // namespace sojourn::envs::babyai
