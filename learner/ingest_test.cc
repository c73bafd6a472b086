#include "learner/ingest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>

#include "absl/time/clock.h"

namespace sojourn::learner {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

IngestOptions Options() {
  IngestOptions options;
  options.job_id = "job";
  options.arm = 1;
  options.group_size = 2;
  options.groups_per_update = 4;
  options.max_staleness = 1;
  options.validate = [](const v1::Trajectory& t) {
    return t.tokens_size() > 0 ? absl::OkStatus() : absl::InvalidArgumentError("no tokens");
  };
  return options;
}

v1::Trajectory Episode(uint64_t group, uint32_t member) {
  v1::Trajectory t;
  t.mutable_name()->set_job_id("job");
  t.mutable_name()->set_arm(1);
  t.mutable_name()->set_group(group);
  t.set_member(member);
  t.set_group_size(2);
  t.add_tokens(static_cast<int32_t>(group * 10 + member));
  return t;
}

absl::Time Now() { return absl::Now(); }

std::vector<int> Tokens(const std::vector<v1::Trajectory>& trajectories) {
  std::vector<int> tokens;
  for (const v1::Trajectory& t : trajectories) tokens.push_back(t.tokens(0));
  return tokens;
}

TEST(IngestTest, GroupsComeInOrderWhateverTheOrderOfArrival) {
  std::mt19937 random(1);
  for (int round = 0; round < 20; ++round) {
    Ingest ingest(Options());
    std::vector<v1::Trajectory> all;
    for (int g = 0; g < 4; ++g) {
      for (int m = 0; m < 2; ++m) all.push_back(Episode(g, m));
    }
    std::shuffle(all.begin(), all.end(), random);
    for (v1::Trajectory& t : all) EXPECT_TRUE(ingest.Add(t));
    auto update = ingest.WaitForUpdate(0, Now());
    ASSERT_TRUE(update.ok()) << update.status();
    EXPECT_THAT(Tokens(*update), ElementsAre(0, 1, 10, 11, 20, 21, 30, 31));
    EXPECT_EQ(ingest.waiting_trajectories(), 0);
  }
}

TEST(IngestTest, TwiceIsOnce) {
  Ingest ingest(Options());
  EXPECT_EQ(*ingest.Check(Episode(0, 0)), Ingest::Verdict::kNew);
  EXPECT_TRUE(ingest.Add(Episode(0, 0)));
  EXPECT_EQ(*ingest.Check(Episode(0, 0)), Ingest::Verdict::kKnown);
  EXPECT_FALSE(ingest.Add(Episode(0, 0)));
  EXPECT_EQ(ingest.waiting_trajectories(), 1);
}

TEST(IngestTest, AUsedGroupIsKnown) {
  Ingest ingest(Options());
  for (int g = 0; g < 4; ++g) {
    for (int m = 0; m < 2; ++m) ingest.Add(Episode(g, m));
  }
  ASSERT_TRUE(ingest.WaitForUpdate(0, Now()).ok());
  EXPECT_EQ(*ingest.Check(Episode(2, 1)), Ingest::Verdict::kKnown);
  EXPECT_FALSE(ingest.Add(Episode(2, 1)));
  EXPECT_EQ(ingest.waiting_trajectories(), 0);
}

TEST(IngestTest, RefusesWhatIsBeyondTheWindowUntilItMoves) {
  Ingest ingest(Options());  // (1 + 1) * 4 groups
  EXPECT_TRUE(ingest.Check(Episode(7, 0)).ok());
  const auto refused = ingest.Check(Episode(8, 0)).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("groups below 8 are taken"));
  for (int g = 0; g < 4; ++g) {
    for (int m = 0; m < 2; ++m) ingest.Add(Episode(g, m));
  }
  ASSERT_TRUE(ingest.WaitForUpdate(0, Now()).ok());
  EXPECT_TRUE(ingest.Check(Episode(8, 0)).ok());
}

