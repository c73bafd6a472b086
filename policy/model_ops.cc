#include "policy/model_ops.h"

#include <torch/autograd.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>


namespace sojourn::policy {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool Fused(const Tensor& x) { return x.device().is_cpu() && x.scalar_type() == torch::kFloat; }
const float* In(const Tensor& x) { return x.const_data_ptr<float>(); }
float* Out(const Tensor& x) { return x.mutable_data_ptr<float>(); }

struct RmsNormFunction : torch::autograd::Function<RmsNormFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                        double epsilon) {
    const Tensor in = x.contiguous();
    Tensor y = torch::empty_like(in), inverse = torch::empty({in.size(0)}, in.options());
    CpuKernels().rms_norm(in.size(0), in.size(1), epsilon, In(in), in.size(1), In(weight), Out(y),
                          Out(inverse));
    context->save_for_backward({in, weight, inverse});
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor& x = saved[0];
    Tensor dx = torch::empty_like(x), dweight = torch::zeros_like(saved[1]);
    const Tensor dy = gradients[0].contiguous();
    CpuKernels().rms_norm_backward(x.size(0), x.size(1), In(x), In(saved[1]), In(saved[2]), In(dy),
                                   Out(dx), Out(dweight));
    return {dx, dweight, Tensor()};
  }
};

struct SwiGluFunction : torch::autograd::Function<SwiGluFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& gate_up) {
    const Tensor in = gate_up.contiguous();
    const int64_t width = in.size(1) / 2;
    Tensor y = torch::empty({in.size(0), width}, in.options());
    CpuKernels().swiglu(in.size(0), width, In(in), 2 * width, Out(y));
    context->save_for_backward({in});
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const Tensor gate_up = context->get_saved_variables()[0];
    Tensor dgate_up = torch::empty_like(gate_up);
    const Tensor dy = gradients[0].contiguous();
    CpuKernels().swiglu_backward(gate_up.size(0), gate_up.size(1) / 2, In(gate_up), In(dy),
                                 Out(dgate_up));
    return {dgate_up};
  }
};

int64_t Longest(const std::vector<AttentionSegment>& segments) {
  int64_t longest = 0;
  for (const AttentionSegment& s : segments) longest = std::max(longest, s.positions());
  return longest;
}

struct AttentionFunction : torch::autograd::Function<AttentionFunction> {
  static AttentionShape Shape(const AttentionHeads& heads) {
    return {heads.heads, heads.kv_heads, heads.head_dim, In(heads.cos), In(heads.sin)};
  }
  static Tensor forward(AutogradContext* context, const Tensor& qkv,
                        const std::vector<AttentionSegment>& segments,
                        const AttentionHeads& heads) {
    const Tensor in = qkv.contiguous();
    const int64_t total = in.size(0), longest = Longest(segments);
    Tensor out = torch::empty({total, heads.heads * heads.head_dim}, in.options());
    Tensor lse = torch::empty({heads.heads, total}, in.options());
    Tensor scratch = torch::empty({AttentionScratch(longest, heads.head_dim)}, in.options());
    CpuKernels().attention(Shape(heads), segments.data(), segments.size(), total, In(in),
                           Out(out), Out(lse), Out(scratch));
    context->save_for_backward({in, out, lse, heads.cos, heads.sin});
    std::vector<int64_t> places;
    for (const AttentionSegment& s : segments) {
      places.insert(places.end(), {s.start, s.length, s.prefix_start, s.prefix_length});
    }
    context->saved_data["segments"] = std::move(places);
    context->saved_data["heads"] =
        std::vector<int64_t>{heads.heads, heads.kv_heads, heads.head_dim, longest};
    return out;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto places = context->saved_data["segments"].toIntVector();
    std::vector<AttentionSegment> segments;
    for (size_t i = 0; i < places.size(); i += 4) {
      segments.push_back({places[i], places[i + 1], places[i + 2], places[i + 3]});
    }
    const auto sizes = context->saved_data["heads"].toIntVector();
    const AttentionHeads heads{sizes[0], sizes[1], sizes[2], saved[3], saved[4]};
    const Tensor dout = gradients[0].contiguous();
    Tensor dqkv = torch::empty_like(saved[0]);
    Tensor scratch = torch::empty({AttentionScratch(sizes[3], heads.head_dim)}, dqkv.options());
    CpuKernels().attention_backward(Shape(heads), segments.data(), segments.size(),
                                    dqkv.size(0), In(saved[0]), In(saved[1]), In(saved[2]),
                                    In(dout), Out(dqkv), Out(scratch));
    return {dqkv, Tensor(), Tensor()};
  }
};

