#include "policy/model_ops.h"

#include <ATen/Parallel.h>
#include <torch/autograd.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "policy/kernels_formats.h"

namespace sojourn::policy {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

const float* In(const Tensor& x) { return x.const_data_ptr<float>(); }
float* Out(const Tensor& x) { return x.mutable_data_ptr<float>(); }
template <typename T>
const T* Read(const Tensor& x) {
  return static_cast<const T*>(x.const_data_ptr());
}
template <typename T>
T* Write(const Tensor& x) {
  return static_cast<T*>(x.mutable_data_ptr());
}

// use(kernels, T()) with the row kernels of a tensor's type.
template <typename Use>
void WithRowKernels(const Tensor& x, const Use& use) {
  if (x.scalar_type() == torch::kFloat) {
    use(static_cast<const RowKernels<float>&>(CpuKernels()), float());
  } else {
    use(CpuKernels().bf16, Bf16());
  }
}

// Rows are worked on in parts of this many, on all threads: what is summed over rows is summed by part, so that
// it does not depend on the number of threads.
constexpr int64_t kPart = 256;
template <typename Work>
void EachPart(int64_t rows, const Work& work) {  // work(part, first row, row behind the last)
  const int64_t parts = (rows + kPart - 1) / kPart;
  at::parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) work(p, p * kPart, std::min(rows, (p + 1) * kPart));
  });
}

struct RmsNormFunction : torch::autograd::Function<RmsNormFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                        double epsilon) {
    const Tensor in = x.contiguous();
    const int64_t width = in.size(1);
    Tensor y = torch::empty_like(in),
           inverse = torch::empty({in.size(0)}, in.options().dtype(torch::kFloat));
    WithRowKernels(in, [&](const auto& kernels, auto type) {
      using T = decltype(type);
      EachPart(in.size(0), [&](int64_t, int64_t first, int64_t end) {
        kernels.rms_norm(end - first, width, static_cast<float>(epsilon), Read<T>(in) + first * width, width,
                         Read<T>(weight), Write<T>(y) + first * width, Out(inverse) + first);
      });
    });
    context->save_for_backward({in, weight, inverse});
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1];
    const int64_t rows = x.size(0), width = x.size(1);
    const Tensor dy = gradients[0].contiguous();
    Tensor dx = torch::empty_like(x);
    Tensor dweights = torch::zeros({(rows + kPart - 1) / kPart, width}, saved[2].options());
    WithRowKernels(x, [&](const auto& kernels, auto type) {
      using T = decltype(type);
      EachPart(rows, [&](int64_t part, int64_t first, int64_t end) {
        kernels.rms_norm_backward(end - first, width, Read<T>(x) + first * width, Read<T>(weight),
                                  In(saved[2]) + first, Read<T>(dy) + first * width,
                                  Write<T>(dx) + first * width, Out(dweights) + part * width);
      });
    });
    return {dx, dweights.sum(0).to(weight.scalar_type()), Tensor()};
  }
};

struct SwiGluFunction : torch::autograd::Function<SwiGluFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& gate_up) {
    const Tensor in = gate_up.contiguous();
    const int64_t width = in.size(1) / 2;
    Tensor y = torch::empty({in.size(0), width}, in.options());
    WithRowKernels(in, [&](const auto& kernels, auto type) {
      using T = decltype(type);
      EachPart(in.size(0), [&](int64_t, int64_t first, int64_t end) {
        kernels.swiglu(end - first, width, Read<T>(in) + first * 2 * width, 2 * width,
                       Write<T>(y) + first * width, width);
      });
    });
    context->save_for_backward({in});
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const Tensor gate_up = context->get_saved_variables()[0];
    const int64_t width = gate_up.size(1) / 2;
    Tensor dgate_up = torch::empty_like(gate_up);
    const Tensor dy = gradients[0].contiguous();
    WithRowKernels(gate_up, [&](const auto& kernels, auto type) {
      using T = decltype(type);
      EachPart(gate_up.size(0), [&](int64_t, int64_t first, int64_t end) {
        kernels.swiglu_backward(end - first, width, Read<T>(gate_up) + first * 2 * width,
                                Read<T>(dy) + first * width, Write<T>(dgate_up) + first * 2 * width);
      });
    });
    return {dgate_up};
  }
};

