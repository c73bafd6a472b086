#include "common/retry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "absl/time/clock.h"

namespace sojourn {
namespace {

using ::testing::HasSubstr;

TEST(Backoff, GrowsToTheLongestPauseWithJitter) {
  Backoff backoff(RandomKey(1), {absl::Milliseconds(100), absl::Seconds(1), 2});
  for (const int full : {100, 200, 400, 800, 1000, 1000}) {
    const absl::Duration pause = backoff.Next();
    EXPECT_GE(pause, absl::Milliseconds(full / 2));
    EXPECT_LT(pause, absl::Milliseconds(full));
  }
  backoff.Reset();
  EXPECT_LT(backoff.Next(), absl::Milliseconds(100));
}

TEST(Retry, TriesAgainOnlyWhatMayPass) {
  int calls = 0;
  std::vector<absl::Duration> pauses;
  const auto sleep = [&](absl::Duration d) {
    pauses.push_back(d);
    return true;
  };
  EXPECT_TRUE(Retry(
                  "x",
                  [&] { return ++calls < 4 ? absl::UnavailableError("down") : absl::OkStatus(); },
                  Backoff(RandomKey(2)), absl::InfiniteFuture(), sleep)
                  .ok());
  EXPECT_EQ(calls, 4);
  EXPECT_EQ(pauses.size(), 3);
  EXPECT_TRUE(absl::IsNotFound(Retry(
      "x", [&] { return absl::NotFoundError("gone"); }, Backoff(RandomKey(2)),
      absl::InfiniteFuture(), sleep)));
  EXPECT_EQ(pauses.size(), 3);
}

TEST(Retry, TheDeadlineNamesWhatWasTriedAndWhyItFailed) {
  const absl::Status status = Retry(
      "calling learner 1", [] { return absl::UnavailableError("refused"); }, Backoff(RandomKey(3)),
      absl::Now(), [](absl::Duration) { return true; });
  EXPECT_TRUE(absl::IsDeadlineExceeded(status));
  EXPECT_THAT(status.message(), HasSubstr("calling learner 1"));
  EXPECT_THAT(status.message(), HasSubstr("refused"));
}

TEST(Retry, StopsWhenTheSleeperSaysSo) {
  EXPECT_TRUE(absl::IsCancelled(Retry(
      "x", [] { return absl::UnavailableError("down"); }, Backoff(RandomKey(4)),
      absl::InfiniteFuture(), [](absl::Duration) { return false; })));
}

}  // namespace
}  // namespace sojourn
