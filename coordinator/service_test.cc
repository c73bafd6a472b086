#include "coordinator/service.h"

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/bidi_stream.h"
#include "coordinator/test_fleet.h"

namespace sojourn::coordinator {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(30);

// A coordinator that serves on loopback and can be killed and started again on the same store and
// port.
class ServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    spdlog::set_level(spdlog::level::off);
    std::filesystem::remove_all(folder_);
    Start("127.0.0.1:0");
  }
  void TearDown() override {
    Stop();
    std::filesystem::remove_all(folder_);
  }
  void Start(const std::string& address) {
    auto store = Store::Open(folder_ + "/coordinator.sqlite");
    ASSERT_TRUE(store.ok()) << store.status();
    CoordinatorOptions options;
    options.runs_directory = folder_ + "/runs";
    options.validate = [](const v1::JobConfig& config) {
      return config.arms_size() > 0 ? absl::OkStatus()
                                    : absl::InvalidArgumentError("arms: missing");
    };
    options.count_tasks = [](const v1::JobConfig&) { return TestCounts(); };
    auto coordinator = Coordinator::Open(*std::move(store), options, metrics_);
    ASSERT_TRUE(coordinator.ok()) << coordinator.status();
    coordinator_ = *std::move(coordinator);
    auto server = CoordinatorServer::Start(*coordinator_, metrics_, address);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    address_ = absl::StrCat("127.0.0.1:", server_->port());
  }
  void Stop() {
    server_.reset();
    coordinator_.reset();
  }
  std::unique_ptr<v1::JobService::Stub> Jobs() {
    return v1::JobService::NewStub(MakeChannel(address_));
  }
  absl::StatusOr<std::string> Submit(const v1::JobConfig& config) {
    grpc::ClientContext context;
    SetTimeout(context, kLong);
    context.set_wait_for_ready(true);
    v1::SubmitRequest request;
    *request.mutable_config() = config;
    v1::SubmitResponse response;
    const grpc::Status status = Jobs()->Submit(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response.job_id();
  }

  // Follows the newest job until `go_on` says no or the job has ended.
  void Watch(const std::function<bool(const v1::JobStatus&)>& go_on) {
    grpc::ClientContext context;
    SetTimeout(context, kLong);
    context.set_wait_for_ready(true);
    const auto jobs = Jobs();
    auto reader = jobs->Watch(&context, v1::WatchRequest());
    v1::JobStatus status;
    while (reader->Read(&status)) {
      if (go_on(status)) continue;
      context.TryCancel();
      return;
    }
    EXPECT_TRUE(reader->Finish().ok());
  }

  const std::string folder_ = ::testing::TempDir() + "sojourn_service_" + std::to_string(getpid()) + "_" +
                              ::testing::UnitTest::GetInstance()->current_test_info()->name();
  Metrics metrics_;
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<CoordinatorServer> server_;
  std::string address_;
};

// Members with real streams: each answers what it hears at once, and comes back when its stream
// breaks. What learners keep is shared memory here; trajectories need no stream of their own.
struct Disk {
  std::mutex mu;
  std::condition_variable changed;
  std::map<uint32_t, std::map<uint64_t, v1::GroupConsumed>> journal;  // by arm
};

class StreamLearner {
 public:
  using Stream = BidiClient<v1::LearnerMessage, v1::CoordinatorToLearner>;
  StreamLearner(std::string address, Disk& disk) : disk_(disk), address_(std::move(address)) {
    thread_ = std::thread([this] { Run(); });
  }
  ~StreamLearner() {
    {
      std::lock_guard lock(disk_.mu);
      stop_ = true;
    }
    disk_.changed.notify_all();
    thread_.join();
  }