// Work that can be done at once: segments that share no prefix with any other's, by key-value head.
struct AttentionPart {
  int64_t first, count;  // of the segments
  int64_t kv_head;
};
std::vector<AttentionPart> AttentionParts(const std::vector<AttentionSegment>& segments, int64_t kv_heads) {
  std::vector<AttentionPart> parts;
  int64_t end = segments.size(), earliest = segments.empty() ? 0 : segments.back().start;
  for (int64_t i = end - 1; i >= 0; --i) {
    earliest = std::min(earliest, segments[i].prefix_length > 0 ? segments[i].prefix_start : segments[i].start);
    if (segments[i].start > earliest) continue;  // a later one goes on from an earlier one
    for (int64_t kv = 0; kv < kv_heads; ++kv) parts.push_back({i, end - i, kv});
    end = i;
    if (i > 0) earliest = segments[i - 1].start;
  }
  return parts;
}

struct AttentionFunction : torch::autograd::Function<AttentionFunction> {
  static AttentionShape Shape(const AttentionHeads& heads) {
    return {heads.heads, heads.kv_heads, heads.head_dim, In(heads.cos), In(heads.sin)};
  }
  // use(attention kernels, T()) of a tensor's type.
  template <typename Use>
  static void WithKernels(const Tensor& x, const Use& use) {
    if (x.scalar_type() == torch::kFloat) {
      use(CpuKernels().attention, float());
    } else {
      use(CpuAttention16(), Bf16());
    }
  }
  // work(segments, count, kv head, scratch) for all parts, on all threads.
  template <typename T, typename Work>
  static void EachPartOf(const std::vector<AttentionSegment>& segments, const AttentionHeads& heads,
                         const AttentionKernels<T>& kernels, const Work& work) {
    const std::vector<AttentionPart> parts = AttentionParts(segments, heads.kv_heads);
    int64_t longest = 0, most_rows = 0;
    for (const AttentionSegment& s : segments) longest = std::max(longest, s.positions());
    for (const AttentionPart& part : parts) {
      const AttentionSegment& last = segments[part.first + part.count - 1];
      most_rows = std::max(most_rows, last.start + last.length - segments[part.first].start);
    }
    const int64_t bytes = kernels.scratch(longest, most_rows, heads.head_dim);
    at::parallel_for(0, parts.size(), 1, [&](int64_t begin, int64_t end) {
      const std::unique_ptr<std::byte[]> scratch(new std::byte[bytes]);
      for (int64_t p = begin; p < end; ++p) {
        work(segments.data() + parts[p].first, parts[p].count, parts[p].kv_head, scratch.get());
      }
    });
  }
  static Tensor forward(AutogradContext* context, const Tensor& qkv,
                        const std::vector<AttentionSegment>& segments,
                        const AttentionHeads& heads) {
    const Tensor in = qkv.contiguous();
    const int64_t total = in.size(0);
    Tensor out = torch::empty({total, heads.heads * heads.head_dim}, in.options());
    Tensor sums = torch::empty({heads.heads, total}, in.options().dtype(torch::kFloat));
    WithKernels(in, [&](const auto& kernels, auto type) {
      using T = decltype(type);
      EachPartOf(segments, heads, kernels,
                 [&](const AttentionSegment* some, int64_t count, int64_t kv, std::byte* scratch) {
                   kernels.forward(Shape(heads), some, count, kv, kv + 1, total, Read<T>(in),
                                   Write<T>(out), Out(sums), scratch);
                 });
    });
    context->save_for_backward({in, out, sums, heads.cos, heads.sin});
    std::vector<int64_t> places;
    for (const AttentionSegment& s : segments) {
      places.insert(places.end(), {s.start, s.length, s.prefix_start, s.prefix_length});
    }
    context->saved_data["segments"] = std::move(places);
    context->saved_data["heads"] = std::vector<int64_t>{heads.heads, heads.kv_heads, heads.head_dim};
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
    const Tensor &qkv = saved[0], &out = saved[1], dout = gradients[0].contiguous();
    Tensor dqkv = torch::empty_like(qkv);
    WithKernels(qkv, [&](const auto& kernels, auto type) {
      using T = decltype(type);
      EachPartOf(segments, heads, kernels,
                 [&](const AttentionSegment* some, int64_t count, int64_t kv, std::byte* scratch) {
                   kernels.backward(Shape(heads), some, count, kv, kv + 1, qkv.size(0), Read<T>(qkv),
                                    Read<T>(out), In(saved[2]), Read<T>(dout), Write<T>(dqkv), scratch);
                 });
    });
    return {dqkv, Tensor(), Tensor()};
  }
};

