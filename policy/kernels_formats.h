// Products and cached attention by the format of the weights: what the inference engine calls, one
// table per format and instruction set.
//
//   fp32  products in fp32, keys and values in fp32; the arithmetic of model_kernels.h, to the bit
//   bf16  bfloat16 weights, activations, keys and values; sums in fp32
//   int8  weights as signed bytes with a scale per output; activations as 16-bit whole numbers with
//   a
//         scale per row, split into two signed bytes; products exact in integers. Keys and values
//         as bytes with a scale per token and KV head, queries and attention's weights as
//         activations
//
// In every table a row's result is one chain of sums in an order that depends on nothing but the
// row's own length: not on the other rows, on how the columns are split among threads, or on how
// many tokens attend at once. Tables of different instruction sets may round differently in bf16.
#ifndef SOJOURN_POLICY_KERNELS_FORMATS_H_
#define SOJOURN_POLICY_KERNELS_FORMATS_H_

#include <cstddef>
#include <cstdint>

#include "policy/model_kernels.h"

namespace sojourn::policy {

enum class WeightFormat { kFloat32, kBfloat16, kInt8 };

struct FormatKernels {
  // Activations as products read them: `input_bytes(k)` from one row to the next.
  int64_t (*input_bytes)(int64_t k);
  void (*prepare)(int64_t rows, int64_t k, const float* x, int64_t ldx, std::byte* input);

  // c[rows, n] (+)= a[rows, k] b[k, n] with b packed by PackWeights. n is a multiple of kPanel.
  void (*product)(int64_t rows, int64_t k, int64_t n, const std::byte* input,
                  const std::byte* packed, float* c, int64_t ldc, bool accumulate);

  // One layer's part of a block of kPanel tokens, [kv_heads][kv_head_bytes]. In fp32: keys as
  // [head_dim, kPanel] (rotated), then values as [kPanel, ValueWidth(head_dim)]. New blocks are
  // zeros.
  int64_t (*kv_head_bytes)(int64_t head_dim);
  // Rotates and writes one token's keys and values, qkv [row()].
  void (*store_kv)(const AttentionShape& shape, int64_t position, const float* qkv,
                   std::byte* block);
  // The queries of one KV head of `tokens` tokens from `position` on, each over the positions up to
  // its own. blocks[(position + tokens - 1) / kPanel + 1] is of the layer, all KV heads; qkv and
  // out [tokens, ...] with rows `ldq` and `ldo` apart, all heads.
  void (*attend)(const AttentionShape& shape, int64_t kv_head, int64_t position, int64_t tokens,
                 const float* qkv, int64_t ldq, const std::byte* const* blocks, float* out,
                 int64_t ldo, std::byte* scratch);
  int64_t (*attend_scratch)(int64_t head_dim, int64_t max_positions);  // bytes

  // "fp32, avx512", ...
  const char* name;
};

const FormatKernels& CpuKernels(WeightFormat format);  // the best that this processor runs

// Training's attention in bf16: forward as the table of that format attends, to the bit, if keys
// and values are its own; gradients in bf16 with sums in fp32.
const AttentionKernels<Bf16>& CpuAttention16();
const AttentionKernels<Bf16>* Attention16For(const char* instruction_set);  // as KernelsFor
// By instruction set, for tests: those of KernelsFor, "avx512_bf16" (with VNNI) and "amx"; null
// when this processor lacks it, or has nothing special for the format.
const FormatKernels* KernelsFor(WeightFormat format, const char* instruction_set);

// weight [n, k] as linear layers store it -> panels of kPanel columns, zero-padded. Every panel
// takes PanelBytes(format, k), so `n` columns take RoundUp(n, kPanel) / kPanel of them; packed is
// aligned to 64 bytes.
int64_t PanelBytes(WeightFormat format, int64_t k);
void PackWeights(WeightFormat format, const float* weight, int64_t n, int64_t k, std::byte* packed);

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_KERNELS_FORMATS_H_
