// How fast trajectories are taken: bytes a second over loopback with the whole service (check,
// journal, sync, acknowledge) beside the same messages over bare gRPC (read, acknowledge), in
// turns.
//
//   learner_delivery_bench [message bytes = 65536] [seconds per round = 2] [rounds = 5] [directory
//   = .]
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/bidi_stream.h"
#include "common/rpc.h"
#include "learner/trajectory_service.h"

namespace sojourn::learner {
namespace {

constexpr uint32_t kGroupSize = 8;

class BareService : public v1::TrajectoryService::CallbackService {
  using Server = BidiServer<v1::Trajectory, v1::TrajectoryAck>;
  grpc::ServerBidiReactor<v1::Trajectory, v1::TrajectoryAck>* Stream(
      grpc::CallbackServerContext* context) override {
    return Server::Accept(
        context,
        [](std::shared_ptr<Server> stream) {
          return Server::Handlers{[stream](v1::Trajectory trajectory) {
            v1::TrajectoryAck ack;
            *ack.mutable_name() = trajectory.name();
            ack.set_member(trajectory.member());
            (void)stream->Write(std::move(ack));
          }};
        },
        BidiOptions{.max_queued = 1 << 20});
  }
};

// Sends for `seconds` with at most 256 messages not acknowledged; bytes a second.
double Send(int port, size_t message_bytes, double seconds, uint64_t& next) {
  v1::Trajectory trajectory;
  trajectory.mutable_name()->set_job_id("job");
  trajectory.set_group_size(kGroupSize);
  while (trajectory.ByteSizeLong() < message_bytes) {  // 2 + 1 + 4 bytes a token
    trajectory.add_tokens(300 + trajectory.tokens_size() % 10000);
    trajectory.mutable_loss_mask()->push_back(0);
    trajectory.add_behavior_logprobs(-0.5f);
  }
  auto stub = v1::TrajectoryService::NewStub(MakeChannel(absl::StrCat("localhost:", port)));
  grpc::ClientContext context;
  auto stream = stub->Stream(&context);
  std::mutex mu;
  std::condition_variable changed;
  uint64_t sent = 0, acked = 0;
  std::thread reader([&] {
    v1::TrajectoryAck ack;
    while (stream->Read(&ack)) {
      if (!ack.error().empty()) std::fprintf(stderr, "refused: %s\n", ack.error().c_str());
      std::lock_guard lock(mu);
      ++acked;
      changed.notify_one();
    }
  });
  const absl::Time start = absl::Now();
  while (absl::Now() - start < absl::Seconds(seconds)) {
    trajectory.mutable_name()->set_group(next / kGroupSize);
    trajectory.set_member(next++ % kGroupSize);
    {
      std::unique_lock lock(mu);
      changed.wait(lock, [&] { return sent - acked < 256; });
    }
    if (!stream->Write(trajectory)) break;
    ++sent;
  }
  stream->WritesDone();
  reader.join();
  const double elapsed = absl::ToDoubleSeconds(absl::Now() - start);
  if (!stream->Finish().ok() || acked != sent)
    std::fprintf(stderr, "sent %lu, acknowledged %lu\n", sent, acked);
  return static_cast<double>(acked * trajectory.ByteSizeLong()) / elapsed;
}

void Run(size_t message_bytes, double seconds, int rounds, const std::string& directory) {
  BareService bare;
  Metrics metrics;
  TrajectoryService service(metrics);
  auto bare_server = RpcServer::Start({&bare}, "localhost:0");
  auto server = RpcServer::Start({&service}, "localhost:0");
  std::vector<double> with[2], without;
  std::printf("%zu-byte messages, MB/s: bare gRPC | journal, synced | journal, not synced\n",
              message_bytes);
  for (int round = 0; round < rounds; ++round) {
    uint64_t ignored = 0;
    without.push_back(Send((*bare_server)->port(), message_bytes, seconds, ignored) / 1e6);
    std::printf("%8.0f", without.back());
    for (const bool sync : {true, false}) {
      IngestOptions options;
      options.job_id = "job";
      options.group_size = kGroupSize;
      options.groups_per_update = 4;
      options.max_staleness = 1 << 20;
      options.validate = [](const v1::Trajectory& t) {
        return t.tokens_size() == t.behavior_logprobs_size() ? absl::OkStatus()
                                                             : absl::InvalidArgumentError("sizes");
      };
      Ingest ingest(options);
      const std::string path = directory + "/delivery_bench_journal";
      JournalOptions journal_options{path};
      journal_options.sync = sync;
      auto journal = Journal::Open(journal_options, [](uint64_t, std::string_view) {});
      if (!journal.ok()) {
        std::fprintf(stderr, "%s\n", journal.status().ToString().c_str());
        std::exit(1);
      }
      service.Open(&ingest, journal->get());
      std::atomic<bool> over{false};
      std::thread user([&] {  // groups are used as they become whole, as in training
        for (uint64_t update = 0; !over;) {
          if (ingest.WaitForUpdate(update, absl::Now() + absl::Seconds(1)).ok()) ++update;
        }
      });
      uint64_t next = 0;
      with[sync].push_back(Send((*server)->port(), message_bytes, seconds, next) / 1e6);
      const Journal::Stats stats = (*journal)->stats();
      over = true;
      ingest.Interrupt();
      user.join();
      service.Close();
      journal->reset();
      std::filesystem::remove_all(path);
      std::printf(" %8.0f (%lu records, %lu syncs)", with[sync].back(), stats.records, stats.syncs);
    }
    std::printf("\n");
  }
  const auto median = [](std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  };
  const double base = median(without);
  std::printf("median: %.0f | %.0f (%.0f%%) | %.0f (%.0f%%)\n", base, median(with[1]),
              100 * median(with[1]) / base, median(with[0]), 100 * median(with[0]) / base);
}

}  // namespace
}  // namespace sojourn::learner

int main(int argc, char** argv) {
  const auto number = [&](int i, double otherwise) {
    return argc > i ? std::atof(argv[i]) : otherwise;
  };
  sojourn::learner::Run(static_cast<size_t>(number(1, 65536)), number(2, 2),
                        static_cast<int>(number(3, 5)), argc > 4 ? argv[4] : ".");
  return 0;
}
