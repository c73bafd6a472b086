// Whole learners, in this process or as processes of their own, against a coordinator and actors
// that are faked at the other end of real gRPC.
#include "learner/learner.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/bidi_stream.h"
#include "common/files.h"
#include "common/random.h"
#include "policy/model_files.h"
#include "sojourn/v1/fleet.grpc.pb.h"
#include "sojourn/v1/trajectory.grpc.pb.h"
#include "sojourn/v1/weights.grpc.pb.h"

extern char** environ;

namespace sojourn::learner {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr uint32_t kGroupSize = 4, kGroupsPerUpdate = 4, kStaleness = 1;
constexpr char kJob[] = "job";

// The trajectory that a name has, whoever plays it.
v1::Trajectory Play(uint64_t group, uint32_t member) {
  Random random(RandomKey(7).With(group).With(member));
  v1::Trajectory t;
  t.mutable_name()->set_job_id(kJob);
  t.mutable_name()->set_group(group);
  t.set_member(member);
  t.set_group_size(kGroupSize);
  t.set_environment("numbers");
  const uint64_t update = group / kGroupsPerUpdate;
  t.set_policy_version(update - std::min<uint64_t>(update, kStaleness));
  const int tokens = 4 + static_cast<int>(random.Below(9));
  for (int i = 0; i < tokens; ++i) {
    t.add_tokens(static_cast<int32_t>(random.Below(32)));
    t.mutable_loss_mask()->push_back(i >= 2 ? 1 : 0);
    t.add_behavior_logprobs(i >= 2 ? -3.5f : 0);
  }
  t.set_reward(random.Uniform());
  t.set_turns(1);
  return t;
}

// A coordinator of one arm that admits, counts and checkpoints as the real one, and an actor that
// plays what it admits.
class FakeFleet : public v1::FleetService::CallbackService {
 public:
  FakeFleet(const std::string& directory, uint32_t ranks, uint64_t updates)
      : ranks_(ranks), updates_(updates) {
    v1::JobConfig& config = *train_.mutable_config();
    config.mutable_policy()->set_model(directory + "/start");
    v1::Rollout& rollout = *config.mutable_rollout();
    rollout.set_group_size(kGroupSize);
    rollout.set_groups_per_update(kGroupsPerUpdate);
    rollout.set_max_staleness(kStaleness);
    rollout.set_temperature(1);
    rollout.set_top_p(1);
    v1::Algorithm& algorithm = *config.mutable_algorithm();
    algorithm.set_name("grpo");
    algorithm.set_learning_rate(1e-2);
    algorithm.set_schedule("constant");
    algorithm.set_adam_beta1(0.9);
    algorithm.set_adam_beta2(0.95);
    algorithm.set_adam_epsilon(1e-8);
    algorithm.set_max_gradient_norm(1);
    algorithm.set_clip_low(0.2);
    algorithm.set_clip_high(0.2);
    algorithm.set_kl_coefficient(0.01);
    algorithm.set_minibatches(1);
    algorithm.set_microbatch_tokens(64);
    algorithm.set_loss_normalization("token");
    v1::Arm& arm = *config.add_arms();
    arm.set_name("only");
    arm.add_stages()->mutable_advance()->set_updates(updates);
    train_.set_job_id(kJob);
    train_.set_run_directory(directory);
    train_.set_lease_ms(1000);
    StartServer("localhost:0");
  }
  ~FakeFleet() override { StopServer(); }

  const std::string address() const { return absl::StrCat("localhost:", port_); }
  v1::TrainArm& train() { return train_; }

  // The coordinator's process dies, and comes back at the same address with what it had stored.
  void Restart() {
    StopServer();
    StartServer(address());
  }

  void Hear() {
    std::lock_guard lock(mu_);
    deaf_from_ = ~uint64_t{0};
  }