 private:
  void Run() {
    while (true) {
      {
        std::lock_guard lock(disk_.mu);
        if (stop_) return;
        inbox_.clear();
        over_ = false;
        train_.reset();
      }
      auto stub = v1::FleetService::NewStub(MakeChannel(address_));
      Stream stream(
          [&](auto* context, auto* reactor) {
            context->set_wait_for_ready(true);
            stub->async()->Learn(context, reactor);
          },
          {.on_read =
               [this](v1::CoordinatorToLearner message) {
                 std::lock_guard lock(disk_.mu);
                 inbox_.push_back(std::move(message));
                 disk_.changed.notify_all();
               },
           .on_done =
               [this](const absl::Status&) {
                 std::lock_guard lock(disk_.mu);
                 over_ = true;
                 disk_.changed.notify_all();
               }});
      v1::LearnerMessage hello;
      hello.mutable_hello()->set_address("nowhere:1");
      stream.Write(hello).IgnoreError();
      Work(stream);
    }
  }

  void Work(Stream& stream) {
    std::unique_lock lock(disk_.mu);
    while (!stop_ && !over_) {
      while (!inbox_.empty()) {
        const v1::CoordinatorToLearner message = inbox_.front();
        inbox_.pop_front();
        if (message.has_train()) {
          train_ = message.train();
          version_ = 0;  // no checkpoints of its own: the journal is replayed from the beginning
          v1::LearnerMessage ready;
          ready.mutable_ready()->set_job_id(train_->job_id());
          ready.mutable_ready()->set_arm(train_->arm());
          ready.mutable_ready()->set_generation(train_->generation());
          for (const auto& [group, consumed] : disk_.journal[train_->arm()]) {
            ready.mutable_ready()->add_journaled_groups(group);
          }
          stream.Write(ready).IgnoreError();
        } else if (message.has_save()) {
          save_ = message.save();
        }
      }
      if (train_.has_value()) Train(stream);
      if (save_.has_value() && train_.has_value() && save_->version() == version_ &&
          save_->arm() == train_->arm()) {
        v1::LearnerMessage saved;
        saved.mutable_checkpoint()->set_job_id(save_->job_id());
        saved.mutable_checkpoint()->set_arm(save_->arm());
        saved.mutable_checkpoint()->set_version(save_->version());
        saved.mutable_checkpoint()->set_label(save_->label());
        stream.Write(saved).IgnoreError();
        save_.reset();
      }
      disk_.changed.wait_for(lock, std::chrono::milliseconds(500));
      v1::LearnerMessage beat;
      beat.mutable_heartbeat();
      stream.Write(beat).IgnoreError();
    }
  }

  void Train(Stream& stream) {
    const uint64_t per_update = train_->config().rollout().groups_per_update();
    auto& journal = disk_.journal[train_->arm()];
    while (true) {
      v1::LearnerMessage message;
      v1::RankUpdate& update = *message.mutable_update();
      for (uint64_t i = 0; i < per_update; ++i) {
        const auto group = journal.find(version_ * per_update + i);
        if (group == journal.end()) return;
        *update.add_groups() = group->second;
      }
      update.set_job_id(train_->job_id());
      update.set_arm(train_->arm());
      update.set_update(version_++);
      stream.Write(message).IgnoreError();
    }
  }

  Disk& disk_;
  const std::string address_;
  // Guarded by disk_.mu.
  bool stop_ = false, over_ = false;
  std::deque<v1::CoordinatorToLearner> inbox_;
  std::optional<v1::TrainArm> train_;
  std::optional<v1::SaveCheckpoint> save_;
  uint64_t version_ = 0;
  std::thread thread_;
};

