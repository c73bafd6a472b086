#include "envs/babyai/minigrid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "envs/babyai/raw_replay.h"
#include "envs/recordings.h"

namespace sojourn::envs::babyai {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(MiniGrid, KnowsAllLevelsThatMiniGridRegisters) {
  EXPECT_THAT(LevelIds(), SizeIs(96));
  for (const std::string_view id : LevelIds()) {
    auto level = MakeLevel(id);
    ASSERT_TRUE(level.ok()) << id;
    (*level)->Reset(1);
    EXPECT_FALSE((*level)->mission().empty()) << id;
    EXPECT_GT((*level)->max_steps(), 0) << id;
    EXPECT_EQ((*level)->at((*level)->agent_pos().x, (*level)->agent_pos().y).kind, Kind::kEmpty) << id;
  }
  EXPECT_THAT(std::string(MakeLevel("BabyAI-GoToRedBal-v0").status().message()), HasSubstr("BabyAI-GoToRedBall-v0"));
}

TEST(MiniGrid, TheSameSeedGivesTheSameLevel) {
  for (const std::string_view id : {"BabyAI-GoToLocal-v0", "BabyAI-Unlock-v0", "BabyAI-PutNextS5N2Carrying-v0"}) {
    auto a = MakeLevel(id), b = MakeLevel(id);
    ASSERT_TRUE(a.ok() && b.ok());
    (*a)->Reset(3);
    (*a)->Reset(12);
    (*b)->Reset(12);
    EXPECT_EQ((*a)->mission(), (*b)->mission());
    EXPECT_EQ((*a)->view(), (*b)->view());
  }
}

TEST(MiniGrid, ReplaysTheSample) {
  EXPECT_THAT(*ReplayRecording("envs/babyai/testdata/raw_sample.jsonl.xz", ReplayRaw), IsEmpty());
}

TEST(MiniGrid, ReplaysEveryRecordedTrace) {
  const std::string path = "../shared/data/conformance/agentgym/babyai_raw.jsonl.xz";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not here";
  const auto differences = ReplayRecording(path, ReplayRaw);
  ASSERT_TRUE(differences.ok()) << differences.status();
  EXPECT_THAT(*differences, IsEmpty());
}

TEST(MiniGrid, ADifferenceIsFoundAndNamed) {
  auto lines = ReadRecording("envs/babyai/testdata/raw_sample.jsonl.xz");
  ASSERT_TRUE(lines.ok()) << lines.status();
  nlohmann::json line = lines->front();
  line["mission"] = "go nowhere";
  EXPECT_THAT(*ReplayRaw(line), ::testing::Contains(HasSubstr("mission: expected \"go nowhere\"")));
  EXPECT_FALSE(ReplayRaw({{"gym_id", "BabyAI-GoTo-v0"}}).ok());
}

}  // namespace
}  // namespace sojourn::envs::babyai
