// A learner for tests: hands out a tiny random model and keeps the trajectories that it
// acknowledges.
#ifndef SOJOURN_ACTOR_FAKE_LEARNER_H_
#define SOJOURN_ACTOR_FAKE_LEARNER_H_

#include <torch/types.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/bidi_stream.h"
#include "common/rpc.h"
#include "common/sha256.h"
#include "policy/model.h"
#include "sojourn/v1/trajectory.grpc.pb.h"
#include "sojourn/v1/weights.grpc.pb.h"

namespace sojourn::actor {

inline policy::ModelConfig TinyModel(int64_t vocab_size) {
  policy::ModelConfig config;
  config.vocab_size = vocab_size;
  config.hidden_size = 32;
  config.intermediate_size = 64;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.head_dim = 16;
  config.max_position_embeddings = 4096;
  return config;
}

class FakeWeights : public v1::WeightsService::CallbackService {
 public:
  static constexpr uint32_t kChunk = 10000;

  // Makes the version available: random weights keyed by it.
  void Publish(const policy::ModelConfig& config, uint64_t version) {
    v1::WeightsManifest manifest;
    std::string bytes;
    for (const auto& [name, tensor] : policy::RandomWeights(config, RandomKey(version))) {
      v1::TensorInfo& info = *manifest.add_tensors();
      info.set_name(name);
      info.set_dtype("F32");
      for (const int64_t size : tensor.sizes()) info.add_shape(size);
      bytes.append(static_cast<const char*>(tensor.contiguous().data_ptr()), tensor.nbytes());
    }
    manifest.set_version(version);
    manifest.set_total_bytes(bytes.size());
    manifest.set_chunk_bytes(kChunk);
    manifest.set_chunks((bytes.size() + kChunk - 1) / kChunk);
    manifest.set_sha256(Sha256Hex(bytes));
    std::lock_guard lock(mu_);
    versions_[version] = {manifest, bytes};
  }

  grpc::ServerUnaryReactor* GetManifest(grpc::CallbackServerContext* context,
                                        const v1::WeightsRequest* request,
                                        v1::WeightsManifest* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    std::lock_guard lock(mu_);
    ++requests;
    const auto found = versions_.find(request->version());
    if (found == versions_.end()) {
      reactor->Finish(grpc::Status(grpc::StatusCode::NOT_FOUND, "no such version"));
    } else {
      *response = found->second.first;
      if (change_manifest) change_manifest(*response);
      reactor->Finish(grpc::Status::OK);
    }
    return reactor;
  }

  grpc::ServerWriteReactor<v1::WeightsChunk>* GetChunks(grpc::CallbackServerContext*,
                                                        const v1::ChunkRequest* request) override {
    std::lock_guard lock(mu_);
    const bool breaks = break_transfers-- > 0;
    return new Writer(versions_[request->version()].second, request->first_chunk(), breaks);
  }

  std::function<void(v1::WeightsManifest&)> change_manifest;  // set before the first call
  int break_transfers = 0;                                    // this many end after two chunks
  std::atomic<int> requests{0};

 private:
  class Writer : public grpc::ServerWriteReactor<v1::WeightsChunk> {
   public:
    Writer(std::string bytes, uint32_t next, bool breaks)
        : bytes_(std::move(bytes)), next_(next), end_(breaks ? next + 2 : UINT32_MAX) {
      WriteNext();
    }
    void WriteNext() {
      if (next_ == end_)
        return Finish(grpc::Status(grpc::StatusCode::UNAVAILABLE, "broken transfer"));
      if (size_t{next_} * kChunk >= bytes_.size()) return Finish(grpc::Status::OK);
      chunk_.set_index(next_);
      chunk_.set_data(bytes_.substr(size_t{next_} * kChunk, kChunk));
      ++next_;
      StartWrite(&chunk_);
    }
    void OnWriteDone(bool ok) override { ok ? WriteNext() : Finish(grpc::Status::CANCELLED); }
    void OnDone() override { delete this; }

   private:
    const std::string bytes_;
    uint32_t next_, end_;
    v1::WeightsChunk chunk_;
  };

  std::mutex mu_;
  std::map<uint64_t, std::pair<v1::WeightsManifest, std::string>> versions_;
};

class FakeTrajectories : public v1::TrajectoryService::CallbackService {
 public:
  using Server = BidiServer<v1::Trajectory, v1::TrajectoryAck>;
  grpc::ServerBidiReactor<v1::Trajectory, v1::TrajectoryAck>* Stream(
      grpc::CallbackServerContext* context) override {
    return Server::Accept(context, [this](std::shared_ptr<Server> stream) {
      Server::Handlers handlers;
      handlers.on_read = [this, stream](v1::Trajectory trajectory) {
        v1::TrajectoryAck ack;
        *ack.mutable_name() = trajectory.name();
        ack.set_member(trajectory.member());
        {
          std::lock_guard lock(mu);
          taken[{trajectory.name().group(), trajectory.member()}] = std::move(trajectory);
        }
        (void)stream->Write(std::move(ack));
      };
      return handlers;
    });
  }
  std::mutex mu;
  std::map<std::pair<uint64_t, uint32_t>, v1::Trajectory> taken;
};

}  // namespace sojourn::actor

#endif  // SOJOURN_ACTOR_FAKE_LEARNER_H_