  // Plays what is admitted until `done` (under the lock) or 60 s are over.
  void Drive(const std::function<bool(FakeFleet&)>& done) {
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    while (true) {
      std::vector<uint64_t> groups;
      std::vector<std::string> addresses;
      {
        std::unique_lock lock(mu_);
        if (done(*this)) return;
        ASSERT_LT(absl::Now(), deadline) << "waited too long; at update " << consumed_;
        if (ready_.size() == ranks_) {
          const uint64_t end = std::min(consumed_ + 1 + kStaleness, updates_) * kGroupsPerUpdate;
          for (uint64_t g = first_; g < end; ++g) {
            if (!delivered_.count(g) && !(g % ranks_ == slow_rank_ && absl::Now() < slow_until_)) {
              groups.push_back(g);
            }
          }
          for (uint32_t r = 0; r < ranks_; ++r) addresses.push_back(learners_[r].hello.address());
        }
        if (groups.empty()) changed_.wait_for(lock, std::chrono::milliseconds(5));
      }
      for (uint64_t group : groups) {
        if (!Deliver(addresses[group % ranks_], group)) break;
        std::lock_guard lock(mu_);
        delivered_.insert(group);
        if (done(*this)) return;
      }
    }
  }
  // Until all updates are counted and the last version is saved; its SHA-256.
  std::string DriveToTheEnd() {
    Drive([](FakeFleet& f) { return !f.final_sha256_.empty(); });
    return final_sha256_;
  }

  static bool Deliver(const std::string& address, uint64_t group) {
    auto stub = v1::TrajectoryService::NewStub(MakeChannel(address));
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(10));
    auto stream = stub->Stream(&context);
    for (uint32_t m = 0; m < kGroupSize; ++m) {
      if (!stream->Write(Play(group, m))) return false;
    }
    stream->WritesDone();
    v1::TrajectoryAck ack;
    uint32_t acks = 0;
    while (stream->Read(&ack)) {
      EXPECT_EQ(ack.error(), "");
      ++acks;
    }
    return stream->Finish().ok() && acks == kGroupSize;
  }

  struct Member {
    std::shared_ptr<BidiServer<v1::LearnerMessage, v1::CoordinatorToLearner>> stream;
    v1::LearnerHello hello;
  };

  std::mutex mu_;  // guards what follows
  std::condition_variable changed_;
  std::map<uint32_t, Member> learners_;
  uint64_t generation_ = 0;
  uint64_t unreachable_generation_ = 0;  // its ranks cannot reach each other
  uint32_t slow_rank_ = 0;                // whose groups nobody plays before ...
  absl::Time slow_until_ = absl::InfinitePast();
  std::map<uint32_t, v1::LearnerReady> ready_;
  uint64_t first_ = 0;  // groups before it are used
  std::set<uint64_t> delivered_;
  uint64_t consumed_ = 0;
  std::map<uint64_t, std::map<uint32_t, v1::RankUpdate>> reports_;
  std::vector<v1::RankUpdate> counted_;  // rank 0's
  std::string final_sha256_, failed_;
  v1::Heartbeat heartbeat_;
  uint64_t deaf_from_ = ~uint64_t{0};  // reports of this update and later ones are lost

 private:
  using Stream = BidiServer<v1::LearnerMessage, v1::CoordinatorToLearner>;

  void StartServer(const std::string& address) {
    server_ = *RpcServer::Start({this}, address);
    port_ = server_->port();
  }
  void StopServer() {
    {
      std::lock_guard lock(mu_);
      for (auto& [rank, member] : learners_) member.stream->Cancel();
    }
    server_->Shutdown(absl::ZeroDuration());
  }

  grpc::ServerBidiReactor<v1::LearnerMessage, v1::CoordinatorToLearner>* Learn(
      grpc::CallbackServerContext* context) override {
    return Stream::Accept(context, [this](std::shared_ptr<Stream> stream) {
      return Stream::Handlers{
          [this, stream](v1::LearnerMessage message) { OnMessage(stream, message); }, nullptr,
          [this, stream] { OnGone(stream); }};
    });
  }

  void OnGone(const std::shared_ptr<Stream>& stream) {
    std::lock_guard lock(mu_);
    for (auto it = learners_.begin(); it != learners_.end(); ++it) {
      if (it->second.stream != stream) continue;
      learners_.erase(it);
      ready_.clear();
      break;
    }
    changed_.notify_all();
  }

