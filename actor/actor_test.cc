#include "actor/actor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <thread>

#include "actor/fake_job.h"
#include "actor/fake_learner.h"
#include "common/files.h"

namespace sojourn::actor {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

// Gives out assignments for credits and keeps what comes back.
class FakeCoordinator : public v1::FleetService::CallbackService {
 public:
  using Server = BidiServer<v1::ActorMessage, v1::CoordinatorToActor>;
  grpc::ServerBidiReactor<v1::ActorMessage, v1::CoordinatorToActor>* Act(
      grpc::CallbackServerContext* context) override {
    return Server::Accept(context, [this](std::shared_ptr<Server> stream) {
      Server::Handlers handlers;
      handlers.on_read = [this, stream](v1::ActorMessage message) {
        std::lock_guard lock(mu);
        Take(stream, message);
        changed.notify_all();
      };
      return handlers;
    });
  }

  void Take(const std::shared_ptr<Server>& stream, const v1::ActorMessage& message) {
    if (message.has_hello()) {
      hellos.push_back(message.hello());
      last = stream;
      credits = 0;
      Say([&](auto& m) { *m.mutable_welcome() = welcome; });
      std::set<uint64_t> held;
      for (const auto& assignment : message.hello().held()) held.insert(assignment.name().group());
      for (const auto& [group, assignment] : leased) {  // a lease ends with its stream
        if (!held.contains(group) && !done.contains(group)) queue.push_back(assignment);
      }
    } else if (message.has_delivered()) {
      done.insert(message.delivered().name().group());
    } else if (message.has_failed()) {
      failures.push_back(message.failed().error());
      done.insert(message.failed().name().group());
    } else if (message.has_result()) {
      const v1::EpisodeResult& result = message.result();
      results[{result.name().group(), result.member()}] = result;
      if (++results_taken == break_at_result) return last->Cancel();
      Say([&](auto& m) {
        *m.mutable_episode_ack()->mutable_name() = result.name();
        m.mutable_episode_ack()->set_row(result.row());
        m.mutable_episode_ack()->set_member(result.member());
      });
    } else if (message.has_heartbeat()) {
      heartbeat = message.heartbeat();
    }
    credits += message.credits();
    for (; credits > 0 && !queue.empty(); --credits) {
      leased[queue.front().name().group()] = queue.front();
      Say([&](auto& m) { *m.mutable_assignment() = queue.front(); });
      queue.pop_front();
    }
  }
  void Say(const std::function<void(v1::CoordinatorToActor&)>& fill) {
    v1::CoordinatorToActor message;
    fill(message);
    (void)last->Write(std::move(message));
  }
  bool Wait(const std::function<bool()>& condition) {
    std::unique_lock lock(mu);
    return changed.wait_for(lock, std::chrono::seconds(60), condition);
  }

  std::mutex mu;
  std::condition_variable changed;
  std::shared_ptr<Server> last;
  v1::ActorWelcome welcome;
  std::deque<v1::Assignment> queue;
  std::map<uint64_t, v1::Assignment> leased;
  std::set<uint64_t> done;
  std::map<std::pair<uint64_t, uint32_t>, v1::EpisodeResult> results;
  std::vector<std::string> failures;
  std::vector<v1::ActorHello> hellos;
  v1::Heartbeat heartbeat;
  int64_t credits = 0;
  int results_taken = 0, break_at_result = -1;
};

class ActorTest : public ::testing::Test {
 protected:
  ActorTest() {
    policy::TokenizerTraining training;
    training.vocab_size = 259;
    EXPECT_TRUE(
        WriteFileAtomically(directory_ + "/tokenizer.json", *policy::TrainTokenizer({}, training))
            .ok());
    EXPECT_TRUE(
        WriteFileAtomically(directory_ + "/config.json", policy::ModelConfigJson(model_)).ok());
    learner_ = *RpcServer::Start({&weights_, &trajectories_}, "127.0.0.1:0");
    server_ = *RpcServer::Start({&coordinator_}, "127.0.0.1:0");
    v1::JobConfig config = FakeConfig();
    config.mutable_policy()->set_model(directory_);
    config.mutable_rollout()->set_max_turn_tokens(12);
    coordinator_.welcome.set_lease_ms(200);
    coordinator_.welcome.set_job_id("job");
    *coordinator_.welcome.mutable_config() = config;
    coordinator_.welcome.add_learner_addresses(absl::StrCat("127.0.0.1:", learner_->port()));
  }
  ~ActorTest() override {
    Stop();
    server_->Shutdown(absl::ZeroDuration());
    learner_->Shutdown(absl::ZeroDuration());
  }
  void Start(const std::string& name = "actor-0") {
    stop_ = false;
    actor_ = std::make_unique<Actor>(
        ActorOptions{absl::StrCat("127.0.0.1:", server_->port()), name, 8}, actor_metrics_);
    thread_ =
        std::thread([this] { EXPECT_TRUE(actor_->Run([this] { return stop_.load(); }).ok()); });
  }
  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    actor_.reset();
  }
  std::map<std::pair<uint64_t, uint32_t>, std::string> TakenBytes() {
    std::map<std::pair<uint64_t, uint32_t>, std::string> bytes;
    std::lock_guard lock(trajectories_.mu);
    for (const auto& [key, trajectory] : trajectories_.taken)
      bytes[key] = trajectory.SerializeAsString();
    return bytes;
  }

  const std::string directory_ = ::testing::TempDir() + "actor_test";
  const policy::ModelConfig model_ = TinyModel(259);
  Metrics metrics_;
  ActorMetrics actor_metrics_{metrics_};
  FakeWeights weights_;
  FakeTrajectories trajectories_;
  FakeCoordinator coordinator_;
  std::unique_ptr<RpcServer> learner_, server_;
  std::atomic<bool> stop_{false};
  std::unique_ptr<Actor> actor_;
  std::thread thread_;
};

