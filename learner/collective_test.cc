#include "learner/collective.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <future>
#include <latch>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/random.h"
#include "learner/tcp_collective.h"

namespace sojourn::learner {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kTimeout = absl::Seconds(20);

// Listeners of `size` ranks on this machine. Opened before any rank starts: processes inherit them.
struct Ring {
  explicit Ring(int size) {
    for (int r = 0; r < size; ++r) {
      listeners.push_back(TcpListener::Create("127.0.0.1:0").value());
      addresses.push_back(listeners.back()->address());
    }
  }
  absl::StatusOr<std::unique_ptr<Collective>> Connect(int rank, uint64_t generation = 1,
                                                      absl::Duration timeout = kTimeout) {
    return ConnectTcp(*listeners[rank], {.rank = rank,
                                         .addresses = addresses,
                                         .generation = generation,
                                         .connect_timeout = timeout,
                                         .chunk_bytes = 1024});
  }
  std::vector<std::unique_ptr<TcpListener>> listeners;
  std::vector<std::string> addresses;
};

// Runs `body` for every rank of a fresh ring, each in its own thread.
void OnRanks(int size, const std::function<void(Collective&)>& body) {
  Ring ring(size);
  std::vector<std::thread> threads;
  for (int r = 0; r < size; ++r) {
    threads.emplace_back([&ring, &body, r] {
      auto collective = ring.Connect(r);
      ASSERT_TRUE(collective.ok()) << collective.status();
      body(**collective);
    });
  }
  for (auto& t : threads) t.join();
}

std::vector<float> Values(int rank, size_t count) {
  Random random(RandomKey(7).With(rank));
  std::vector<float> values(count);
  for (float& v : values) v = static_cast<float>(random.Uniform() - 0.5);
  return values;
}

TEST(Collective, OneRankIsANoOp) {
  auto one = SingleRank();
  float v = 3;
  EXPECT_TRUE(one->AllReduceSum(absl::MakeSpan(&v, 1), kTimeout).ok());
  EXPECT_EQ(v, 3);
  one->Abort("over");
  EXPECT_EQ(one->Barrier(kTimeout).code(), absl::StatusCode::kAborted);
}

TEST(Collective, SumsAreRightAndTheSameBitsOnEveryRank) {
  for (int size : {2, 3, 5}) {
    for (size_t count : {0, 1, 2, 7, 1000, 12345}) {
      std::vector<std::vector<float>> results(size);
      OnRanks(size, [&](Collective& c) {
        std::vector<float> values = Values(c.rank(), count);
        ASSERT_TRUE(c.AllReduceSum(absl::MakeSpan(values), kTimeout).ok());
        results[c.rank()] = values;
      });
      for (int r = 1; r < size; ++r)
        ASSERT_EQ(results[r], results[0]) << size << " ranks, " << count;
      std::vector<double> expected(count, 0.0);
      for (int r = 0; r < size; ++r) {
        const std::vector<float> values = Values(r, count);
        for (size_t i = 0; i < count; ++i) expected[i] += values[i];
      }
      for (size_t i = 0; i < count; ++i) ASSERT_NEAR(results[0][i], expected[i], 1e-5);
    }
  }
}

TEST(Collective, CallsOfAllKindsFollowOneAnother) {
  OnRanks(3, [](Collective& c) {
    for (int round = 0; round < 20; ++round) {
      ASSERT_TRUE(c.Barrier(kTimeout).ok());
      std::string bytes =
          c.rank() == round % 3 ? std::string(5000, static_cast<char>(200 + round)) : "old";
      ASSERT_TRUE(c.Broadcast(round % 3, bytes, kTimeout).ok());
      ASSERT_EQ(bytes, std::string(5000, static_cast<char>(200 + round)));
      auto all = AllGather(c, c.rank() * 10.0 + round, kTimeout);
      ASSERT_TRUE(all.ok());
      ASSERT_EQ(*all, (std::vector<double>{0.0 + round, 10.0 + round, 20.0 + round}));
    }
  });
}

TEST(Collective, RanksThatMakeDifferentCallsAreTold) {
  OnRanks(2, [](Collective& c) {
    std::vector<float> values(c.rank() == 0 ? 10 : 20, 1.0f);
    const absl::Status status = c.AllReduceSum(absl::MakeSpan(values), kTimeout);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("another call"));
  });
}

TEST(Collective, ASilentRankIsNamedByAllWithinTheDeadline) {
  Ring ring(4);
  std::promise<void> over;
  std::shared_future<void> wait = over.get_future().share();
  std::vector<std::future<absl::Status>> errors;
  std::thread silent([&] {
    auto collective = ring.Connect(1);
    ASSERT_TRUE(collective.ok()) << collective.status();
    wait.wait();
  });
  for (int r : {0, 2, 3}) {
    errors.push_back(std::async(std::launch::async, [&ring, r] {
      auto collective = ring.Connect(r);
      if (!collective.ok()) return collective.status();
      float v = 1;
      return (*collective)->AllReduceSum(absl::MakeSpan(&v, 1), absl::Seconds(1));
    }));
  }
  const absl::Time start = absl::Now();
  for (auto& e : errors) {
    const absl::Status status = e.get();
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(absl::StrCat("for rank 1 (", ring.addresses[1])));
  }
  EXPECT_LT(absl::Now() - start, absl::Seconds(3));
  over.set_value();
  silent.join();
}