  void OnMessage(const std::shared_ptr<Stream>& stream, const v1::LearnerMessage& message) {
    std::lock_guard lock(mu_);
    if (message.has_hello()) {
      learners_[message.hello().rank()] = {stream, message.hello()};
      ready_.clear();
      if (learners_.size() == ranks_) {
        v1::CoordinatorToLearner answer;
        train_.set_generation(++generation_);
        train_.set_version(consumed_);
        train_.clear_collective_addresses();
        for (uint32_t r = 0; r < ranks_; ++r) {
          train_.add_collective_addresses(generation_ == unreachable_generation_
                                              ? "localhost:1"
                                              : learners_[r].hello.collective_address());
        }
        *answer.mutable_train() = train_;
        for (auto& [rank, member] : learners_) EXPECT_TRUE(member.stream->Write(answer).ok());
      }
    } else if (message.has_heartbeat()) {
      heartbeat_ = message.heartbeat();
    } else if (message.has_ready()) {
      OnReady(stream, message.ready());
    } else if (message.has_update()) {
      OnUpdate(stream, message.update());
    } else if (message.has_checkpoint()) {
      EXPECT_EQ(message.checkpoint().version(), updates_);
      const std::string sha = message.checkpoint().weights_sha256();
      EXPECT_EQ(sha, *policy::FileSha256(absl::StrCat(train_.run_directory(), "/",
                                                      message.checkpoint().path(),
                                                      "/model.safetensors")));
      EXPECT_TRUE(final_sha256_.empty() || final_sha256_ == sha);
      final_sha256_ = sha;
    } else if (message.has_failed()) {
      failed_ = message.failed().error();
    }
    changed_.notify_all();
  }

  void OnReady(const std::shared_ptr<Stream>& stream, const v1::LearnerReady& ready) {
    if (ready.generation() != generation_) return;
    const auto rank = std::find_if(learners_.begin(), learners_.end(), [&](const auto& entry) {
      return entry.second.stream == stream;
    });
    if (rank == learners_.end()) return;
    ready_[rank->first] = ready;
    EXPECT_LE(ready.version(), consumed_ + 1);  // an update may be made and not yet counted
    std::set<uint64_t> kept(ready.journaled_groups().begin(), ready.journaled_groups().end());
    for (uint64_t g = 0; g < updates_ * kGroupsPerUpdate; ++g) {
      if (g % ranks_ != rank->first) continue;
      if (g < ready.version() * kGroupsPerUpdate || kept.count(g)) {
        delivered_.insert(g);
      } else {
        EXPECT_GE(g, consumed_ * kGroupsPerUpdate) << "an acknowledged group was lost";
        delivered_.erase(g);
      }
    }
    AskForSave();
  }

  void OnUpdate(const std::shared_ptr<Stream>& stream, const v1::RankUpdate& update) {
    if (update.update() >= deaf_from_) return;
    if (update.update() >= consumed_) reports_[update.update()][update.rank()] = update;
    v1::CoordinatorToLearner answer;
    *answer.mutable_update_ack()->mutable_job_id() = kJob;
    answer.mutable_update_ack()->set_update(update.update());
    if (update.update() < consumed_) {
      (void)stream->Write(answer);
      return;
    }
    while (reports_[consumed_].size() == ranks_) {
      counted_.push_back(reports_[consumed_][0]);
      answer.mutable_update_ack()->set_update(consumed_++);
      for (auto& [rank, member] : learners_) (void)member.stream->Write(answer);
    }
    AskForSave();
  }

  void AskForSave() {
    if (consumed_ < updates_) return;
    v1::CoordinatorToLearner answer;
    answer.mutable_save()->set_job_id(kJob);
    answer.mutable_save()->set_version(updates_);
    answer.mutable_save()->set_label("final");
    for (auto& [rank, member] : learners_) (void)member.stream->Write(answer);
  }

  const uint32_t ranks_;
  const uint64_t updates_;
  v1::TrainArm train_;
  std::unique_ptr<RpcServer> server_;
  int port_ = 0;
};

class LearnerTest : public testing::Test {
 protected:
  LearnerTest() { at::set_num_threads(1); }
  ~LearnerTest() override {
    for (const std::string& directory : directories_) fs::remove_all(directory);
  }

