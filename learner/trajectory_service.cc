#include "learner/trajectory_service.h"

#include <grpcpp/support/proto_buffer_reader.h>

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/grpc_status.h"

namespace sojourn::learner {
namespace {

// The message's bytes without copying them: the cord keeps gRPC's slices.
absl::Cord ToCord(const grpc::ByteBuffer& message) {
  std::vector<grpc::Slice> slices;
  absl::Cord cord;
  if (!message.Dump(&slices).ok()) return cord;
  for (grpc::Slice& slice : slices) {
    const absl::string_view bytes(reinterpret_cast<const char*>(slice.begin()), slice.size());
    if (bytes.size() < 512) {
      cord.Append(bytes);
    } else {
      cord.Append(absl::MakeCordFromExternal(bytes, [kept = std::move(slice)] {}));
    }
  }
  return cord;
}

grpc::ByteBuffer MakeAck(const v1::GroupName& name, uint32_t member, const std::string& error) {
  v1::TrajectoryAck ack;
  *ack.mutable_name() = name;
  ack.set_member(member);
  ack.set_error(error);
  const grpc::Slice slice(ack.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace

// One sender's stream. It owns itself until OnDone; the service and the journal's callbacks share
// it.
class TrajectoryService::Reactor
    : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  Reactor(TrajectoryService* service, grpc::CallbackServerContext* context)
      : service_(service), context_(context) {}

  void Start(std::shared_ptr<Reactor> self) {
    self_ = std::move(self);
    StartRead(&incoming_);
  }

  // `bytes` more, or fewer, have been read and not journaled.
  void AddPending(size_t bytes) {
    service_->pending_bytes_ += bytes;
    std::lock_guard lock(mu_);
    pending_ += bytes;
  }
  void RemovePending(size_t bytes) {
    service_->pending_bytes_ -= bytes;
    std::unique_lock lock(mu_);
    pending_ -= bytes;
    if (paused_ && !MustPause() && !ending_ && !over_) {
      paused_ = false;
      busy_ = true;  // no Finish while the read is being started
      lock.unlock();
      StartRead(&incoming_);
      lock.lock();
      busy_ = false;
    }
    FinishIfIdle(lock);
  }

  void Ack(grpc::ByteBuffer ack) {
    {
      std::lock_guard lock(mu_);
      if (over_ || finished_) return;
      acks_.push_back(std::move(ack));
      if (writing_) return;
      writing_ = true;
    }
    StartWrite(&acks_.front());
  }

  // Ends the stream with `status` after the acks that are queued. Only the first call counts.
  void End(const absl::Status& status) {
    std::unique_lock lock(mu_);
    if (ending_) return;
    ending_ = true;
    status_ = status;
    FinishIfIdle(lock);
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) {
      std::unique_lock lock(mu_);
      half_closed_ = true;
      return FinishIfIdle(lock);
    }
    const std::shared_ptr<Reactor> self = self_;
    service_->Take(self, incoming_);
    {
      std::lock_guard lock(mu_);
      if (ending_ || over_) return;
      if (MustPause()) {
        paused_ = true;
        return;
      }
    }
    StartRead(&incoming_);
  }

  // Only a stream with something under way may pause: what is under way wakes it.
  bool MustPause() const {
    return pending_ >= kStreamBytes || (pending_ > 0 && service_->pending_bytes_ >= kTotalBytes);
  }

  void OnWriteDone(bool ok) override {
    grpc::WriteOptions options;
    {
      std::unique_lock lock(mu_);
      acks_.pop_front();
      over_ |= !ok;
      if (over_ || acks_.empty()) {
        writing_ = false;
        return FinishIfIdle(lock);
      }
      if (acks_.size() > 1)
        options.set_buffer_hint();  // another follows at once: one packet for many
    }
    StartWrite(&acks_.front(), options);
  }

  void OnCancel() override {
    std::unique_lock lock(mu_);
    over_ = true;
    FinishIfIdle(lock);
  }

  void OnDone() override {
    {
      std::lock_guard lock(service_->streams_mu_);
      service_->streams_.erase(self_);
      service_->streams_gauge_.Set(static_cast<double>(service_->streams_.size()));
    }
    const std::shared_ptr<Reactor> self = std::move(self_);
  }

  void FinishIfIdle(std::unique_lock<std::mutex>& lock) {
    if (finished_ || writing_ || busy_) return;
    const bool drained = half_closed_ && pending_ == 0;
    if (!over_ && !ending_ && !drained) return;
    finished_ = true;
    const grpc::Status status = over_ ? grpc::Status::CANCELLED : ToGrpcStatus(status_);
    lock.unlock();
    Finish(status);
    lock.lock();
  }

  TrajectoryService* const service_;
  grpc::CallbackServerContext* const context_;
  grpc::ByteBuffer incoming_;
  std::shared_ptr<Reactor> self_;  // until OnDone

  std::mutex mu_;                      // guards what follows
  std::deque<grpc::ByteBuffer> acks_;  // the front one is being written if writing_
  absl::Status status_;
  size_t pending_ = 0;  // bytes read and not journaled
  bool paused_ = false, writing_ = false, busy_ = false;
  bool half_closed_ = false, ending_ = false, over_ = false, finished_ = false;
};

TrajectoryService::TrajectoryService(Metrics& metrics)
    : taken_(metrics.Counter("sojourn_learner_trajectories_total", "Trajectories received.",
                             {{"result", "taken"}})),
      known_(metrics.Counter("sojourn_learner_trajectories_total", "Trajectories received.",
                             {{"result", "known"}})),
      refused_(metrics.Counter("sojourn_learner_trajectories_total", "Trajectories received.",
                               {{"result", "refused"}})),
      bytes_(metrics.Counter("sojourn_learner_trajectory_bytes_total",
                             "Bytes of trajectories received.")),
      streams_gauge_(metrics.Gauge("sojourn_learner_trajectory_streams", "Actors' open streams.")),
      ack_seconds_(
          metrics.Histogram("sojourn_learner_ack_seconds",
                            "From a trajectory's arrival to its acknowledgement, journal included.",
                            SecondsBuckets())) {}

TrajectoryService::~TrajectoryService() = default;

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* TrajectoryService::Stream(
    grpc::CallbackServerContext* context) {
  auto stream = std::make_shared<Reactor>(this, context);
  {
    std::lock_guard lock(streams_mu_);
    streams_.insert(stream);
    streams_gauge_.Set(static_cast<double>(streams_.size()));
  }
  stream->Start(stream);
  return stream.get();
}

void TrajectoryService::Open(Ingest* ingest, Journal* journal) {
  std::unique_lock lock(open_mu_);
  ingest_ = ingest;
  journal_ = journal;
}

void TrajectoryService::Close() {
  {
    std::unique_lock lock(open_mu_);
    ingest_ = nullptr;
    journal_ = nullptr;
  }
  std::set<std::shared_ptr<Reactor>> streams;
  {
    std::lock_guard lock(streams_mu_);
    streams = streams_;
  }
  for (const std::shared_ptr<Reactor>& stream : streams) {
    stream->End(
        absl::UnavailableError("the learner has stopped training this arm for now; send again"));
  }
}

void TrajectoryService::Take(const std::shared_ptr<Reactor>& stream, grpc::ByteBuffer& message) {
  const absl::Time arrival = absl::Now();
  const size_t bytes = message.Length();
  bytes_.Increment(static_cast<double>(bytes));
  std::shared_lock lock(open_mu_);
  if (journal_ == nullptr) {
    return stream->End(
        absl::UnavailableError("the learner is not training at present; send again"));
  }
  absl::Cord cord = ToCord(message);
  auto trajectory = std::make_shared<v1::Trajectory>();
  {
    grpc::ProtoBufferReader reader(&message);
    if (!trajectory->ParseFromZeroCopyStream(&reader)) {
      return stream->End(absl::InvalidArgumentError("a message is not a sojourn.v1.Trajectory"));
    }
  }
  message.Clear();
  const v1::GroupName name = trajectory->name();
  const uint32_t member = trajectory->member();
  const absl::StatusOr<Ingest::Verdict> verdict = ingest_->Check(*trajectory);
  if (!verdict.ok()) {
    refused_.Increment();
    return stream->Ack(MakeAck(name, member, std::string(verdict.status().message())));
  }
  if (*verdict == Ingest::Verdict::kKnown) {
    known_.Increment();
    return stream->Ack(MakeAck(name, member, ""));
  }
  stream->AddPending(bytes);
  // Two equal trajectories may pass here at once: both are journaled, and the ingest keeps the
  // first.
  const absl::Status status = journal_->Append(
      name.group(), std::move(cord),
      [this, stream, bytes, arrival, trajectory, ingest = ingest_](const absl::Status& journaled) {
        if (journaled.ok()) {
          grpc::ByteBuffer ack = MakeAck(trajectory->name(), trajectory->member(), "");
          (ingest->Add(std::move(*trajectory)) ? taken_ : known_).Increment();
          ack_seconds_.Observe(absl::ToDoubleSeconds(absl::Now() - arrival));
          stream->Ack(std::move(ack));
        } else {
          stream->End(absl::UnavailableError(absl::StrCat("not journaled: ", journaled.message())));
        }
        stream->RemovePending(bytes);
      });
  if (!status.ok()) {
    stream->End(absl::UnavailableError(status.message()));
    stream->RemovePending(bytes);
  }
}

}  // namespace sojourn::learner