TEST(Collective, AbortWakesEveryRankWithTheReason) {
  std::latch connected(3);
  OnRanks(3, [&](Collective& c) {
    connected.arrive_and_wait();
    std::thread aborter;
    if (c.rank() == 2) {
      aborter = std::thread([&] { c.Abort("generation 1 is over"); });
    }
    const absl::Time start = absl::Now();
    std::vector<float> values(100000, 1.0f);
    absl::Status status;
    while (status.ok()) status = c.AllReduceSum(absl::MakeSpan(values), kTimeout);
    EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("rank 2 aborted: generation 1 is over"));
    EXPECT_LT(absl::Now() - start, absl::Seconds(5));
    EXPECT_EQ(c.Barrier(kTimeout), status);
    if (aborter.joinable()) aborter.join();
  });
}

TEST(Collective, ARankThatNeverComesIsNamed) {
  Ring ring(3);
  auto other = std::async(std::launch::async, [&] { return ring.Connect(2, 1, absl::Seconds(1)); });
  const auto mine = ring.Connect(0, 1, absl::Seconds(1));
  EXPECT_EQ(mine.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(mine.status().message()), HasSubstr("rank 1"));
  EXPECT_THAT(std::string(other.get().status().message()), HasSubstr("rank 1"));
}

TEST(Collective, AStaleGenerationIsRefusedAndTheNewOneForms) {
  Ring ring(2);
  auto stale = std::async(std::launch::async, [&] { return ring.Connect(0, 1); });
  auto fresh = std::async(std::launch::async, [&] { return ring.Connect(1, 2); });
  const auto refused = stale.get();
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("rank 1"));
  const auto again = ring.Connect(0, 2);
  EXPECT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(fresh.get().ok());
}

TEST(Collective, ConnectingCanBeCancelled) {
  Ring ring(2);
  const auto c = ConnectTcp(*ring.listeners[0], {.rank = 0,
                                                 .addresses = ring.addresses,
                                                 .connect_timeout = kTimeout,
                                                 .cancelled = [] { return true; }});
  EXPECT_EQ(c.status().code(), absl::StatusCode::kCancelled);
}

TEST(Collective, AnAddressThatIsNotOneIsRefused) {
  EXPECT_EQ(TcpListener::Create("nonsense").status().code(), absl::StatusCode::kInvalidArgument);
}

// Real processes: each rank is a child that reports over a pipe what its collective told it.
TEST(CollectiveProcesses, AKilledRankIsNamedByTheOthers) {
  constexpr int kSize = 3;
  Ring ring(kSize);
  int pipes[kSize][2];
  pid_t children[kSize];
  for (int r = 0; r < kSize; ++r) {
    ASSERT_EQ(pipe(pipes[r]), 0);
    children[r] = fork();
    ASSERT_GE(children[r], 0);
    if (children[r] == 0) {
      FILE* out = fdopen(pipes[r][1], "w");
      auto collective = ring.Connect(r);
      absl::Status status = collective.status();
      std::vector<float> values(100000, 1e-3f);
      for (int i = 0; status.ok(); ++i) {
        status = (*collective)->AllReduceSum(absl::MakeSpan(values), kTimeout);
        for (float& v : values) v /= kSize;
        if (i == 10) {
          std::fputs("running\n", out);
          std::fflush(out);
        }
      }
      std::fprintf(out, "%s\n", std::string(status.message()).c_str());
      std::fflush(out);
      _exit(0);
    }
    close(pipes[r][1]);
  }
  auto line = [&](int r) {
    std::string text;
    char c;
    while (read(pipes[r][0], &c, 1) == 1 && c != '\n') text += c;
    return text;
  };
  for (int r = 0; r < kSize; ++r) ASSERT_EQ(line(r), "running");
  const absl::Time killed = absl::Now();
  kill(children[1], SIGKILL);
  for (int r : {0, 2}) {
    EXPECT_THAT(line(r), HasSubstr(absl::StrCat("rank 1 (", ring.addresses[1], ") is gone")));
  }
  EXPECT_LT(absl::Now() - killed, absl::Seconds(5));
  for (pid_t child : children) waitpid(child, nullptr, 0);
}

TEST(CollectiveProcesses, LoopbackThroughputIsReported) {
  constexpr int kCount = 1 << 22;  // 16 MiB of gradients
  constexpr int kRounds = 10;
  Ring ring(2);
  auto run = [&](int rank) {
    auto collective =
        ConnectTcp(*ring.listeners[rank], {.rank = rank, .addresses = ring.addresses});
    if (!collective.ok()) return -1.0;
    std::vector<float> values(kCount, 1.0f);
    const absl::Time start = absl::Now();
    for (int i = 0; i < kRounds; ++i) {
      if (!(*collective)->AllReduceSum(absl::MakeSpan(values), kTimeout).ok()) return -1.0;
    }
    return absl::ToDoubleSeconds(absl::Now() - start) / kRounds;
  };
  const pid_t child = fork();
  if (child == 0) _exit(run(1) > 0 ? 0 : 1);
  const double seconds = run(0);
  int exit_status = 1;
  waitpid(child, &exit_status, 0);
  EXPECT_EQ(exit_status, 0);
  ASSERT_GT(seconds, 0);
  std::printf("all-reduce of 16 MiB between 2 processes: %.1f ms, %.0f MB/s\n", seconds * 1e3,
              kCount * 4 / seconds / 1e6);
}

}  // namespace
}  // namespace sojourn::learner