// Plays every assignment as soon as it comes; what was not acknowledged is sent again on a new
// stream.
class StreamActor {
 public:
  using Stream = BidiClient<v1::ActorMessage, v1::CoordinatorToActor>;
  StreamActor(std::string address, std::string name, Disk& disk)
      : disk_(disk), address_(std::move(address)), name_(std::move(name)) {
    thread_ = std::thread([this] { Run(); });
  }
  ~StreamActor() {
    {
      std::lock_guard lock(mu_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

 private:
  void Run() {
    while (true) {
      {
        std::lock_guard lock(mu_);
        if (stop_) return;
        inbox_.clear();
        over_ = false;
      }
      auto stub = v1::FleetService::NewStub(MakeChannel(address_));
      Stream stream(
          [&](auto* context, auto* reactor) {
            context->set_wait_for_ready(true);
            stub->async()->Act(context, reactor);
          },
          {.on_read =
               [this](v1::CoordinatorToActor message) {
                 std::lock_guard lock(mu_);
                 inbox_.push_back(std::move(message));
                 changed_.notify_all();
               },
           .on_done =
               [this](const absl::Status&) {
                 std::lock_guard lock(mu_);
                 over_ = true;
                 changed_.notify_all();
               }});
      v1::ActorMessage hello, credits;
      hello.mutable_hello()->set_actor(name_);
      credits.set_credits(3);
      stream.Write(hello).IgnoreError();
      stream.Write(credits).IgnoreError();
      for (const auto& [key, result] : unacknowledged_) {
        v1::ActorMessage message;
        *message.mutable_result() = result;
        stream.Write(message).IgnoreError();
      }
      std::unique_lock lock(mu_);
      while (!stop_ && !over_) {
        changed_.wait_for(lock, std::chrono::milliseconds(500),
                          [&] { return stop_ || over_ || !inbox_.empty(); });
        std::deque<v1::CoordinatorToActor> inbox;
        inbox.swap(inbox_);
        lock.unlock();
        for (const v1::CoordinatorToActor& message : inbox) Handle(stream, message);
        v1::ActorMessage beat;
        beat.mutable_heartbeat();
        stream.Write(beat).IgnoreError();
        lock.lock();
      }
    }
  }

  static std::string Key(const v1::GroupName& name, uint32_t row, uint32_t member) {
    return absl::StrCat(name.arm(), " ", row, " ", name.group(), " ", member);
  }

  void Handle(Stream& stream, const v1::CoordinatorToActor& message) {
    if (message.has_episode_ack()) {
      const v1::EpisodeAck& ack = message.episode_ack();
      unacknowledged_.erase(Key(ack.name(), ack.row(), ack.member()));
    }
    if (!message.has_assignment()) return;
    const v1::Assignment& a = message.assignment();
    if (a.evaluation()) {
      for (uint32_t member = 0; member < a.episodes(); ++member) {
        v1::ActorMessage result;
        *result.mutable_result() = PlayEpisode(a, member);
        unacknowledged_[Key(a.name(), a.row(), member)] = result.result();
        stream.Write(result).IgnoreError();
      }
    } else {
      {
        std::lock_guard lock(disk_.mu);
        disk_.journal[a.name().arm()][a.name().group()] = PlayGroup(a);
      }
      disk_.changed.notify_all();
      v1::ActorMessage delivered;
      *delivered.mutable_delivered()->mutable_name() = a.name();
      stream.Write(delivered).IgnoreError();
    }
    v1::ActorMessage credits;
    credits.set_credits(1);
    stream.Write(credits).IgnoreError();
  }

  Disk& disk_;
  const std::string address_, name_;
  std::map<std::string, v1::EpisodeResult> unacknowledged_;  // used by thread_ alone
  std::mutex mu_;                                            // guards what follows
  std::condition_variable changed_;
  bool stop_ = false, over_ = false;
  std::deque<v1::CoordinatorToActor> inbox_;
  std::thread thread_;
};

TEST_F(ServiceTest, AWholeJobRunsThroughKillsOfTheCoordinator) {
  v1::JobConfig config = TestConfig();
  config.mutable_resources()->set_learner_ranks(1);
  std::vector<std::string> measured;
  for (const int kills : {0, 4}) {
    SCOPED_TRACE(absl::StrCat(kills, " kills"));
    Disk disk;
    ASSERT_TRUE(Submit(config).ok());
    {
      StreamLearner learner(address_, disk);
      StreamActor a(address_, "a", disk), b(address_, "b", disk);
      for (int i = 0; i < kills; ++i) {
        // Each time a little further: whatever is under way when the goal is seen is cut off.
        const double goal = coordinator_->Get("")->progress().work_done() + 0.15;
        Watch([&](const v1::JobStatus& status) { return status.progress().work_done() < goal; });
        const std::string address = address_;
        Stop();
        Start(address);
      }
      Watch([](const v1::JobStatus&) { return true; });
    }
    const v1::JobStatus status = *coordinator_->Get("");
    ASSERT_EQ(status.state(), v1::SUCCEEDED) << status.ShortDebugString();
    v1::Results results = *coordinator_->Report("");
    results.clear_status();
    for (v1::ArmResults& arm : *results.mutable_arms()) {
      for (v1::UpdateRecord& update : *arm.mutable_updates()) update.clear_seconds();
    }
    measured.push_back(results.DebugString());
  }
  EXPECT_EQ(measured[0], measured[1]);
}

TEST_F(ServiceTest, FaultsAndUnknownJobsComeAsStatus) {
  const auto job = Submit(v1::JobConfig());
  EXPECT_EQ(job.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(job.status().ToString(), HasSubstr("arms: missing"));
  grpc::ClientContext context;
  SetTimeout(context, kLong);
  context.set_wait_for_ready(true);
  v1::JobStatus status;
  const grpc::Status got = Jobs()->Get(&context, v1::GetRequest(), &status);
  EXPECT_EQ(got.error_code(), grpc::StatusCode::NOT_FOUND) << got.error_message();
}

TEST_F(ServiceTest, AJobIsListedPausedResumedCancelledAndReported) {
  ASSERT_EQ(*Submit(TestConfig()), "test");
  const auto jobs = Jobs();
  const auto call = [&](auto method, auto request) {
    grpc::ClientContext context;
    SetTimeout(context, kLong);
    v1::JobStatus status;
    const grpc::Status result = (jobs.get()->*method)(&context, request, &status);
    EXPECT_TRUE(result.ok()) << result.error_message();
    return status.state();
  };
  EXPECT_EQ(call(&v1::JobService::Stub::Get, v1::GetRequest()), v1::RUNNING);
  EXPECT_EQ(call(&v1::JobService::Stub::Pause, v1::PauseRequest()), v1::PAUSED);
  EXPECT_EQ(call(&v1::JobService::Stub::Resume, v1::ResumeRequest()), v1::RUNNING);
  EXPECT_EQ(call(&v1::JobService::Stub::Cancel, v1::CancelRequest()), v1::CANCELLED);
  grpc::ClientContext list_context, report_context;
  v1::ListResponse list;
  ASSERT_TRUE(jobs->List(&list_context, v1::ListRequest(), &list).ok());
  ASSERT_EQ(list.jobs_size(), 1);
  EXPECT_EQ(list.jobs(0).progress().arms(), 2);
  v1::ReportResponse report;
  ASSERT_TRUE(jobs->Report(&report_context, v1::ReportRequest(), &report).ok());
  EXPECT_EQ(report.results().status().state(), v1::CANCELLED);
  EXPECT_THAT(metrics_.Text(), HasSubstr("sojourn_rpc_seconds_count{method=\"Pause\"} 1"));
}

TEST_F(ServiceTest, AWatchEndsWithTheJobAndSurvivesClientsThatLeave) {
  ASSERT_TRUE(Submit(TestConfig()).ok());
  const auto jobs = Jobs();
  {
    grpc::ClientContext context;
    SetTimeout(context, kLong);
    auto reader = jobs->Watch(&context, v1::WatchRequest());
    v1::JobStatus status;
    ASSERT_TRUE(reader->Read(&status));
    EXPECT_EQ(status.state(), v1::RUNNING);
    context.TryCancel();
    while (reader->Read(&status)) {
    }
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  grpc::ClientContext context;
  SetTimeout(context, kLong);
  auto reader = jobs->Watch(&context, v1::WatchRequest());
  v1::JobStatus status;
  ASSERT_TRUE(reader->Read(&status));
  ASSERT_TRUE(coordinator_->Cancel("").ok());
  while (reader->Read(&status)) {
  }
  EXPECT_EQ(status.state(), v1::CANCELLED);
  EXPECT_TRUE(reader->Finish().ok());
}

}  // namespace
}  // namespace sojourn::coordinator