TEST_F(ActorTest, PlaysGroupsWithTheVersionsTheyNameAndDeliversThem) {
  weights_.Publish(model_, 0);
  weights_.Publish(model_, 1);
  for (uint64_t group = 0; group < 6; ++group)
    coordinator_.queue.push_back(FakeAssignment(group, group / 3));
  Start();
  ASSERT_TRUE(coordinator_.Wait([&] { return coordinator_.done.size() == 6; }));
  EXPECT_THAT(coordinator_.failures, SizeIs(0));
  ASSERT_THAT(trajectories_.taken, SizeIs(24));
  for (const auto& [key, t] : trajectories_.taken) {
    EXPECT_EQ(t.policy_version(), key.first / 3);
    ASSERT_EQ(t.tokens_size(), t.loss_mask().size());
    ASSERT_EQ(t.tokens_size(), t.behavior_logprobs_size());
    for (int i = 0; i < t.tokens_size(); ++i) {
      EXPECT_TRUE(std::isfinite(t.behavior_logprobs(i)));
      EXPECT_EQ(t.behavior_logprobs(i) < 0, t.loss_mask()[i] == 1);
    }
  }
}

TEST_F(ActorTest, WhoPlaysAndInWhichCompanyLeavesNoTrace) {
  weights_.Publish(model_, 0);
  for (uint64_t group = 0; group < 5; ++group) coordinator_.queue.push_back(FakeAssignment(group));
  Start("actor-0");
  ASSERT_TRUE(coordinator_.Wait([&] { return coordinator_.done.size() == 5; }));
  Stop();
  const auto together = TakenBytes();
  trajectories_.taken.clear();
  coordinator_.done.clear();
  coordinator_.leased.clear();
  for (uint64_t group : {4, 2}) coordinator_.queue.push_back(FakeAssignment(group));
  Start("someone-else");
  ASSERT_TRUE(coordinator_.Wait([&] { return coordinator_.done.size() == 2; }));
  const auto apart = TakenBytes();
  ASSERT_THAT(apart, SizeIs(8));
  for (const auto& [key, bytes] : apart) EXPECT_EQ(bytes, together.at(key));
}

TEST_F(ActorTest, EvaluationResultsAreSentAgainUntilAcknowledged) {
  weights_.Publish(model_, 0);
  for (uint64_t group = 0; group < 6; ++group) {
    v1::Assignment assignment = FakeAssignment(group);
    assignment.set_evaluation(true);
    assignment.set_split("test");
    assignment.set_row(1);
    assignment.set_mode(group % 3 == 0   ? v1::SAMPLE
                        : group % 3 == 1 ? v1::GREEDY
                                         : v1::RANDOM_VALID);
    assignment.set_episodes(assignment.mode() == v1::GREEDY ? 1 : 4);
    coordinator_.queue.push_back(assignment);
  }
  coordinator_.break_at_result = 3;
  Start();
  EXPECT_TRUE(coordinator_.Wait([&] { return coordinator_.results.size() == 18; }));
  EXPECT_GE(coordinator_.hellos.size(), 2);
  EXPECT_THAT(trajectories_.taken, SizeIs(0));
}

TEST_F(ActorTest, WorkGoesOnAfterTheStreamBroke) {
  weights_.Publish(model_, 0);
  coordinator_.queue.push_back(FakeAssignment(0));
  coordinator_.queue.push_back(FakeAssignment(1, /*version=*/1));  // must wait for its version
  Start();
  ASSERT_TRUE(coordinator_.Wait([&] { return coordinator_.done.contains(0); }));
  coordinator_.last->Finish(absl::UnavailableError("restarting"));
  ASSERT_TRUE(coordinator_.Wait([&] { return coordinator_.hellos.size() == 2; }));
  ASSERT_EQ(coordinator_.hellos[1].held_size(), 1);
  EXPECT_EQ(coordinator_.hellos[1].held(0).name().group(), 1);
  EXPECT_TRUE(coordinator_.Wait([&] {
    return coordinator_.heartbeat.waiting_for().find("policy version 1") != std::string::npos;
  }));
  weights_.Publish(model_, 1);
  EXPECT_TRUE(coordinator_.Wait([&] { return coordinator_.done.contains(1); }));
}

TEST_F(ActorTest, AJobThatCannotBePlayedFailsWithItsReason) {
  coordinator_.welcome.mutable_config()->mutable_policy()->set_model("/no/such/model");
  coordinator_.queue.push_back(FakeAssignment(0));
  Start();
  ASSERT_TRUE(coordinator_.Wait([&] { return !coordinator_.failures.empty(); }));
  EXPECT_THAT(coordinator_.failures[0], HasSubstr("/no/such/model/tokenizer.json"));
}

TEST_F(ActorTest, ARevokedArmIsDropped) {
  coordinator_.queue.push_back(FakeAssignment(0));  // its version never comes
  Start();
  const auto waits = [&] { return !coordinator_.heartbeat.waiting_for().empty(); };
  ASSERT_TRUE(coordinator_.Wait([&] { return coordinator_.queue.empty() && waits(); }));
  {
    std::lock_guard lock(coordinator_.mu);
    coordinator_.Say([](auto& m) { m.mutable_revoke()->set_job_id("job"); });
  }
  ASSERT_TRUE(coordinator_.Wait([&] { return !waits(); }));
  coordinator_.last->Finish(absl::UnavailableError("restarting"));
  ASSERT_TRUE(coordinator_.Wait([&] { return coordinator_.hellos.size() == 2; }));
  EXPECT_EQ(coordinator_.hellos[1].held_size(), 0);
}

}  // namespace
}  // namespace sojourn::actor
