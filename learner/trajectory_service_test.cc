#include "learner/trajectory_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc.h"

namespace sojourn::learner {
namespace {

using ::testing::HasSubstr;

v1::Trajectory Episode(uint64_t group, uint32_t member, int tokens = 4) {
  v1::Trajectory t;
  t.mutable_name()->set_job_id("job");
  t.mutable_name()->set_group(group);
  t.set_member(member);
  t.set_group_size(2);
  for (int i = 0; i < tokens; ++i) {
    t.add_tokens(i);
    t.add_behavior_logprobs(-0.5f);
  }
  t.mutable_loss_mask()->assign(tokens, '\0');
  return t;
}

// Gates every sync; fails them when told to.
class SlowFiles : public JournalFiles {
 public:
  std::mutex gate;  // held: syncs wait
  std::atomic<bool> fail{false};

  absl::Status MakeDirectory(const std::string& path) override { return real_.MakeDirectory(path); }
  absl::StatusOr<std::vector<std::string>> List(const std::string& path) override {
    return real_.List(path);
  }
  absl::StatusOr<std::string> Read(const std::string& path) override { return real_.Read(path); }
  absl::StatusOr<std::unique_ptr<AppendFile>> Create(const std::string& path) override {
    auto file = real_.Create(path);
    if (!file.ok()) return file.status();
    return std::make_unique<File>(this, *std::move(file));
  }
  absl::Status Settle(const std::string& path, uint64_t bytes) override {
    return real_.Settle(path, bytes);
  }
  absl::Status Remove(const std::string& path) override { return real_.Remove(path); }
  absl::Status SyncDirectory(const std::string& path) override { return real_.SyncDirectory(path); }

 private:
  struct File : AppendFile {
    File(SlowFiles* files, std::unique_ptr<AppendFile> real)
        : files(files), real(std::move(real)) {}
    absl::Status Append(const std::vector<std::string_view>& parts) override {
      return real->Append(parts);
    }
    absl::Status Sync() override {
      std::lock_guard lock(files->gate);
      return files->fail ? absl::DataLossError("the disk is gone") : real->Sync();
    }
    SlowFiles* files;
    std::unique_ptr<AppendFile> real;
  };
  JournalFiles& real_ = PosixJournalFiles();
};

class TrajectoryServiceTest : public testing::Test {
 protected:
  TrajectoryServiceTest() {
    directory_ = testing::TempDir() + "/trajectory_service_test";
    std::filesystem::remove_all(directory_);
    server_ = *RpcServer::Start({&service_}, "localhost:0");
    stub_ =
        v1::TrajectoryService::NewStub(MakeChannel(absl::StrCat("localhost:", server_->port())));
  }
  ~TrajectoryServiceTest() override {
    Kill();
    std::filesystem::remove_all(directory_);
  }

  void StartArm(uint64_t first_update = 0) {
    IngestOptions options;
    options.job_id = "job";
    options.group_size = 2;
    options.groups_per_update = 2;
    options.max_staleness = 100;
    options.first_update = first_update;
    options.validate = [](const v1::Trajectory& t) {
      return t.loss_mask().size() == t.tokens_size() ? absl::OkStatus()
                                                     : absl::InvalidArgumentError("bad mask");
    };
    ingest_ = std::make_unique<Ingest>(options);
    replayed_ = 0;
    auto journal = Journal::Open(
        {directory_},
        [&](uint64_t, std::string_view payload) {
          v1::Trajectory t;
          ASSERT_TRUE(t.ParseFromArray(payload.data(), static_cast<int>(payload.size())));
          replayed_ += ingest_->Replay(std::move(t));
        },
        files_);
    ASSERT_TRUE(journal.ok()) << journal.status();
    journal_ = *std::move(journal);
    service_.Open(ingest_.get(), journal_.get());
  }
  // What is left of a process after SIGKILL: its files. (Queued records are written here; a real
  // kill may lose them, which the journal's own test shows.)
  void Kill() {
    service_.Close();
    journal_.reset();
    ingest_.reset();
  }

  struct Client {
    explicit Client(v1::TrajectoryService::Stub& stub) {
      SetTimeout(context, absl::Seconds(20));
      stream = stub.Stream(&context);
    }
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReaderWriter<v1::Trajectory, v1::TrajectoryAck>> stream;
    // Sends one and returns its ack's error, or "broken".
    std::string Send(const v1::Trajectory& t) {
      v1::TrajectoryAck ack;
      if (!stream->Write(t) || !stream->Read(&ack)) return "broken";
      EXPECT_EQ(ack.name().group(), t.name().group());
      EXPECT_EQ(ack.member(), t.member());
      return ack.error();
    }
  };

