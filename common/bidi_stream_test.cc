#include "common/bidi_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/rpc.h"
#include "sojourn/v1/trajectory.grpc.pb.h"

namespace sojourn {
namespace {

using Client = BidiClient<v1::Trajectory, v1::TrajectoryAck>;
using Server = BidiServer<v1::Trajectory, v1::TrajectoryAck>;

// Something that happens in another thread, to wait for.
class Latch {
 public:
  explicit Latch(int count = 1) : count_(count) {}
  void CountDown() {
    std::lock_guard lock(mu_);
    --count_;
    changed_.notify_all();
  }
  bool Wait() {
    std::unique_lock lock(mu_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return count_ <= 0; });
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  int count_;
};

// Answers every trajectory with its member; what else it does is up to the test.
class Acks : public v1::TrajectoryService::CallbackService {
 public:
  grpc::ServerBidiReactor<v1::Trajectory, v1::TrajectoryAck>* Stream(
      grpc::CallbackServerContext* context) override {
    return Server::Accept(context, [this](std::shared_ptr<Server> stream) {
      {
        std::lock_guard lock(mu);
        last = stream;
      }
      Server::Handlers handlers;
      handlers.on_read = [this, stream](v1::Trajectory trajectory) {
        ++reads;
        if (silent) return read.CountDown();
        v1::TrajectoryAck ack;
        ack.set_member(trajectory.member());
        stream->Write(std::move(ack)).IgnoreError();
        read.CountDown();
      };
      handlers.on_done = [this] { done.CountDown(); };
      return handlers;
    });
  }
  std::shared_ptr<Server> Last() {
    std::lock_guard lock(mu);
    return last;
  }

  std::mutex mu;
  std::shared_ptr<Server> last;
  std::atomic<bool> silent{false};
  std::atomic<int> reads{0};
  Latch read, done;
};

class BidiStream : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = RpcServer::Start({&service_}, "127.0.0.1:0");
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
    stub_ =
        v1::TrajectoryService::NewStub(MakeChannel(absl::StrCat("127.0.0.1:", server_->port())));
  }
  Client::Starter Starter() {
    return [this](grpc::ClientContext* context, Client::Reactor* reactor) {
      stub_->async()->Stream(context, reactor);
    };
  }
  static v1::Trajectory Member(int member) {
    v1::Trajectory trajectory;
    trajectory.set_member(member);
    return trajectory;
  }

  Acks service_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<v1::TrajectoryService::Stub> stub_;
};

TEST_F(BidiStream, WritesFromManyThreadsAllArriveAndAreAnswered) {
  constexpr int kThreads = 4, kEach = 250;
  std::vector<int> seen(kThreads * kEach, 0);
  Latch answered(kThreads * kEach), ended;
  absl::Status status = absl::UnknownError("not ended");
  {
    Client client(Starter(),
                  {[&](v1::TrajectoryAck ack) {
                     ++seen[ack.member()];
                     answered.CountDown();
                   },
                   [&](const absl::Status& s) {
                     status = s;
                     ended.CountDown();
                   }},
                  {.max_queued = 8});
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kEach; ++i) {
          EXPECT_TRUE(client.Write(Member(t * kEach + i), absl::Seconds(30)).ok());
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_TRUE(answered.Wait());
    client.Finish();
    ASSERT_TRUE(ended.Wait());
    EXPECT_TRUE(client.WaitDone(absl::Seconds(30)));
    EXPECT_TRUE(absl::IsUnavailable(client.Write(Member(0))));
  }
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(seen, ::testing::Each(1));
}

TEST_F(BidiStream, FinishWritesWhatIsQueuedFirst) {
  Latch answered(100);
  Client client(Starter(), {[&](v1::TrajectoryAck) { answered.CountDown(); }, nullptr});
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(client.Write(Member(i)).ok());
  client.Finish();
  EXPECT_TRUE(absl::IsUnavailable(client.Write(Member(100))));
  EXPECT_TRUE(answered.Wait());
  EXPECT_TRUE(client.WaitDone(absl::Seconds(30)));
}