  // A run's directory with a starting policy in it.
  std::string NewRun() {
    const std::string directory =
        absl::StrCat(testing::TempDir(), "/learner_test-", getpid(), "-", directories_.size());
    directories_.push_back(directory);
    fs::remove_all(directory);
    policy::ModelConfig config;
    config.vocab_size = 32;
    config.hidden_size = 16;
    config.intermediate_size = 32;
    config.num_hidden_layers = 1;
    config.num_attention_heads = 2;
    config.num_key_value_heads = 2;
    config.head_dim = 8;
    config.max_position_embeddings = 64;
    EXPECT_TRUE(
        WriteFileAtomically(directory + "/start/config.json", policy::ModelConfigJson(config))
            .ok());
    EXPECT_TRUE(WriteFileAtomically(directory + "/start/tokenizer.json", "{}").ok());
    EXPECT_TRUE(policy::WriteSafetensors(directory + "/start/model.safetensors",
                                         policy::RandomWeights(config, RandomKey(1)))
                    .ok());
    return directory;
  }

  std::unique_ptr<Learner> StartLearner(const FakeFleet& fleet, uint32_t rank = 0) {
    LearnerOptions options;
    options.coordinator = fleet.address();
    options.arm.rank = rank;
    options.arm.checkpoint_every = 2;
    options.arm.reduce_timeout = reduce_timeout_;
    options.arm.connect_timeout = connect_timeout_;
    auto learner = Learner::Start(options, metrics_);
    EXPECT_TRUE(learner.ok()) << learner.status();
    return *std::move(learner);
  }

  // What an undisturbed run of so many updates ends with.
  std::string Undisturbed(uint32_t ranks, uint64_t updates) {
    FakeFleet fleet(NewRun(), ranks, updates);
    std::vector<std::unique_ptr<Learner>> learners;
    for (uint32_t r = 0; r < ranks; ++r) learners.push_back(StartLearner(fleet, r));
    return fleet.DriveToTheEnd();
  }

  Metrics metrics_;
  absl::Duration connect_timeout_ = absl::Seconds(20), reduce_timeout_ = absl::Seconds(20);
  std::vector<std::string> directories_;
};

// A learner as a process of its own, to be killed without warning.
class Process {
 public:
  Process(const FakeFleet& fleet, uint32_t rank = 0) {
    const std::string binary =
        fs::read_symlink("/proc/self/exe").parent_path().string() + "/sojourn-learner";
    const std::vector<std::string> arguments = {binary,   "--coordinator",    fleet.address(),
                                                "--rank", absl::StrCat(rank), "--checkpoint-every",
                                                "2",      "--log-level",      "warning"};
    std::vector<char*> argv;
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    EXPECT_EQ(posix_spawn(&pid_, binary.c_str(), nullptr, nullptr, argv.data(), environ), 0)
        << binary;
  }
  ~Process() {
    if (pid_ > 0) Signal(SIGKILL);
  }
  int Signal(int signal) {  // and waits; the exit status
    int status = 0;
    kill(pid_, signal);
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
};

TEST_F(LearnerTest, EveryUpdateIsReportedOnceInOrderAndTheLastVersionSaved) {
  const std::string run = NewRun();
  FakeFleet fleet(run, 1, 5);
  auto learner = StartLearner(fleet);
  fleet.DriveToTheEnd();
  ASSERT_EQ(fleet.counted_.size(), 5);
  for (uint64_t u = 0; u < 5; ++u) {
    const v1::RankUpdate& update = fleet.counted_[u];
    EXPECT_EQ(update.update(), u);
    EXPECT_EQ(update.metrics().version(), u + 1);
    ASSERT_EQ(update.groups_size(), kGroupsPerUpdate);
    for (uint32_t i = 0; i < kGroupsPerUpdate; ++i)
      EXPECT_EQ(update.groups(i).group(), u * kGroupsPerUpdate + i);
  }
  EXPECT_TRUE(fs::exists(run + "/arms/only/models/final/tokenizer.json"));
  EXPECT_NE(fleet.final_sha256_, *policy::FileSha256(run + "/start/model.safetensors"));
  EXPECT_THAT(metrics_.Text(), HasSubstr("sojourn_learner_version 5"));
}

TEST_F(LearnerTest, ServesTheVersionsThatOutstandingGroupsName) {
  const std::string run = NewRun();
  FakeFleet fleet(run, 1, 3);
  auto learner = StartLearner(fleet);
  fleet.DriveToTheEnd();
  std::map<uint64_t, std::string> sha256;
  const auto ask = [&](uint64_t version) {
    auto stub = v1::WeightsService::NewStub(MakeChannel(learner->address()));
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(10));
    v1::WeightsRequest request;
    request.set_job_id(kJob);
    request.set_version(version);
    request.set_wait_ms(5000);
    v1::WeightsManifest manifest;
    const grpc::Status status = stub->GetManifest(&context, request, &manifest);
    return status.ok() ? manifest.sha256() : status.error_message();
  };
  EXPECT_THAT(ask(1), HasSubstr("version 1 is gone; here are versions [2, 3]"));
  const std::string two = ask(2), three = ask(3);
  EXPECT_NE(two, three);
  learner.reset();
  {
    std::lock_guard lock(fleet.mu_);
    fleet.final_sha256_.clear();
  }
  learner = StartLearner(fleet);  // the answer to "save" comes again, the same
  fleet.DriveToTheEnd();
  EXPECT_EQ(ask(2), two);
  EXPECT_EQ(ask(3), three);
}

