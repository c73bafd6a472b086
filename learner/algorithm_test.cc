#include "learner/algorithm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "learner/tcp_collective.h"

namespace sojourn::learner {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kTimeout = absl::Seconds(20);

std::vector<EpisodeReward> Episodes(uint64_t group, const std::vector<double>& rewards,
                                    size_t tokens = 2) {
  std::vector<EpisodeReward> episodes;
  for (double r : rewards) {
    episodes.push_back({.group = group, .reward = r, .token_kl = std::vector<double>(tokens, 0.0)});
  }
  return episodes;
}

Advantages Compute(const std::string& name, const std::vector<EpisodeReward>& episodes,
                   double kl = 0) {
  auto one = SingleRank();
  return MakeAlgorithm(name).value()->ComputeAdvantages(episodes, kl, *one, kTimeout).value();
}

TEST(Algorithm, AnUnknownNameIsRefusedWithTheKnownOnes) {
  const auto made = MakeAlgorithm("ppo");
  EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(made.status().message()), HasSubstr("grpo, rloo, reinforce++"));
}

TEST(Grpo, AdvantageIsTheStandardizedRewardOnEveryToken) {
  const Advantages a = Compute("grpo", Episodes(0, {1, 0, 0, 0}, 3));
  const double std = std::sqrt((0.75 * 0.75 + 3 * 0.25 * 0.25) / 3);  // 0.5
  ASSERT_EQ(a.size(), 4);
  EXPECT_EQ(a[0].size(), 3);
  for (float v : a[0]) EXPECT_FLOAT_EQ(v, 0.75 / (std + 1e-6));
  for (float v : a[2]) EXPECT_FLOAT_EQ(v, -0.25 / (std + 1e-6));
}

TEST(Grpo, GroupsAreComparedWithinThemselves) {
  std::vector<EpisodeReward> episodes = Episodes(0, {1, 0});
  for (const EpisodeReward& e : Episodes(1, {101, 100})) episodes.push_back(e);
  const Advantages a = Compute("grpo", episodes);
  EXPECT_EQ(a[0], a[2]);
  EXPECT_EQ(a[1], a[3]);
}

TEST(Rloo, AdvantageIsTheRewardMinusTheMeanOfTheOthers) {
  const Advantages a = Compute("rloo", Episodes(0, {3, 1, 0.5}));
  EXPECT_FLOAT_EQ(a[0][0], 3 - 0.75);
  EXPECT_FLOAT_EQ(a[1][1], 1 - 1.75);
  EXPECT_FLOAT_EQ(a[2][0], 0.5 - 2);
}

TEST(GroupAlgorithms, EqualRewardsGiveExactlyZero) {
  for (const char* name : {"grpo", "rloo"}) {
    for (const auto& a : Compute(name, Episodes(0, {0.1, 0.1, 0.1}))) {
      for (float v : a) EXPECT_EQ(v, 0) << name;
    }
  }
}

TEST(ReinforcePlusPlus, ReturnsAreNormalizedOverAllTokensOfTheBatch) {
  std::vector<EpisodeReward> episodes = {{.group = 0, .reward = 1, .token_kl = {0.1, 0.2, 0.4}},
                                         {.group = 1, .reward = -1, .token_kl = {0.3}}};
  const Advantages a = Compute("reinforce++", episodes, 0.5);
  const std::vector<double> returns = {1 - 0.5 * 0.7, 1 - 0.5 * 0.6, 1 - 0.5 * 0.4, -1 - 0.5 * 0.3};
  double mean = 0, squares = 0;
  for (double r : returns) mean += r / 4;
  for (double r : returns) squares += (r - mean) * (r - mean) / 4;
  for (int t = 0; t < 3; ++t)
    EXPECT_NEAR(a[0][t], (returns[t] - mean) / (std::sqrt(squares) + 1e-6), 1e-6);
  EXPECT_NEAR(a[1][0], (returns[3] - mean) / (std::sqrt(squares) + 1e-6), 1e-6);
}

TEST(ReinforcePlusPlus, EqualReturnsGiveExactlyZero) {
  for (const auto& a : Compute("reinforce++", Episodes(0, {0.1, 0.1, 0.1}, 7))) {
    for (float v : a) EXPECT_EQ(v, 0);
  }
}

TEST(ReinforcePlusPlus, NormalizesOverTheBatchOfAllRanks) {
  const std::vector<EpisodeReward> halves[2] = {Episodes(0, {1, 0.2, 5}),
                                                Episodes(1, {-3, 0.7}, 4)};
  std::vector<EpisodeReward> whole = halves[0];
  whole.insert(whole.end(), halves[1].begin(), halves[1].end());
  const Advantages expected = Compute("reinforce++", whole);

  std::unique_ptr<TcpListener> listeners[2];
  std::vector<std::string> addresses;
  for (auto& listener : listeners) {
    listener = TcpListener::Create("127.0.0.1:0").value();
    addresses.push_back(listener->address());
  }
  Advantages parts[2];
  std::vector<std::thread> ranks;
  for (int r = 0; r < 2; ++r) {
    ranks.emplace_back([&, r] {
      auto collective = ConnectTcp(*listeners[r], {.rank = r, .addresses = addresses});
      ASSERT_TRUE(collective.ok()) << collective.status();
      auto result =
          MakeReinforcePlusPlus()->ComputeAdvantages(halves[r], 0, **collective, kTimeout);
      ASSERT_TRUE(result.ok()) << result.status();
      parts[r] = *result;
    });
  }
  for (auto& rank : ranks) rank.join();
  for (size_t i = 0; i < whole.size(); ++i) {
    const std::vector<float>& got = i < 3 ? parts[0][i] : parts[1][i - 3];
    ASSERT_EQ(got.size(), expected[i].size());
    for (size_t t = 0; t < got.size(); ++t) EXPECT_NEAR(got[t], expected[i][t], 1e-6);
  }
}

}  // namespace
}  // namespace sojourn::learner