TEST_F(BidiStream, NoHandlerRunsAfterTheClientIsDestroyed) {
  for (int i = 0; i < 50; ++i) {
    auto alive = std::make_unique<std::atomic<int>>(0);
    {
      Client client(Starter(),
                    {[&](v1::TrajectoryAck) { ++*alive; }, [&](const absl::Status&) { ++*alive; }});
      for (int m = 0; m < i; ++m) client.Write(Member(m)).IgnoreError();
    }
    alive.reset();
  }
}

TEST_F(BidiStream, AQueueThatIsFullSaysSo) {
  auto client = std::make_unique<Client>(
      [this](grpc::ClientContext* context, Client::Reactor* reactor) {
        context->set_wait_for_ready(true);
        stub_->async()->Stream(context, reactor);
      },
      Client::Handlers{}, BidiOptions{.max_queued = 0});
  EXPECT_TRUE(absl::IsResourceExhausted(client->Write(Member(1))));
  EXPECT_TRUE(absl::IsResourceExhausted(client->Write(Member(1), absl::Milliseconds(1))));
}

TEST_F(BidiStream, TheServersEndReachesTheClient) {
  service_.silent = true;
  absl::Status status;
  Client client(Starter(), {nullptr, [&](const absl::Status& s) { status = s; }});
  ASSERT_TRUE(client.Write(Member(0)).ok());
  ASSERT_TRUE(service_.read.Wait());
  service_.Last()->Finish(absl::FailedPreconditionError("no such job"));
  service_.Last()->Finish(absl::OkStatus());  // only the first counts
  ASSERT_TRUE(client.WaitDone(absl::Seconds(30)));
  EXPECT_EQ(status, absl::FailedPreconditionError("no such job"));
  ASSERT_TRUE(service_.done.Wait());
  EXPECT_TRUE(
      absl::IsUnavailable(service_.Last()->Write({})));  // the pointer may outlive the stream
  service_.Last()->Cancel();
}

TEST_F(BidiStream, TheServersCancelReachesTheClient) {
  service_.silent = true;
  absl::Status status;
  Client client(Starter(), {nullptr, [&](const absl::Status& s) { status = s; }});
  ASSERT_TRUE(client.Write(Member(0)).ok());
  ASSERT_TRUE(service_.read.Wait());
  std::thread other([&] { service_.Last()->Cancel(); });
  service_.Last()->Cancel();
  other.join();
  ASSERT_TRUE(client.WaitDone(absl::Seconds(30)));
  EXPECT_FALSE(status.ok());
  EXPECT_TRUE(service_.done.Wait());
}

TEST_F(BidiStream, TheClientsCancelEndsTheServersStream) {
  Client client(Starter(), {});
  ASSERT_TRUE(client.Write(Member(0)).ok());
  ASSERT_TRUE(service_.read.Wait());
  client.Cancel();
  EXPECT_TRUE(client.WaitDone(absl::Seconds(30)));
  EXPECT_TRUE(service_.done.Wait());
}

TEST_F(BidiStream, TheStreamEndsAtItsDeadline) {
  absl::Status status;
  Client client(Starter(), {nullptr, [&](const absl::Status& s) { status = s; }},
                {.timeout = absl::Milliseconds(100)});
  ASSERT_TRUE(client.WaitDone(absl::Seconds(30)));
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
}

TEST_F(BidiStream, AnAbsentServerIsUnavailable) {
  server_->Shutdown(absl::ZeroDuration());
  absl::Status status;
  Client client(Starter(), {nullptr, [&](const absl::Status& s) { status = s; }});
  client.Write(Member(0)).IgnoreError();
  ASSERT_TRUE(client.WaitDone(absl::Seconds(30)));
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

TEST_F(BidiStream, AServerShutDownInMidStreamLeavesNobodyWaiting) {
  Latch ended;
  Client client(Starter(), {nullptr, [&](const absl::Status&) { ended.CountDown(); }},
                {.max_queued = 4});
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    while (!stop && !absl::IsUnavailable(client.Write(Member(0), absl::Seconds(30)))) {
    }
  });
  ASSERT_TRUE(service_.read.Wait());
  server_->Shutdown(absl::ZeroDuration());
  EXPECT_TRUE(ended.Wait());
  stop = true;
  writer.join();
}

}  // namespace
}  // namespace sojourn