TEST_F(LearnerTest, DestroyedAtAnyUpdateItMakesTheSameWeights) {
  const std::string expected = Undisturbed(1, 6);
  for (uint64_t at = 0; at < 6; ++at) {
    FakeFleet fleet(NewRun(), 1, 6);
    auto learner = StartLearner(fleet);
    fleet.Drive([&](FakeFleet& f) {
      return f.consumed_ >= at && f.delivered_.size() > at * kGroupsPerUpdate;
    });
    learner.reset();
    learner = StartLearner(fleet);
    EXPECT_EQ(fleet.DriveToTheEnd(), expected) << "destroyed at update " << at;
    EXPECT_EQ(fleet.counted_.size(), 6);
  }
}

TEST_F(LearnerTest, KilledWithoutWarningItMakesTheSameWeights) {
  const std::string expected = Undisturbed(1, 8);
  const uint64_t seed = absl::ToUnixNanos(absl::Now());
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  Random random{RandomKey(seed)};
  FakeFleet fleet(NewRun(), 1, 8);
  for (int kills = 0; kills < 4; ++kills) {
    Process process(fleet);
    const uint64_t target = std::min<uint64_t>(7, fleet.consumed_ + 1 + random.Below(2));
    const uint64_t groups = random.Below(kGroupsPerUpdate);
    fleet.Drive([&](FakeFleet& f) {
      return f.consumed_ >= target && f.delivered_.size() >= target * kGroupsPerUpdate + groups;
    });
    process.Signal(SIGKILL);
  }
  Process process(fleet);
  EXPECT_EQ(fleet.DriveToTheEnd(), expected);
  EXPECT_EQ(fleet.counted_.size(), 8);
}

TEST_F(LearnerTest, OnSigtermItCheckpointsAndExitsCleanly) {
  const std::string run = NewRun();
  FakeFleet fleet(run, 1, 9);
  Process process(fleet);
  fleet.Drive([](FakeFleet& f) { return f.consumed_ >= 3; });
  const int status = process.Signal(SIGTERM);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  const auto checkpoint = FindNewestCheckpoint(run + "/arms/only/checkpoints", kJob, 0);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_GE(checkpoint->state.version, 3);  // more when later updates were under way
}

TEST_F(LearnerTest, AKilledRankComesBackAndTheWeightsAreTheSame) {
  const std::string expected = Undisturbed(2, 4);
  FakeFleet fleet(NewRun(), 2, 4);
  auto rank0 = StartLearner(fleet, 0);
  auto rank1 = std::make_unique<Process>(fleet, 1);
  fleet.Drive(
      [](FakeFleet& f) { return f.consumed_ >= 2 && f.delivered_.size() > 2 * kGroupsPerUpdate; });
  rank1->Signal(SIGKILL);
  rank1 = std::make_unique<Process>(fleet, 1);
  EXPECT_EQ(fleet.DriveToTheEnd(), expected);
  // And the other way round: rank 0, which writes the checkpoints.
  FakeFleet second(NewRun(), 2, 4);
  auto first = std::make_unique<Process>(second, 0);
  auto other = StartLearner(second, 1);
  second.Drive([](FakeFleet& f) { return f.consumed_ >= 3; });
  first->Signal(SIGKILL);
  first = std::make_unique<Process>(second, 0);
  EXPECT_EQ(second.DriveToTheEnd(), expected);
}

