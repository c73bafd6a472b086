// One pass over the weights, for the inference engine: what differs between processors and devices.
#ifndef SOJOURN_POLICY_FORWARD_PASS_H_
#define SOJOURN_POLICY_FORWARD_PASS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "policy/kv_cache.h"
#include "policy/model.h"
#include "policy/sampler.h"

namespace sojourn::policy {

class ForwardPass {
 public:
  virtual ~ForwardPass() = default;
  virtual const ModelConfig& config() const = 0;
  virtual void SetWeights(const Model& model) = 0;  // of the same config
  virtual KvMemory& kv_memory() = 0;

  struct Row {
    int32_t token;
    int64_t position;  // in its episode; all earlier ones are in the cache or in earlier rows
    const KvSequence* sequence;  // has room reserved
  };
  // Writes the rows' keys and values to the cache, and computes the logits of rows[outputs[i]] for
  // every i; `outputs` ascends. Rows of one sequence lie together, in order.
  virtual void Forward(absl::Span<const Row> rows, absl::Span<const int32_t> outputs) = 0;
  // [vocab_size], until the next call that is not const.
  virtual absl::Span<const float> logits(int64_t output) const = 0;

  // Draws tokens where the logits are, from the whole distribution. False: it does not do that.
  struct Draw {
    int64_t output;
    double temperature;  // 0: greedy
    double uniform;      // in [0, 1)
  };
  virtual bool Sample(absl::Span<const Draw> draws, std::vector<absl::StatusOr<SampledToken>>* tokens) {
    return false;
  }
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_FORWARD_PASS_H_
