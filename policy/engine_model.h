// The forward pass for inference: weights packed for the kernels, rows of any number of episodes at
// once. No autograd, and no memory allocated after the first passes.
#ifndef SOJOURN_POLICY_ENGINE_MODEL_H_
#define SOJOURN_POLICY_ENGINE_MODEL_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "policy/kv_cache.h"
#include "policy/model.h"
#include "policy/model_kernels.h"
#include "policy/rotary.h"

namespace sojourn::policy {

class EngineModel {
 public:
  EngineModel(const Model& model, int64_t max_rows, int64_t max_context_tokens);

  void SetWeights(const Model& model);  // of the same config
  const ModelConfig& config() const { return config_; }
  int64_t kv_block_floats() const;

  struct Row {
    int32_t token;
    int64_t position;  // in its episode; all earlier ones are in the cache or in earlier rows
    const KvSequence* sequence;  // has room reserved
  };
  // Writes the rows' keys and values to the cache, and computes the logits of rows[outputs[i]] for
  // every i.
  void Forward(absl::Span<const Row> rows, absl::Span<const int32_t> outputs, KvCache& cache);
  absl::Span<const float> logits(int64_t output) const {
    return {logits_.data() + output * RoundUp(config_.vocab_size, kPanel),
            static_cast<size_t>(config_.vocab_size)};
  }

 private:
  struct Layer {
    std::vector<float> attention_norm, qkv, output, mlp_norm, gate_up, down;
  };

  const Kernels& kernels_;
  const ModelConfig config_;
  const RotaryTable angles_;
  const AttentionShape shape_;
  std::vector<Layer> layers_;
  std::vector<float> embedding_, final_norm_, unembedding_;
  // Activations of one pass, [max_rows, ...]; `x_` is the residual stream, its rows padded to
  // panels.
  std::vector<float> x_, normed_, qkv_, attended_, gate_up_, inner_, logits_, scratch_;
  std::vector<const float*> blocks_;
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_ENGINE_MODEL_H_
