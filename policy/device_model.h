// The forward pass by LibTorch's operations, for GPUs: flash attention over each sequence's gathered keys, and
// steps that only decode captured as CUDA graphs (their launches would take longer than their work).
#ifndef SOJOURN_POLICY_DEVICE_MODEL_H_
#define SOJOURN_POLICY_DEVICE_MODEL_H_

#include <torch/types.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "policy/cuda_graph.h"
#include "policy/forward_pass.h"
#include "policy/kernels_formats.h"
#include "policy/varlen_attention.h"

namespace sojourn::policy {

class DeviceModel : public ForwardPass, private KvMemory {
 public:
  // Keys and values of all `blocks` are allocated at once. `format`: fp32 or bf16.
  DeviceModel(const Model& model, const torch::Device& device, WeightFormat format, int64_t blocks,
              int64_t max_context_tokens);

  const ModelConfig& config() const override { return config_; }
  void SetWeights(const Model& model) override;
  KvMemory& kv_memory() override { return *this; }
  void Forward(absl::Span<const Row> rows, absl::Span<const int32_t> outputs) override;
  absl::Span<const float> logits(int64_t output) const override;
  bool Sample(absl::Span<const Draw> draws, std::vector<absl::StatusOr<SampledToken>>* tokens) override;

 private:
  struct Layer {
    torch::Tensor attention_norm, qkv, qkv_bias, q_norm, k_norm, output, output_bias, mlp_norm, gate_up, down;
    torch::Tensor keys, values;  // [(blocks + 1) * kPanel, kv_heads, head_dim]; the last block is for padding
  };
  // What a pass reads besides the weights, on the device.
  struct Inputs {
    torch::Tensor tokens, positions, slots;  // per row, int64; where its keys and values go
    torch::Tensor keys;                      // slots of every sequence's positions, one sequence after the other
    torch::Tensor outputs;                   // rows
    VarlenBatch batch;
  };
  // A decoding step of up to `rows` sequences with up to `keys` positions, captured.
  struct Captured {
    Inputs inputs;
    torch::Tensor logits;
    std::unique_ptr<CudaGraph> graph;
  };

  Inputs Prepare(absl::Span<const Row> rows, absl::Span<const int32_t> outputs, int64_t padded_rows,
                 int64_t padded_keys) const;
  torch::Tensor Compute(const Inputs& inputs);  // logits, fp32
  Captured* FindCaptured(int64_t rows, int64_t keys, const Inputs& like);

  int64_t Grow() override { return blocks_; }
  void Copy(int32_t from, int32_t to) override;
  void Clear(int32_t) override {}  // only what was written is read

  const ModelConfig config_;
  const torch::Device device_;
  const torch::ScalarType type_;
  const int64_t blocks_, max_context_tokens_;
  std::vector<Layer> layers_;
  torch::Tensor embedding_, unembedding_, final_norm_, cos_, sin_;
  torch::Tensor logits_;                // [outputs, vocab_size] of the last pass
  mutable torch::Tensor host_logits_;   // the same on the host, once it was asked for
  std::map<std::pair<int64_t, int64_t>, Captured> captured_;  // by padded rows and keys
  bool capture_ = false;
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_DEVICE_MODEL_H_