struct ScoreFunction : torch::autograd::Function<ScoreFunction> {
  // Rows taken together: few enough for a small vocabulary's logits to stay in a core's cache, and not so few
  // that with a large one the sums of its gradient's parts cost more than the parts.
  static constexpr int64_t kPieceFloats = 1 << 18, kFewestRows = 256, kMostFloats = 1 << 26;
  static int64_t Piece(const Tensor& embedding) {
    const int64_t vocab = embedding.size(0);
    if (vocab * kFewestRows < kPieceFloats * 8) return std::max(kFewestRows, kPieceFloats / vocab);
    return std::max(kFewestRows, kMostFloats / vocab);
  }
  static Tensor Wide(const Tensor& x) { return x.element_size() < 4 ? x.to(torch::kFloat) : x; }
  static variable_list forward(AutogradContext* context, const Tensor& hidden,
                               const Tensor& embedding, const Tensor& targets, double temperature) {
    const int64_t n = hidden.size(0), piece = Piece(embedding);
    const auto options = hidden.options().dtype(
        hidden.element_size() < 4 ? torch::kFloat : hidden.scalar_type());
    Tensor logprobs = torch::empty({n}, options), entropies = torch::empty({n}, options);
    for (int64_t first = 0; first < n; first += piece) {
      const int64_t end = std::min(n, first + piece);
      const Tensor goals = targets.slice(0, first, end);
      Tensor logprob = logprobs.slice(0, first, end), entropy = entropies.slice(0, first, end);
      Tensor logits = torch::mm(hidden.slice(0, first, end), embedding.t());
      if (Fused(hidden)) {
        const int64_t vocab = logits.size(1);
        WithRowKernels(hidden, [&](const auto& kernels, auto type) {
          using T = decltype(type);
          at::parallel_for(0, end - first, 16, [&](int64_t begin, int64_t stop) {
            kernels.score(stop - begin, vocab, Read<T>(logits) + begin * vocab,
                          goals.const_data_ptr<int64_t>() + begin, static_cast<float>(1 / temperature),
                          Out(logprob) + begin, Out(entropy) + begin);
          });
        });
      } else {
        const Tensor log_p = torch::log_softmax(Wide(logits) / temperature, 1);
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
      return gradient.defined() ? gradient.contiguous() : torch::zeros({n}, Wide(hidden).options());
    };
    const Tensor dlogprobs = dense(gradients[0]), dentropies = dense(gradients[1]);
    Tensor dhidden = torch::empty_like(hidden), dembedding;
    if (embedding.requires_grad()) dembedding = torch::zeros_like(Wide(embedding));
    for (int64_t first = 0; first < n; first += piece) {
      const int64_t end = std::min(n, first + piece);
      const Tensor rows = hidden.slice(0, first, end), goals = targets.slice(0, first, end);
      const Tensor dlogprob = dlogprobs.slice(0, first, end),
                   dentropy = dentropies.slice(0, first, end);
      Tensor logits = torch::mm(rows, embedding.t());
      if (Fused(hidden)) {
        const int64_t vocab = logits.size(1);
        WithRowKernels(hidden, [&](const auto& kernels, auto type) {
          using T = decltype(type);
          at::parallel_for(0, end - first, 16, [&](int64_t begin, int64_t stop) {
            kernels.score_backward(stop - begin, vocab, Write<T>(logits) + begin * vocab,
                                   goals.const_data_ptr<int64_t>() + begin,
                                   static_cast<float>(1 / temperature), In(dlogprob) + begin,
                                   In(dentropy) + begin);
          });
        });
      } else {
        const Tensor log_p = torch::log_softmax(Wide(logits) / temperature, 1), p = log_p.exp();
        const Tensor entropy = -(p * log_p).sum(1, true);
        Tensor dlogits = -p * (dlogprob.unsqueeze(1) + dentropy.unsqueeze(1) * (log_p + entropy));
        dlogits.scatter_add_(1, goals.unsqueeze(1), dlogprob.unsqueeze(1));
        logits = dlogits.div_(temperature).to(hidden.scalar_type());
      }
      Tensor drows = dhidden.slice(0, first, end);
      at::mm_out(drows, logits, embedding);
      if (!dembedding.defined()) continue;
      if (dembedding.scalar_type() == rows.scalar_type()) {
        dembedding.addmm_(logits.t(), rows);
      } else {
        dembedding.add_(torch::mm(logits.t(), rows));  // sums of many pieces need more than 16 bits
      }
    }
    return {dhidden, dembedding.defined() ? dembedding.to(embedding.scalar_type()) : dembedding, Tensor(),
            Tensor()};
  }
};

}  // namespace