TEST(IngestTest, ALearnerThatIsBehindTakesWhatTheCoordinatorIssues) {
  IngestOptions options = Options();
  options.behind_updates = 2;  // the coordinator may be at update 2
  Ingest ingest(options);
  EXPECT_TRUE(ingest.Check(Episode(15, 0)).ok());
  EXPECT_FALSE(ingest.Check(Episode(16, 0)).ok());
  for (int g = 0; g < 12; ++g) {
    for (int m = 0; m < 2; ++m) EXPECT_TRUE(ingest.Replay(Episode(g, m)));
  }
  EXPECT_FALSE(ingest.Replay(Episode(3, 0)));
  for (int u = 0; u < 2; ++u) EXPECT_TRUE(ingest.WaitForUpdate(u, Now()).ok());
  EXPECT_FALSE(ingest.Check(Episode(16, 0)).ok());
  EXPECT_TRUE(ingest.WaitForUpdate(2, Now()).ok());
  EXPECT_TRUE(ingest.Check(Episode(16, 0)).ok());
}

TEST(IngestTest, ReplayDropsWhatIsNotOurs) {
  IngestOptions options = Options();
  options.first_update = 1;
  Ingest ingest(options);
  EXPECT_FALSE(ingest.Replay(Episode(3, 0)));  // in the checkpoint
  v1::Trajectory other = Episode(5, 0);
  other.mutable_name()->set_job_id("other");
  EXPECT_FALSE(ingest.Replay(other));
  v1::Trajectory broken = Episode(5, 0);
  broken.clear_tokens();
  EXPECT_FALSE(ingest.Replay(broken));
  EXPECT_TRUE(ingest.Replay(Episode(5, 0)));
}

TEST(IngestTest, RefusalsSayWhatWasExpected) {
  IngestOptions options = Options();
  options.rank = 1;
  options.ranks = 2;
  Ingest ingest(options);
  const auto why = [&](v1::Trajectory t, auto change) {
    change(t);
    const auto verdict = ingest.Check(t);
    EXPECT_EQ(verdict.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(verdict.status().message());
  };
  EXPECT_THAT(why(Episode(1, 0), [](auto& t) { t.mutable_name()->set_job_id("x"); }),
              HasSubstr("trains (job, arm 1)"));
  EXPECT_THAT(why(Episode(1, 0), [](auto& t) { t.mutable_name()->set_arm(0); }),
              HasSubstr("trains (job, arm 1)"));
  EXPECT_THAT(why(Episode(2, 0), [](auto&) {}), HasSubstr("belongs to rank 0 of 2"));
  EXPECT_THAT(why(Episode(1, 2), [](auto&) {}),
              HasSubstr("member must be less than group_size, 2"));
  EXPECT_THAT(why(Episode(1, 0), [](auto& t) { t.set_group_size(3); }),
              HasSubstr("the job's is 2"));
  EXPECT_THAT(why(Episode(1, 0), [](auto& t) { t.set_policy_version(1); }), HasSubstr("update 0"));
  EXPECT_THAT(why(Episode(1, 0), [](auto& t) { t.clear_tokens(); }), HasSubstr("no tokens"));
}

TEST(IngestTest, TheDeadlineNamesWhatIsMissing) {
  Ingest ingest(Options());
  for (int m = 0; m < 2; ++m) ingest.Add(Episode(0, m));
  ingest.Add(Episode(2, 1));
  const auto update = ingest.WaitForUpdate(0, Now() + absl::Milliseconds(1));
  EXPECT_EQ(update.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(
      std::string(update.status().message()),
      HasSubstr("group 1 (0 of 2 episodes), group 2 (1 of 2 episodes), group 3 (0 of 2 episodes)"));
  EXPECT_THAT(ingest.WholeGroups(), ElementsAre(0));
}

TEST(IngestTest, ARankTakesItsOwnGroups) {
  IngestOptions options = Options();
  options.rank = 1;
  options.ranks = 2;
  Ingest ingest(options);
  for (int g : {1, 3}) {
    for (int m = 0; m < 2; ++m) ingest.Add(Episode(g, m));
  }
  EXPECT_THAT(ingest.Missing(0), IsEmpty());
  EXPECT_THAT(Tokens(*ingest.WaitForUpdate(0, Now())), ElementsAre(10, 11, 30, 31));
  EXPECT_THAT(ingest.Missing(1), HasSubstr("group 5 (0 of 2 episodes), group 7"));
}

TEST(IngestTest, InterruptWakesTheWaiterOnce) {
  Ingest ingest(Options());
  absl::Status status;
  std::thread waiter([&] { status = ingest.WaitForUpdate(0, absl::InfiniteFuture()).status(); });
  ingest.Interrupt();
  waiter.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(ingest.WaitForUpdate(0, Now()).status().code(), absl::StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace sojourn::learner