  std::string directory_;
  SlowFiles files_;
  Metrics metrics_;
  TrajectoryService service_{metrics_};
  std::unique_ptr<Ingest> ingest_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<v1::TrajectoryService::Stub> stub_;
  int replayed_ = 0;
};

TEST_F(TrajectoryServiceTest, AnAckMeansThatItIsJournaled) {
  StartArm();
  Client client(*stub_);
  EXPECT_EQ(client.Send(Episode(0, 0)), "");
  EXPECT_EQ(client.Send(Episode(1, 1, 10000)), "");
  client.stream->WritesDone();
  EXPECT_TRUE(client.stream->Finish().ok());
  Kill();
  StartArm();
  EXPECT_EQ(replayed_, 2);
}

TEST_F(TrajectoryServiceTest, NoAckBeforeTheSync) {
  StartArm();
  files_.gate.lock();
  Client client(*stub_);
  ASSERT_TRUE(client.stream->Write(Episode(0, 0)));
  v1::TrajectoryAck ack;
  std::atomic<bool> acked{false};
  std::thread reader([&] { acked = client.stream->Read(&ack); });
  while (journal_->stats().queued_records == 0) std::this_thread::yield();
  EXPECT_FALSE(acked);
  files_.gate.unlock();
  reader.join();
  EXPECT_TRUE(acked);
}

TEST_F(TrajectoryServiceTest, TwiceIsAcknowledgedTwiceAndUsedOnce) {
  StartArm();
  for (int stream = 0; stream < 2; ++stream) {
    Client client(*stub_);
    EXPECT_EQ(client.Send(Episode(0, 0)), "");
    EXPECT_EQ(client.Send(Episode(0, 0)), "");
  }
  EXPECT_EQ(ingest_->waiting_trajectories(), 1);
  EXPECT_EQ(journal_->stats().records, 1);
}

TEST_F(TrajectoryServiceTest, RefusalsComeAsAcksAndTheStreamGoesOn) {
  StartArm();
  Client client(*stub_);
  v1::Trajectory bad = Episode(0, 0);
  bad.mutable_loss_mask()->pop_back();
  EXPECT_THAT(client.Send(bad), HasSubstr("bad mask"));
  v1::Trajectory other = Episode(0, 0);
  other.mutable_name()->set_job_id("other");
  EXPECT_THAT(client.Send(other), HasSubstr("this learner trains (job, arm 0)"));
  EXPECT_THAT(client.Send(Episode(100000, 0)), HasSubstr("beyond the window"));
  EXPECT_EQ(client.Send(Episode(0, 0)), "");
}

TEST_F(TrajectoryServiceTest, WithoutAnArmSendersAreToldToComeBack) {
  Client client(*stub_);
  EXPECT_EQ(client.Send(Episode(0, 0)), "broken");
  EXPECT_EQ(client.stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TrajectoryServiceTest, ClosingEndsOpenStreams) {
  StartArm();
  Client client(*stub_);
  EXPECT_EQ(client.Send(Episode(0, 0)), "");
  Kill();
  v1::TrajectoryAck ack;
  EXPECT_FALSE(client.stream->Read(&ack));
  EXPECT_EQ(client.stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TrajectoryServiceTest, AFailedSyncBreaksTheStreamAndNothingIsUsed) {
  StartArm();
  files_.fail = true;
  {
    Client client(*stub_);
    EXPECT_EQ(client.Send(Episode(0, 0)), "broken");
    EXPECT_EQ(client.stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  }
  EXPECT_EQ(ingest_->waiting_trajectories(), 0);
  files_.fail = false;
  Client client(*stub_);
  EXPECT_EQ(client.Send(Episode(0, 0)), "");
}

TEST_F(TrajectoryServiceTest, NotATrajectoryIsInvalid) {
  StartArm();
  grpc::ClientContext context;
  SetTimeout(context, absl::Seconds(20));
  auto channel = MakeChannel(absl::StrCat("localhost:", server_->port()));
  grpc::internal::RpcMethod method("/sojourn.v1.TrajectoryService/Stream",
                                   grpc::internal::RpcMethod::BIDI_STREAMING, channel);
  std::unique_ptr<grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream(
      grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>::Create(
          channel.get(), method, &context));
  const std::string broken("\x0a\x7f", 2);  // field 1 promises 127 bytes that are not there
  const grpc::Slice bytes(broken);
  ASSERT_TRUE(stream->Write(grpc::ByteBuffer(&bytes, 1)));
  grpc::ByteBuffer answer;
  EXPECT_FALSE(stream->Read(&answer));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(TrajectoryServiceTest, ManyStreamsManyMembersNothingLost) {
  StartArm();
  constexpr int kStreams = 4, kGroups = 100;
  std::vector<std::thread> senders;
  for (int s = 0; s < kStreams; ++s) {
    senders.emplace_back([&, s] {
      Client client(*stub_);
      std::thread reader([&] {
        v1::TrajectoryAck ack;
        for (int i = 0; i < kGroups; ++i) {
          ASSERT_TRUE(client.stream->Read(&ack));
          EXPECT_EQ(ack.error(), "");
        }
      });
      // Streams s and s + 2 send the same ones.
      for (int g = 0; g < kGroups; ++g) EXPECT_TRUE(client.stream->Write(Episode(g, s % 2, 5000)));
      client.stream->WritesDone();
      reader.join();
      EXPECT_TRUE(client.stream->Finish().ok());
    });
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(ingest_->WholeGroups().size(), kGroups);
  Kill();
  StartArm();
  EXPECT_EQ(replayed_, kGroups * 2);
  EXPECT_THAT(metrics_.Text(),
              HasSubstr("sojourn_learner_trajectories_total{result=\"taken\"} 200"));
}

TEST_F(TrajectoryServiceTest, ASlowDiskPausesTheSenderInsteadOfFillingMemory) {
  StartArm();
  files_.gate.lock();
  Client client(*stub_);
  constexpr int kMessages = 60;  // of about 1 MB
  std::atomic<int> sent{0};
  std::thread sender([&] {
    for (int g = 0; g < kMessages; ++g) {
      EXPECT_TRUE(client.stream->Write(Episode(g, 0, 140000)));
      ++sent;
    }
  });
  // What gRPC's own windows hold comes on top of kStreamBytes; far less than all of it.
  const absl::Time until = absl::Now() + absl::Milliseconds(300);
  while (absl::Now() < until) std::this_thread::yield();
  EXPECT_LT(journal_->stats().queued_bytes, kStreamBytes + (2 << 20));
  EXPECT_LT(sent, kMessages);
  files_.gate.unlock();
  v1::TrajectoryAck ack;
  for (int i = 0; i < kMessages; ++i) EXPECT_TRUE(client.stream->Read(&ack));
  sender.join();
}

}  // namespace
}  // namespace sojourn::learner
