#include "policy/model_ops.h"

#include <torch/autograd.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "policy/model_kernels.h"
#include "policy/rotary.h"

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

struct AttentionFunction : torch::autograd::Function<AttentionFunction> {
  static AttentionShape Shape(const AttentionHeads& heads, const RotaryTable& angles) {
    return {heads.heads, heads.kv_heads, heads.head_dim, angles.cos.data(), angles.sin.data()};
  }
  static Tensor forward(AutogradContext* context, const Tensor& qkv,
                        const std::vector<int32_t>& lengths, const AttentionHeads& heads) {
    const Tensor in = qkv.contiguous();
    const int64_t total = in.size(0), longest = *std::max_element(lengths.begin(), lengths.end());
    const RotaryTable angles(heads.rope_theta, heads.head_dim, longest);
    Tensor out = torch::empty({total, heads.heads * heads.head_dim}, in.options());
    Tensor lse = torch::empty({heads.heads, total}, in.options());
    Tensor scratch = torch::empty({AttentionScratch(longest, heads.head_dim)}, in.options());
    CpuKernels().attention(Shape(heads, angles), lengths.data(), lengths.size(), In(in), Out(out),
                           Out(lse), Out(scratch));
    context->save_for_backward({in, out, lse});
    context->saved_data["lengths"] = std::vector<int64_t>(lengths.begin(), lengths.end());
    context->saved_data["heads"] =
        std::vector<int64_t>{heads.heads, heads.kv_heads, heads.head_dim, longest};
    context->saved_data["theta"] = heads.rope_theta;
    return out;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto wide = context->saved_data["lengths"].toIntVector();
    const std::vector<int32_t> lengths(wide.begin(), wide.end());
    const auto sizes = context->saved_data["heads"].toIntVector();
    const AttentionHeads heads{sizes[0], sizes[1], sizes[2],
                               context->saved_data["theta"].toDouble()};
    const RotaryTable angles(heads.rope_theta, heads.head_dim, sizes[3]);
    const Tensor dout = gradients[0].contiguous();
    Tensor dqkv = torch::empty_like(saved[0]);
    Tensor scratch = torch::empty({AttentionScratch(sizes[3], heads.head_dim)}, dqkv.options());
    CpuKernels().attention_backward(Shape(heads, angles), lengths.data(), lengths.size(),
                                    In(saved[0]), In(saved[1]), In(saved[2]), In(dout), Out(dqkv),
                                    Out(scratch));
    return {dqkv, Tensor(), Tensor()};
  }
};

// Any type, any device: sequences are laid in a padded batch. Causal attention needs no mask for
// padding at the end, and padding rows get no gradient because nothing reads them.
Tensor AttentionByLibTorch(const Tensor& qkv, const std::vector<int32_t>& lengths,
                           const AttentionHeads& heads) {
  const int64_t batch = lengths.size(), dim = heads.head_dim;
  const int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  std::vector<int64_t> from(batch * longest, 0), back;
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t t = 0; t < lengths[b]; ++t) {
      from[b * longest + t] = back.size();
      back.push_back(b * longest + t);
    }
  }
  const auto indices = [&](const std::vector<int64_t>& values) {
    return torch::tensor(values, torch::kLong).to(qkv.device());
  };
  const int64_t all = heads.heads + 2 * heads.kv_heads;
  const Tensor padded =
      qkv.index_select(0, indices(from)).view({batch, longest, all, dim}).transpose(1, 2);
  const RotaryTable angles(heads.rope_theta, dim, longest);
  const auto table = [&](const std::vector<float>& values) {
    return torch::tensor(values, torch::kFloat)
        .view({longest, dim / 2})
        .to(qkv.device(), qkv.scalar_type());
  };
  const Tensor cos = table(angles.cos), sin = table(angles.sin);
  const auto rotate = [&](const Tensor& x) {
    const Tensor a = x.slice(-1, 0, dim / 2), b = x.slice(-1, dim / 2);
    return torch::cat({a * cos - b * sin, b * cos + a * sin}, -1);
  };
  const int64_t repeats = heads.heads / heads.kv_heads;
  const Tensor q = rotate(padded.slice(1, 0, heads.heads));
  const Tensor k = rotate(padded.slice(1, heads.heads, heads.heads + heads.kv_heads));
  const Tensor v = padded.slice(1, heads.heads + heads.kv_heads, all);
  const Tensor out = at::scaled_dot_product_attention(
      q, k.repeat_interleave(repeats, 1), v.repeat_interleave(repeats, 1), {}, 0.0, true);
  return out.transpose(1, 2)
      .reshape({batch * longest, heads.heads * dim})
      .index_select(0, indices(back));
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
  return x * torch::rsqrt(x.square().mean(-1, true) + epsilon) * weight;
}

Tensor SwiGlu(const Tensor& gate_up) {
  if (Fused(gate_up)) return SwiGluFunction::apply(gate_up);
  const int64_t width = gate_up.size(1) / 2;
  return torch::silu(gate_up.slice(1, 0, width)) * gate_up.slice(1, width);
}

Tensor Attention(const Tensor& qkv, const std::vector<int32_t>& lengths,
                 const AttentionHeads& heads) {
  if (Fused(qkv)) return AttentionFunction::apply(qkv, lengths, heads);
  return AttentionByLibTorch(qkv, lengths, heads);
}

std::pair<Tensor, Tensor> ScoreTargets(const Tensor& hidden, const Tensor& embedding,
                                       const Tensor& targets, double temperature) {
  const variable_list scores =
      ScoreFunction::apply(hidden.contiguous(), embedding, targets.contiguous(), temperature);
  return {scores[0], scores[1]};
}

}  // namespace sojourn::policy