bool Fused(const Tensor& x) {
  return x.device().is_cpu() && (x.scalar_type() == torch::kFloat || x.scalar_type() == torch::kBFloat16);
}

AttentionRows::AttentionRows(const std::vector<AttentionSegment>& segments, const AttentionHeads& heads,
                             const torch::TensorOptions& like)
    : batch([&] {
        std::vector<int64_t> own, all;
        for (const AttentionSegment& s : segments) own.push_back(s.length), all.push_back(s.positions());
        return VarlenBatch(std::move(own), std::move(all), like.device());
      }()) {
  std::vector<int64_t> positions, rows;
  for (const AttentionSegment& s : segments) {
    for (int64_t t = 0; t < s.positions(); ++t) rows.push_back(s.RowOf(t));
    for (int64_t t = s.prefix_length; t < s.positions(); ++t) positions.push_back(t);
  }
  const Tensor at = torch::tensor(positions, torch::kLong);
  cos = heads.cos.index_select(0, at).to(like);
  sin = heads.sin.index_select(0, at).to(like);
  keys = torch::tensor(rows, torch::kLong).to(like.device());
}

Tensor RmsNorm(const Tensor& x, const Tensor& weight, double epsilon) {
  if (Fused(x)) return RmsNormFunction::apply(x, weight, epsilon);
  const bool half = x.element_size() < 4;
  const Tensor wide = half ? x.to(torch::kFloat) : x;
  const Tensor normed = wide * torch::rsqrt(wide.square().mean(-1, true) + epsilon);
  return weight * (half ? normed.to(x.scalar_type()) : normed);
}

Tensor SwiGlu(const Tensor& gate_up) {
  if (Fused(gate_up)) return SwiGluFunction::apply(gate_up);
  const std::vector<Tensor> halves = gate_up.chunk(2, 1);
  return torch::silu(halves[0]) * halves[1];
}

Tensor Attention(const Tensor& qkv, const std::vector<AttentionSegment>& segments,
                 const AttentionHeads& heads, const AttentionRows* rows) {
  if (rows == nullptr) return AttentionFunction::apply(qkv, segments, heads);
  const std::vector<Tensor> parts = qkv.view({qkv.size(0), heads.heads + 2 * heads.kv_heads, heads.head_dim})
                                        .split_with_sizes({heads.heads, heads.kv_heads, heads.kv_heads}, 1);
  const Tensor k = RotateRows(parts[1], rows->cos, rows->sin);
  return VarlenAttention(RotateRows(parts[0], rows->cos, rows->sin), k.index_select(0, rows->keys),
                         parts[2].index_select(0, rows->keys), rows->batch)
      .reshape({qkv.size(0), heads.heads * heads.head_dim});
}

std::pair<Tensor, Tensor> ScoreTargets(const Tensor& hidden, const Tensor& embedding,
                                       const Tensor& targets, double temperature) {
  const variable_list scores =
      ScoreFunction::apply(hidden.contiguous(), embedding, targets.contiguous(), temperature);
  return {scores[0], scores[1]};
}

}  // namespace sojourn::policy
