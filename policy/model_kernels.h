// The arithmetic of the model on the CPU: vector code for what would be memory-bound as
// separate tensor operations, and products whose every element is one chain of multiply-adds in a
// fixed order.
//
// The latter is what makes runs bit-equal: a row's result does not depend on how many other rows
// there are, on what they hold, or on where it stands. AVX-512 and AVX2 give the same bits; a
// processor without fused multiply-add rounds differently.
//
// All arrays are dense and row-major unless a stride is given; none needs alignment.
#ifndef SOJOURN_POLICY_MODEL_KERNELS_H_
#define SOJOURN_POLICY_MODEL_KERNELS_H_

#include <cstddef>
#include <cstdint>

namespace sojourn::policy {

// Columns of a packed matrix that lie together; tokens of a KV block.
constexpr int64_t kPanel = 32;
constexpr int64_t RoundUp(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

constexpr int64_t kMaxHeadDim = 512;  // of every model

// Heads of an attention layer, and rotary angles: cosines and sines, [positions, head_dim / 2].
struct AttentionShape {
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  const float* cos = nullptr;
  const float* sin = nullptr;
  int64_t row() const { return (heads + 2 * kv_heads) * head_dim; }  // of q, k and v of one token
};

// One sequence of a batch of rows: positions 0 to prefix_length - 1 are the rows from prefix_start, which
// are another segment's own (several may share them; it stands earlier in the batch), and then come its
// own `length` rows from `start`.
struct AttentionSegment {
  int64_t start = 0, length = 0;
  int64_t prefix_start = 0, prefix_length = 0;
  int64_t positions() const { return prefix_length + length; }
  int64_t RowOf(int64_t position) const {
    return position < prefix_length ? prefix_start + position : start + position - prefix_length;
  }
};

constexpr int64_t ValueWidth(int64_t head_dim) { return RoundUp(head_dim, 8); }

// The upper half of a float.
struct Bf16 {
  uint16_t bits;
};

// Row-wise operations on float or Bf16; sums, norms' inverses and gradients of norms' weights are fp32 in both.
// In 16 bits what transformers rounds in between is rounded.
template <typename T>
struct RowKernels {
  // y = x * inverse_rms(x) * weight, rows of `width`, those of x `ldx` apart. `inverse` [rows] may
  // be null.
  void (*rms_norm)(int64_t rows, int64_t width, float epsilon, const T* x, int64_t ldx,
                   const T* weight, T* y, float* inverse);
  // dweight is added to.
  void (*rms_norm_backward)(int64_t rows, int64_t width, const T* x, const T* weight,
                            const float* inverse, const T* dy, T* dx, float* dweight);

  // y[rows, width] = silu(gate) * up, where gate_up [rows, 2 * width] has the gates first. Rows are
  // `ld_gate_up` and `ldy` apart.
  void (*swiglu)(int64_t rows, int64_t width, const T* gate_up, int64_t ld_gate_up, T* y, int64_t ldy);
  void (*swiglu_backward)(int64_t rows, int64_t width, const T* gate_up, const T* dy, T* dgate_up);

  // Per row of logits [rows, n]: log softmax(logits / t)[target], and the entropy in nats.
  void (*score)(int64_t rows, int64_t n, const T* logits, const int64_t* targets,
                float inverse_temperature, float* logprobs, float* entropies);
  // Replaces logits by the gradient with respect to them.
  void (*score_backward)(int64_t rows, int64_t n, T* logits, const int64_t* targets,
                         float inverse_temperature, const float* dlogprobs,
                         const float* dentropies);
};

// Causal attention with rotary positions within each segment, for key-value heads kv_begin to
// kv_end - 1 and the queries that go with them. qkv [total, row()], out [total, heads * head_dim],
// sums [heads, total]: what the softmax divided by, as the backward pass of the same table wants it.
// The segments' own rows lie end to end; they may be computed one by one, but in the backward pass
// those that share a prefix must come together with it, in order. `scratch` is aligned as floats.
template <typename T>
struct AttentionKernels {
  // Bytes for segments of at most `positions` positions, and of at most `rows` rows together.
  int64_t (*scratch)(int64_t positions, int64_t rows, int64_t head_dim);
  void (*forward)(const AttentionShape& shape, const AttentionSegment* segments, int64_t count,
                  int64_t kv_begin, int64_t kv_end, int64_t total, const T* qkv, T* out,
                  float* sums, std::byte* scratch);
  void (*backward)(const AttentionShape& shape, const AttentionSegment* segments, int64_t count,
                   int64_t kv_begin, int64_t kv_end, int64_t total, const T* qkv, const T* out,
                   const float* sums, const T* dout, T* dqkv, std::byte* scratch);
};

struct Kernels : RowKernels<float> {
  RowKernels<Bf16> bf16;
  AttentionKernels<float> attention;  // in bf16: kernels_formats.h

  // terms[i] = exp((logits[i] - max) * inverse_temperature), sums[i / 64] of 64 each. Returns max.
  float (*softmax_terms)(int64_t n, const float* logits, float inverse_temperature, float* terms,
                         float* sums);
};

// The best that this processor runs.
const Kernels& CpuKernels();
// By instruction set, for tests: "avx512", "avx2", "baseline"; null when this processor lacks it.
const Kernels* KernelsFor(const char* instruction_set);

// Packs b [k, n], given as weight [n, k] (as linear layers store it), into panels [n /
// kPanel][k][kPanel], zero-padded: k * RoundUp(n, kPanel) floats.
void PackPanels(const float* weight, int64_t n, int64_t k, float* packed);

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_MODEL_KERNELS_H_