// Any type, any device: segment by segment.
Tensor AttentionByLibTorch(const Tensor& qkv, const std::vector<AttentionSegment>& segments,
                           const AttentionHeads& heads) {
  const int64_t dim = heads.head_dim;
  const Tensor cos = heads.cos.to(qkv.device(), qkv.scalar_type()),
               sin = heads.sin.to(qkv.device(), qkv.scalar_type());
  const auto rotate = [&](const Tensor& x, int64_t first) {  // [heads, positions, head_dim]
    const Tensor a = x.slice(-1, 0, dim / 2), b = x.slice(-1, dim / 2);
    const Tensor c = cos.slice(0, first, first + x.size(1)),
                 s = sin.slice(0, first, first + x.size(1));
    return torch::cat({a * c - b * s, b * c + a * s}, -1);
  };
  const int64_t repeats = heads.heads / heads.kv_heads;
  const Tensor rows =
      qkv.view({qkv.size(0), heads.heads + 2 * heads.kv_heads, dim}).transpose(0, 1);
  std::vector<Tensor> outputs;
  for (const AttentionSegment& s : segments) {
    const Tensor own = rows.slice(1, s.start, s.start + s.length);
    Tensor all = own.slice(0, heads.heads);
    if (s.prefix_length > 0) {
      const Tensor shared = rows.slice(1, s.prefix_start, s.prefix_start + s.prefix_length);
      all = torch::cat({shared.slice(0, heads.heads), all}, 1);
    }
    const Tensor q = rotate(own.slice(0, 0, heads.heads), s.prefix_length);
    const Tensor k = rotate(all.slice(0, 0, heads.kv_heads), 0).repeat_interleave(repeats, 0);
    const Tensor v = all.slice(0, heads.kv_heads).repeat_interleave(repeats, 0);
    std::optional<Tensor> mask;  // row i sees positions up to prefix_length + i
    if (s.prefix_length > 0) {
      mask = torch::ones({s.length, s.positions()}, qkv.options().dtype(torch::kBool))
                 .tril(s.prefix_length);
    }
    outputs.push_back(at::scaled_dot_product_attention(q.unsqueeze(0), k.unsqueeze(0),
                                                       v.unsqueeze(0), mask, 0.0,
                                                       /*is_causal=*/!mask.has_value())
                          .squeeze(0)
                          .transpose(0, 1)
                          .reshape({s.length, heads.heads * dim}));
  }
  return torch::cat(outputs);
}

