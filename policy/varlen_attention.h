// Causal attention over sequences of different lengths, laid end to end.
#ifndef SOJOURN_POLICY_VARLEN_ATTENTION_H_
#define SOJOURN_POLICY_VARLEN_ATTENTION_H_

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace sojourn::policy {

// Sequence i has q_lengths[i] queries, which stand at the last of its k_lengths[i] positions.
struct VarlenBatch {
  std::vector<int64_t> q_lengths, k_lengths;
  torch::Tensor q_ends, k_ends;  // 0 and the running sums, int32 on the device
  int64_t longest_q = 0, longest_k = 0;

  VarlenBatch(std::vector<int64_t> q, std::vector<int64_t> k, const torch::Device& device);
};

// q [queries, heads, head_dim], k and v [keys, kv_heads, head_dim], rotated already -> like q; differentiable. In
// 16 bits on a GPU by flash attention (Dao, "FlashAttention-2", 2307.08691), else sequence by sequence.
torch::Tensor VarlenAttention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                              const VarlenBatch& batch);

// x [n, heads, head_dim] turned by the angles of its rows' positions, cos and sin [n, head_dim / 2] in x's type.
torch::Tensor RotateRows(const torch::Tensor& x, const torch::Tensor& cos, const torch::Tensor& sin);

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_VARLEN_ATTENTION_H_
