#include "envs/webshop/episode_replay.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "envs/recordings.h"

namespace sojourn::envs::webshop {
namespace {

class Recorded : public ::testing::TestWithParam<const char*> {};

TEST_P(Recorded, IsTheSame) {
  const std::string path = std::string("../shared/data/conformance/agentgym/") + GetParam();
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const auto shop = ShopOfRecording(path);
  ASSERT_TRUE(shop.ok()) << shop.status();
  const auto differences = ReplayRecording(
      path, [&](const nlohmann::json& line) { return ReplayLine(**shop, line); });
  ASSERT_TRUE(differences.ok()) << differences.status();
  for (const std::string& difference : *differences) ADD_FAILURE() << difference;
}

INSTANTIATE_TEST_SUITE_P(Files, Recorded,
                         ::testing::Values("webshop.jsonl.xz", "webshop_goals.jsonl.xz",
                                           "webshop_search.jsonl.xz"));

}  // namespace
}  // namespace sojourn::envs::webshop