TEST_F(LearnerTest, RanksThatCannotReachEachOtherAskForAnotherGeneration) {
  connect_timeout_ = absl::Milliseconds(500);
  FakeFleet fleet(NewRun(), 2, 2);
  fleet.unreachable_generation_ = 1;
  auto rank0 = StartLearner(fleet, 0), rank1 = StartLearner(fleet, 1);
  fleet.DriveToTheEnd();  // after a lease
  EXPECT_GT(fleet.generation_, 1);
}

TEST_F(LearnerTest, ARankWaitsForTheOthersGroupsAsLongAsTheyTake) {
  const std::string expected = Undisturbed(2, 2);
  reduce_timeout_ = absl::Milliseconds(300);
  FakeFleet fleet(NewRun(), 2, 2);
  fleet.slow_rank_ = 1;
  fleet.slow_until_ = absl::Now() + 5 * reduce_timeout_;
  auto rank0 = StartLearner(fleet, 0), rank1 = StartLearner(fleet, 1);
  EXPECT_EQ(fleet.DriveToTheEnd(), expected);
  EXPECT_EQ(fleet.generation_, 1);
}

TEST_F(LearnerTest, ReportsThatAreNotAcknowledgedComeAgain) {
  FakeFleet fleet(NewRun(), 1, 4);
  fleet.deaf_from_ = 1;  // what is reported then is lost with the coordinator
  auto learner = StartLearner(fleet);
  fleet.Drive([](FakeFleet& f) { return f.delivered_.size() == 3 * kGroupsPerUpdate; });
  fleet.Hear();
  fleet.Restart();
  fleet.DriveToTheEnd();
  EXPECT_EQ(fleet.counted_.size(), 4);
}

TEST_F(LearnerTest, AReportOutlivesItsProcessWhenTheCheckpointIsPastIt) {
  FakeFleet fleet(NewRun(), 1, 4);
  fleet.deaf_from_ = 1;
  auto learner = StartLearner(fleet);
  const std::string checkpoint =
      fleet.train().run_directory() + "/arms/only/checkpoints/version-00000002";
  fleet.Drive([&](FakeFleet&) { return fs::exists(checkpoint); });
  learner.reset();
  fleet.Hear();
  learner = StartLearner(fleet);
  fleet.DriveToTheEnd();
  EXPECT_EQ(fleet.counted_.size(), 4);
}

TEST_F(LearnerTest, HeartbeatsSayWhatIsMissing) {
  FakeFleet fleet(NewRun(), 1, 4);
  auto learner = StartLearner(fleet);
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  std::unique_lock lock(fleet.mu_);
  while (fleet.heartbeat_.waiting_for().find("group") == std::string::npos) {
    ASSERT_LT(absl::Now(), deadline) << fleet.heartbeat_.ShortDebugString();
    fleet.changed_.wait_for(lock, std::chrono::milliseconds(100));
  }
  EXPECT_EQ(fleet.heartbeat_.activity(), "waiting for trajectories");
  EXPECT_THAT(fleet.heartbeat_.waiting_for(), HasSubstr("update 0: group 0 (0 of 4 episodes)"));
}

TEST_F(LearnerTest, WhatCanNeverWorkFailsTheJob) {
  FakeFleet fleet(NewRun(), 1, 4);
  fleet.train().mutable_config()->mutable_policy()->set_model("/nowhere");
  auto learner = StartLearner(fleet);
  fleet.Drive([](FakeFleet& f) { return !f.failed_.empty(); });
  EXPECT_THAT(fleet.failed_, HasSubstr("/nowhere"));
}

}  // namespace
}  // namespace sojourn::learner
