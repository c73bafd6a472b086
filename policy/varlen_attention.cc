#include "policy/varlen_attention.h"

#include <ATen/ops/_flash_attention_forward.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace sojourn::policy {

using torch::Tensor;

namespace {

Tensor Ends(const std::vector<int64_t>& lengths, const torch::Device& device) {
  std::vector<int32_t> ends = {0};
  for (const int64_t length : lengths) ends.push_back(ends.back() + static_cast<int32_t>(length));
  return torch::tensor(ends, torch::kInt).to(device);
}

Tensor OneByOne(const Tensor& q, const Tensor& k, const Tensor& v, const VarlenBatch& batch) {
  const int64_t repeats = q.size(1) / k.size(1);
  const std::vector<Tensor> queries = q.split_with_sizes(batch.q_lengths), keys = k.split_with_sizes(batch.k_lengths),
                            values = v.split_with_sizes(batch.k_lengths);
  std::vector<Tensor> outputs;
  for (size_t i = 0; i < queries.size(); ++i) {
    const int64_t before = batch.k_lengths[i] - batch.q_lengths[i];
    std::optional<Tensor> mask;  // query r sees keys up to `before` + r
    if (before > 0) {
      mask = torch::ones({batch.q_lengths[i], batch.k_lengths[i]}, q.options().dtype(torch::kBool)).tril(before);
    }
    const auto heads = [&](const Tensor& x, int64_t times) {
      return x.transpose(0, 1).repeat_interleave(times, 0).unsqueeze(0);
    };
    outputs.push_back(at::scaled_dot_product_attention(heads(queries[i], 1), heads(keys[i], repeats),
                                                       heads(values[i], repeats), mask, 0.0,
                                                       /*is_causal=*/!mask.has_value())
                          .squeeze(0)
                          .transpose(0, 1));
  }
  return torch::cat(outputs);
}

}  // namespace

VarlenBatch::VarlenBatch(std::vector<int64_t> q, std::vector<int64_t> k, const torch::Device& device)
    : q_lengths(std::move(q)), k_lengths(std::move(k)), q_ends(Ends(q_lengths, device)), k_ends(Ends(k_lengths, device)) {
  for (const int64_t length : q_lengths) longest_q = std::max(longest_q, length);
  for (const int64_t length : k_lengths) longest_k = std::max(longest_k, length);
}

Tensor VarlenAttention(const Tensor& q, const Tensor& k, const Tensor& v, const VarlenBatch& batch) {
  if (!q.is_cuda() || q.element_size() != 2) return OneByOne(q, k, v, batch);
  return std::get<0>(at::_flash_attention_forward(q, k, v, batch.q_ends, batch.k_ends, batch.longest_q,
                                                  batch.longest_k, /*dropout_p=*/0.0, /*is_causal=*/true,
                                                  /*return_debug_mask=*/false));
}

Tensor RotateRows(const Tensor& x, const Tensor& cos, const Tensor& sin) {
  const std::vector<Tensor> halves = x.chunk(2, -1);
  const Tensor c = cos.unsqueeze(1), s = sin.unsqueeze(1);
  return torch::cat({halves[0] * c - halves[1] * s, halves[1] * c + halves[0] * s}, -1);
}

}  // namespace sojourn::policy
