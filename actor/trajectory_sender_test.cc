#include "actor/trajectory_sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "common/rpc.h"

namespace sojourn::actor {
namespace {

using ::testing::HasSubstr;

using Server = BidiServer<v1::Trajectory, v1::TrajectoryAck>;

// Keeps what it acknowledges, as a journal does. Breaks the stream at chosen messages: before it
// keeps them, or after, with the acknowledgement lost.
class FakeLearner : public v1::TrajectoryService::CallbackService {
 public:
  grpc::ServerBidiReactor<v1::Trajectory, v1::TrajectoryAck>* Stream(
      grpc::CallbackServerContext* context) override {
    ++streams;
    return Server::Accept(context, [this](std::shared_ptr<Server> stream) {
      Server::Handlers handlers;
      handlers.on_read = [this, stream](v1::Trajectory trajectory) {
        Take(*stream, std::move(trajectory));
      };
      return handlers;
    });
  }

  void Take(Server& stream, v1::Trajectory trajectory) {
    const int n = ++received;
    if (break_every > 0 && n % break_every == 0)
      return stream.Finish(absl::UnavailableError("broken before"));
    v1::TrajectoryAck ack;
    *ack.mutable_name() = trajectory.name();
    ack.set_member(trajectory.member());
    if (static_cast<int64_t>(trajectory.name().group()) == refuse_group) {
      ack.set_error("malformed");
    } else {
      std::lock_guard lock(mu);
      ++journal[{trajectory.name().group(), trajectory.member()}];
    }
    if (break_every > 0 && n % break_every == break_every / 2)
      return stream.Cancel();  // the ack is lost
    (void)stream.Write(std::move(ack));
  }

  std::mutex mu;
  std::map<std::pair<uint64_t, uint32_t>, int> journal;
  std::atomic<int> received{0}, streams{0};
  int break_every = 0;
  int64_t refuse_group = -1;
};

class TrajectorySenderTest : public ::testing::Test {
 protected:
  TrajectorySenderTest() {
    server_ = *RpcServer::Start({&learner_}, "127.0.0.1:0");
    address_ = absl::StrCat("127.0.0.1:", server_->port());
    TrajectorySender::Handlers handlers;
    handlers.delivered = [this](const v1::GroupName& name) {
      std::lock_guard lock(mu_);
      ++delivered_[name.group()];
      changed_.notify_all();
    };
    handlers.refused = [this](const v1::GroupName& name, const std::string& error) {
      std::lock_guard lock(mu_);
      refused_.push_back(absl::StrCat(name.group(), ": ", error));
      changed_.notify_all();
    };
    sender_ = std::make_unique<TrajectorySender>(actor_metrics_, RandomKey(1), std::move(handlers));
  }
  ~TrajectorySenderTest() override {
    sender_.reset();
    server_->Shutdown(absl::ZeroDuration());
  }

  static v1::Trajectory Member(uint64_t group, uint32_t member, uint32_t size) {
    v1::Trajectory trajectory;
    trajectory.mutable_name()->set_job_id("job");
    trajectory.mutable_name()->set_group(group);
    trajectory.set_member(member);
    trajectory.set_group_size(size);
    return trajectory;
  }
  bool Wait(const std::function<bool()>& condition) {
    std::unique_lock lock(mu_);
    return changed_.wait_for(lock, std::chrono::seconds(60), condition);
  }

  Metrics metrics_;
  ActorMetrics actor_metrics_{metrics_};
  FakeLearner learner_;
  std::unique_ptr<RpcServer> server_;
  std::string address_;
  std::mutex mu_;
  std::condition_variable changed_;
  std::map<uint64_t, int> delivered_;
  std::vector<std::string> refused_;
  std::unique_ptr<TrajectorySender> sender_;
};

TEST_F(TrajectorySenderTest, NothingIsLostOrReportedTwiceWhenStreamsBreak) {
  learner_.break_every = 14;
  sender_->SetLearners({address_});
  constexpr uint64_t kGroups = 20;
  for (uint64_t group = 0; group < kGroups; ++group) {
    for (uint32_t member = 0; member < 4; ++member) sender_->Send(0, Member(group, member, 4));
  }
  ASSERT_TRUE(Wait([&] { return delivered_.size() == kGroups; }));
  for (const auto& [group, times] : delivered_) EXPECT_EQ(times, 1) << group;
  EXPECT_EQ(learner_.journal.size(), kGroups * 4);
  EXPECT_GT(learner_.streams, 1);
  EXPECT_EQ(sender_->unacknowledged(), 0);
}

TEST_F(TrajectorySenderTest, AnAbsentRankIsWaitedForAndNamed) {
  sender_->SetLearners({""});
  sender_->Send(0, Member(1, 0, 1));
  EXPECT_THAT(sender_->waiting_for().first, HasSubstr("learner rank 0 (absent)"));
  EXPECT_EQ(sender_->unacknowledged(), 1);
  sender_->SetLearners({address_});
  EXPECT_TRUE(Wait([&] { return delivered_.size() == 1; }));
  EXPECT_EQ(sender_->waiting_for().first, "");
}

TEST_F(TrajectorySenderTest, ALearnerThatMovesIsFollowed) {
  FakeLearner silent;
  silent.break_every = 1;  // never acknowledges
  auto old = *RpcServer::Start({&silent}, "127.0.0.1:0");
  sender_->SetLearners({absl::StrCat("127.0.0.1:", old->port())});
  sender_->Send(0, Member(1, 0, 1));
  sender_->SetLearners({address_});
  EXPECT_TRUE(Wait([&] { return delivered_.size() == 1; }));
  old->Shutdown(absl::ZeroDuration());
}

TEST_F(TrajectorySenderTest, ARefusalIsReportedOnceForTheGroup) {
  learner_.refuse_group = 3;
  sender_->SetLearners({address_});
  for (uint32_t member = 0; member < 4; ++member) sender_->Send(0, Member(3, member, 4));
  for (uint32_t member = 0; member < 4; ++member) sender_->Send(0, Member(4, member, 4));
  ASSERT_TRUE(Wait([&] { return delivered_.contains(4) && !refused_.empty(); }));
  EXPECT_THAT(refused_, ::testing::ElementsAre("3: malformed"));
  EXPECT_FALSE(delivered_.contains(3));
  EXPECT_EQ(sender_->unacknowledged(), 0);
}

TEST_F(TrajectorySenderTest, AMemberSentTwiceCountsOnce) {
  sender_->SetLearners({""});
  sender_->Send(0, Member(1, 0, 2));
  sender_->Send(0, Member(1, 0, 2));
  EXPECT_EQ(sender_->unacknowledged(), 1);
  sender_->SetLearners({address_});
  sender_->Send(0, Member(1, 1, 2));
  EXPECT_TRUE(Wait([&] { return delivered_[1] == 1; }));
}

TEST_F(TrajectorySenderTest, DroppedGroupsAreForgotten) {
  sender_->SetLearners({""});
  sender_->Send(0, Member(1, 0, 1));
  sender_->Drop("job", 0);
  EXPECT_EQ(sender_->unacknowledged(), 0);
  EXPECT_EQ(sender_->waiting_for().first, "");
}

}  // namespace
}  // namespace sojourn::actor
