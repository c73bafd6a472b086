// Takes trajectories from actors: checks, journals, acknowledges. The bytes go to the journal as
// they came, without being made again.
#ifndef SOJOURN_LEARNER_TRAJECTORY_SERVICE_H_
#define SOJOURN_LEARNER_TRAJECTORY_SERVICE_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>

#include "common/metrics.h"
#include "learner/ingest.h"
#include "learner/journal.h"
#include "sojourn/v1/trajectory.grpc.pb.h"

namespace sojourn::learner {

// Reading from a stream pauses while `kStreamBytes` of it, or some of it and `kTotalBytes` of all
// streams, are not in the journal yet: a slow disk slows senders instead of filling the memory.
// Batches are as large as what senders may have under way, so this also decides how well syncs are
// shared.
inline constexpr size_t kStreamBytes = 16 << 20;
inline constexpr size_t kTotalBytes = 256 << 20;

class TrajectoryService final
    : public v1::TrajectoryService::WithRawCallbackMethod_Stream<v1::TrajectoryService::Service> {
 public:
  explicit TrajectoryService(Metrics& metrics);
  ~TrajectoryService() override;

  // From now on trajectories go through these two. The ingest must outlive the journal.
  void Open(Ingest* ingest, Journal* journal);
  // Ends every stream with UNAVAILABLE (senders come back), as does whatever arrives until Open.
  // When it returns, nothing more is appended; the journal's callbacks still use the ingest.
  void Close();

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Stream(
      grpc::CallbackServerContext* context) override;

 private:
  class Reactor;
  void Take(const std::shared_ptr<Reactor>& stream, grpc::ByteBuffer& message);

  prometheus::Counter& taken_;
  prometheus::Counter& known_;
  prometheus::Counter& refused_;
  prometheus::Counter& bytes_;
  prometheus::Gauge& streams_gauge_;
  prometheus::Histogram& ack_seconds_;

  std::atomic<size_t> pending_bytes_{0};  // of all streams: read and not in the journal

  std::shared_mutex open_mu_;  // held shared while a message is taken
  Ingest* ingest_ = nullptr;
  Journal* journal_ = nullptr;

  std::mutex streams_mu_;
  std::set<std::shared_ptr<Reactor>> streams_;
};

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_TRAJECTORY_SERVICE_H_
