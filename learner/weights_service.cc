#include "learner/weights_service.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/grpc_status.h"

namespace sojourn::learner {
namespace {

constexpr uint32_t kMaxWaitMs = 60000;

}  // namespace

WeightsService::WeightsService(WeightsStore& store, Metrics& metrics)
    : store_(store),
      bytes_sent_(metrics.Counter("sojourn_learner_weights_sent_bytes_total",
                                  "Bytes of weights sent to actors.")),
      manifest_seconds_(metrics.Histogram("sojourn_learner_rpc_seconds", "Duration of calls.",
                                          SecondsBuckets(), {{"method", "GetManifest"}})),
      chunks_seconds_(metrics.Histogram("sojourn_learner_rpc_seconds", "Duration of calls.",
                                        SecondsBuckets(), {{"method", "GetChunks"}})) {}

grpc::ServerUnaryReactor* WeightsService::GetManifest(grpc::CallbackServerContext* context,
                                                      const v1::WeightsRequest* request,
                                                      v1::WeightsManifest* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Time start = absl::Now();
  const absl::Time deadline = start + absl::Milliseconds(std::min(request->wait_ms(), kMaxWaitMs));
  store_.Wait(request->job_id(), request->arm(), request->version(), deadline,
              [this, reactor, response, start](absl::StatusOr<PolicyVersionPtr> version) {
                if (version.ok()) *response = (*version)->manifest;
                manifest_seconds_.Observe(absl::ToDoubleSeconds(absl::Now() - start));
                reactor->Finish(ToGrpcStatus(version.status()));
              });
  return reactor;
}

// Writes chunk after chunk; owns itself.
class WeightsService::ChunkWriter : public grpc::ServerWriteReactor<v1::WeightsChunk> {
 public:
  ChunkWriter(WeightsService* service, absl::StatusOr<PolicyVersionPtr> version, uint32_t first)
      : service_(service), version_(std::move(version)), next_(first) {
    if (!version_.ok()) {
      Finish(ToGrpcStatus(version_.status()));
    } else if (first > (*version_)->manifest.chunks()) {
      Finish(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT,
                          absl::StrCat("first_chunk is ", first, ", but the version has ",
                                       (*version_)->manifest.chunks(), " chunks")));
    } else {
      WriteNext();
    }
  }

 private:
  void WriteNext() {
    const PolicyVersion& version = **version_;
    if (next_ >= version.manifest.chunks()) return Finish(grpc::Status::OK);
    const size_t begin = size_t{next_} * kChunkBytes;
    const size_t size = std::min<size_t>(kChunkBytes, version.bytes.size() - begin);
    chunk_.set_index(next_++);
    chunk_.set_data(version.bytes.data() + begin, size);
    service_->bytes_sent_.Increment(static_cast<double>(size));
    StartWrite(&chunk_);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    WriteNext();
  }

  void OnDone() override {
    service_->chunks_seconds_.Observe(absl::ToDoubleSeconds(absl::Now() - start_));
    delete this;
  }

  WeightsService* const service_;
  const absl::StatusOr<PolicyVersionPtr> version_;
  uint32_t next_;
  v1::WeightsChunk chunk_;
  const absl::Time start_ = absl::Now();
};

grpc::ServerWriteReactor<v1::WeightsChunk>* WeightsService::GetChunks(
    grpc::CallbackServerContext* context, const v1::ChunkRequest* request) {
  return new ChunkWriter(this, store_.Find(request->job_id(), request->arm(), request->version()),
                         request->first_chunk());
}

}  // namespace sojourn::learner
