// Hands out policy versions to actors.
#ifndef SOJOURN_LEARNER_WEIGHTS_SERVICE_H_
#define SOJOURN_LEARNER_WEIGHTS_SERVICE_H_

#include "common/metrics.h"
#include "learner/weights_store.h"
#include "sojourn/v1/weights.grpc.pb.h"

namespace sojourn::learner {

// Close the store before the server is shut down: that ends the waits.
class WeightsService final : public v1::WeightsService::CallbackService {
 public:
  WeightsService(WeightsStore& store, Metrics& metrics);

  grpc::ServerUnaryReactor* GetManifest(grpc::CallbackServerContext* context,
                                        const v1::WeightsRequest* request,
                                        v1::WeightsManifest* response) override;
  grpc::ServerWriteReactor<v1::WeightsChunk>* GetChunks(grpc::CallbackServerContext* context,
                                                        const v1::ChunkRequest* request) override;

 private:
  class ChunkWriter;
  WeightsStore& store_;
  prometheus::Counter& bytes_sent_;
  prometheus::Histogram& manifest_seconds_;
  prometheus::Histogram& chunks_seconds_;
};

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_WEIGHTS_SERVICE_H_