struct ScoreFunction : torch::autograd::Function<ScoreFunction> {
  static constexpr int64_t kPieceFloats = 1 << 18;  // of logits: they stay in a core's cache
  static int64_t Piece(const Tensor& embedding) {
    return std::max<int64_t>(16, kPieceFloats / embedding.size(0));
  }
  static variable_list forward(AutogradContext* context, const Tensor& hidden,
                               const Tensor& embedding, const Tensor& targets, double temperature) {
    const int64_t n = hidden.size(0), piece = Piece(embedding);
    Tensor logprobs = torch::empty({n}, hidden.options()),
           entropies = torch::empty({n}, hidden.options());
    for (int64_t first = 0; first < n; first += piece) {
      const int64_t end = std::min(n, first + piece);
      const Tensor goals = targets.slice(0, first, end);
      Tensor logprob = logprobs.slice(0, first, end), entropy = entropies.slice(0, first, end);
      Tensor logits = torch::mm(hidden.slice(0, first, end), embedding.t());
      if (Fused(hidden)) {
        CpuKernels().score(end - first, logits.size(1), In(logits), goals.const_data_ptr<int64_t>(),
                           1 / temperature, Out(logprob), Out(entropy));
      } else {
        const Tensor log_p = torch::log_softmax(logits / temperature, 1);
        logprob.copy_(log_p.gather(1, goals.unsqueeze(1)).squeeze(1));
        entropy.copy_(-(log_p.exp() * log_p).sum(1));
      }
    }
    context->save_for_backward({hidden, embedding, targets});
    context->saved_data["temperature"] = temperature;
    return {logprobs, entropies};
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor &hidden = saved[0], &embedding = saved[1], &targets = saved[2];
    const double temperature = context->saved_data["temperature"].toDouble();
    const int64_t n = hidden.size(0), piece = Piece(embedding);
    const auto dense = [&](const Tensor& gradient) {
      return gradient.defined() ? gradient.contiguous() : torch::zeros({n}, hidden.options());
    };
    const Tensor dlogprobs = dense(gradients[0]), dentropies = dense(gradients[1]);
    Tensor dhidden = torch::empty_like(hidden), dembedding = torch::zeros_like(embedding);
    for (int64_t first = 0; first < n; first += piece) {
      const int64_t end = std::min(n, first + piece);
      const Tensor rows = hidden.slice(0, first, end), goals = targets.slice(0, first, end);
      const Tensor dlogprob = dlogprobs.slice(0, first, end),
                   dentropy = dentropies.slice(0, first, end);
      Tensor logits = torch::mm(rows, embedding.t());
      if (Fused(hidden)) {
        CpuKernels().score_backward(end - first, logits.size(1), Out(logits),
                                    goals.const_data_ptr<int64_t>(), 1 / temperature, In(dlogprob),
                                    In(dentropy));
      } else {
        const Tensor log_p = torch::log_softmax(logits / temperature, 1), p = log_p.exp();
        const Tensor entropy = -(p * log_p).sum(1, true);
        logits = -p * (dlogprob.unsqueeze(1) + dentropy.unsqueeze(1) * (log_p + entropy));
        logits.scatter_add_(1, goals.unsqueeze(1), dlogprob.unsqueeze(1));
        logits.div_(temperature);
      }
      Tensor drows = dhidden.slice(0, first, end);
      at::mm_out(drows, logits, embedding);
      dembedding.addmm_(logits.t(), rows);
    }
    return {dhidden, dembedding, Tensor(), Tensor()};
  }
};

}  // namespace

Tensor RmsNorm(const Tensor& x, const Tensor& weight, double epsilon) {
  if (Fused(x)) return RmsNormFunction::apply(x, weight, epsilon);
  const bool half = x.element_size() < 4;
  const Tensor wide = half ? x.to(torch::kFloat) : x;
  const Tensor normed = wide * torch::rsqrt(wide.square().mean(-1, true) + epsilon);
  return weight * (half ? normed.to(x.scalar_type()) : normed);
}

Tensor SwiGlu(const Tensor& gate_up) {
  if (Fused(gate_up)) return SwiGluFunction::apply(gate_up);
  const int64_t width = gate_up.size(1) / 2;
  return torch::silu(gate_up.slice(1, 0, width)) * gate_up.slice(1, width);
}

Tensor Attention(const Tensor& qkv, const std::vector<AttentionSegment>& segments,
                 const AttentionHeads& heads) {
  if (Fused(qkv)) return AttentionFunction::apply(qkv, segments, heads);
  return AttentionByLibTorch(qkv, segments, heads);
}

std::pair<Tensor, Tensor> ScoreTargets(const Tensor& hidden, const Tensor& embedding,
                                       const Tensor& targets, double temperature) {
  const variable_list scores =
      ScoreFunction::apply(hidden.contiguous(), embedding, targets.contiguous(), temperature);
  return {scores[0], scores[1]};
}

}  // namespace sojourn::policy
