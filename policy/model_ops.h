// The model's operations that are not plain matrix products, each differentiable once. In fp32 and bfloat16 on
// the CPU they run as the fused kernels of model_kernels.h; in any other type or place as LibTorch
// operations.
#ifndef SOJOURN_POLICY_MODEL_OPS_H_
#define SOJOURN_POLICY_MODEL_OPS_H_

#include <torch/types.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "policy/model_kernels.h"
#include "policy/varlen_attention.h"

namespace sojourn::policy {

// x [n, width], weight [width]. In 16 bits the mean is taken in fp32, and the result rounded before the
// weight is applied, as transformers does.
torch::Tensor RmsNorm(const torch::Tensor& x, const torch::Tensor& weight, double epsilon);

// gate_up [n, 2 * width], gates first -> silu(gate) * up, [n, width].
torch::Tensor SwiGlu(const torch::Tensor& gate_up);

struct AttentionHeads {
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  torch::Tensor cos, sin;  // rotary angles, [positions, head_dim / 2], fp32 on the CPU
};
// What LibTorch needs to know of the segments, where the kernels do not compute; the same for all layers.
struct AttentionRows {
  torch::Tensor cos, sin;  // of every row's position, [total, head_dim / 2], in the model's type
  torch::Tensor keys;      // the rows of every segment's positions, one segment after the other
  VarlenBatch batch;

  AttentionRows(const std::vector<AttentionSegment>& segments, const AttentionHeads& heads,
                const torch::TensorOptions& like);
};
// Whether the kernels compute on tensors like this.
bool Fused(const torch::Tensor& x);
// Causal attention with rotary positions within each segment; the segments' own rows lie end to end.
// qkv [total, (heads + 2 * kv_heads) * head_dim] -> [total, heads * head_dim].
// `rows`: where the kernels do not compute; else null.
torch::Tensor Attention(const torch::Tensor& qkv, const std::vector<AttentionSegment>& segments,
                        const AttentionHeads& heads, const AttentionRows* rows);

// hidden [n, width], embedding [vocab, width], targets [n] int64 -> log softmax(hidden embedding^T
// / t) at the targets, and the entropies, [n] each, in fp32 at least. Works in pieces of rows: [n, vocab]
// is never held; the backward pass computes the logits again.
std::pair<torch::Tensor, torch::Tensor> ScoreTargets(const torch::Tensor& hidden,
                                                     const torch::Tensor& embedding,
                                                     const torch::Tensor& targets,
                                                     double temperature);

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_MODEL_OPS_H_
