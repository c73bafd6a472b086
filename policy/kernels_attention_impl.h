// Attention over keys and values cached in bf16: part of kernels_formats_impl.h. A block of kPanel
// tokens holds, per KV head, keys as a packed matrix [head_dim, kPanel tokens] and values as one
// [kPanel tokens, head_dim] (kernels_product_impl.h), so that scores and weighted sums are
// products.
#ifndef SOJOURN_POLICY_KERNELS_ATTENTION_IMPL_H_
#define SOJOURN_POLICY_KERNELS_ATTENTION_IMPL_H_

#include "policy/kernels_formats.h"
#include "policy/kernels_product_impl.h"
#include "policy/model_lanes.h"

namespace sojourn::policy::SOJOURN_KERNELS {
namespace {

int64_t KeyBytes(int64_t head_dim) { return RoundUp(head_dim, kPanel) * kPanel * 2; }
int64_t KvHeadBytes16(int64_t head_dim) { return 2 * KeyBytes(head_dim); }

// Rounds x[n], at most 512 of them, to bf16; `to` is the place of element i.
template <typename To>
SOJOURN_INLINE void Scatter16(const float* x, int64_t n, const To& to) {
  for (int64_t i = 0; i < n; i += kLanes) {
    float rounded[kLanes];
    Store(rounded, RoundToBf16(i + kLanes <= n ? Load(x + i) : LoadSome(x + i, n - i, 0)));
    for (int64_t j = 0; j < kLanes && i + j < n; ++j) {
      uint32_t bits;
      __builtin_memcpy(&bits, rounded + j, sizeof bits);
      *to(i + j) = static_cast<uint16_t>(bits >> 16);
    }
  }
}

void StoreKv16(const AttentionShape& shape, int64_t position, const float* qkv, std::byte* block) {
  const int64_t dim = shape.head_dim, half = dim / 2, slot = position % kPanel;
  const float* const cos = shape.cos + position * half;
  const float* const sin = shape.sin + position * half;
  for (int64_t kv = 0; kv < shape.kv_heads; ++kv, block += KvHeadBytes16(dim)) {
    uint16_t* const keys = reinterpret_cast<uint16_t*>(block);
    uint16_t* const values = reinterpret_cast<uint16_t*>(block + KeyBytes(dim));
    const float* const k = qkv + (shape.heads + kv) * dim;
    for (int64_t first = 0; first < half; first += kLanes) {
      const int64_t n = half - first < kLanes ? half - first : kLanes;
      float low[kLanes], high[kLanes];
      for (int64_t i = 0; i < n; ++i) {
        const float a = k[first + i], b = k[half + first + i];
        low[i] = a * cos[first + i] - b * sin[first + i];
        high[i] = b * cos[first + i] + a * sin[first + i];
      }
      const auto place = [&](int64_t d) SOJOURN_LAMBDA {
        return keys + (d / 32 * 2 + slot / 16) * 512 + d % 32 / 2 * 32 + slot % 16 * 2 + d % 2;
      };
      Scatter16(low, n, [&](int64_t i) SOJOURN_LAMBDA { return place(first + i); });
      Scatter16(high, n, [&](int64_t i) SOJOURN_LAMBDA { return place(half + first + i); });
    }
    Scatter16(k + shape.kv_heads * dim, dim, [&](int64_t d) SOJOURN_LAMBDA {
      return values + d / 16 * 512 + slot / 2 * 32 + d % 16 * 2 + slot % 2;
    });
  }
}

// Rows taken together: (token, head of the group) pairs, heads of one token in order.
constexpr int64_t kQueryRows = kBlockRows;

int64_t AttendScratch16(int64_t head_dim, int64_t max_positions) {
  const int64_t wide = RoundUp(head_dim, kPanel), length = RoundUp(max_positions, kPanel);
  return kQueryRows * ((wide + length) * sizeof(Element) + (wide + length) * sizeof(float));
}

void Attend16(const AttentionShape& shape, int64_t kv_head, int64_t position, int64_t tokens,
              const float* qkv, int64_t ldq, const std::byte* const* blocks, float* out,
              int64_t ldo, std::byte* scratch) {
  const int64_t dim = shape.head_dim, half = dim / 2, wide = RoundUp(dim, kPanel);
  const int64_t per_kv = shape.heads / shape.kv_heads, offset = kv_head * KvHeadBytes16(dim);
  const int64_t length = RoundUp(position + tokens, kPanel);
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(dim));
  float* const scores = reinterpret_cast<float*>(scratch);
  float* const sums = scores + kQueryRows * length;
  Element* const queries = reinterpret_cast<Element*>(sums + kQueryRows * wide);
  Element* const weights = queries + kQueryRows * wide;
  const int64_t all = tokens * per_kv;
  // The cache lies in pieces too short for the processor's own prefetching.
  const auto prefetch = [&](int64_t p, int64_t part) SOJOURN_LAMBDA {
    if (p >= length / kPanel) return;
    for (int64_t i = 0; i < KeyBytes(dim); i += 64) {
      __builtin_prefetch(blocks[p] + offset + part + i);
    }
  };
  for (int64_t first = 0; first < all; first += kQueryRows) {
    const int64_t rows = all - first < kQueryRows ? all - first : kQueryRows;
    const int64_t last = position + (first + rows - 1) / per_kv;
    const int64_t panels = last / kPanel + 1;
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t token = (first + r) / per_kv, head = kv_head * per_kv + (first + r) % per_kv;
      const float* const q = qkv + token * ldq + head * dim;
      const float* const cos = shape.cos + (position + token) * half;
      const float* const sin = shape.sin + (position + token) * half;
      float* const turned = sums;  // free until the values are weighed
      for (int64_t i = 0; i < half; ++i) {
        const float c = cos[i] * scale, s = sin[i] * scale;
        turned[i] = q[i] * c - q[half + i] * s;
        turned[half + i] = q[half + i] * c + q[i] * s;
      }
      for (int64_t i = dim; i < wide; ++i) turned[i] = 0;
      for (int64_t i = 0; i < wide; i += kLanes) {
        StoreElements(Load(turned + i), queries + r * wide + i);
      }
    }
    [[maybe_unused]] const Tiles tiles(rows);
    for (int64_t p = 0; p < panels; ++p) {
      const std::byte* const keys = blocks[p] + offset;
      if (first == 0) prefetch(p + 1, 0), prefetch(p, KeyBytes(dim));
      Multiply(
          rows, wide / 32, queries, wide,
          [&](int64_t step) SOJOURN_LAMBDA { return keys + step * 2 * kTileBytes; },
          scores + p * kPanel, length, false);
    }
    float inverse[kQueryRows];
    for (int64_t r = 0; r < rows; ++r) {
      const int32_t seen = static_cast<int32_t>(position + (first + r) / per_kv + 1);
      const int32_t whole = seen / kLanes * kLanes, end = static_cast<int32_t>(panels * kPanel);
      float* const line = scores + r * length;
      V best = Splat(kLowest);
      for (int32_t j = 0; j < whole; j += kLanes) best = Max(best, Load(line + j));
      best = Max(best, FirstLanes(seen - whole, Load(line + whole % end), Splat(kLowest)));
      const float top = MaxLane(best);
      V sum = Zero();
      for (int32_t j = 0; j < end; j += kLanes) {
        V term = Zero();
        if (j < seen) {
          term = Exp(Load(line + j) - top);
          if (j + kLanes > seen) term = FirstLanes(seen - j, term, Zero());
          sum += term;
        }
        StoreElements(term, weights + r * length + j);
      }
      inverse[r] = 1.0f / Sum(sum);
    }
    for (int64_t d = 0; d < wide; d += kPanel) {
      const int64_t values = offset + KeyBytes(dim) + d / kPanel * 2 * kTileBytes;
      Multiply(
          rows, panels, weights, length,
          [&](int64_t p) SOJOURN_LAMBDA { return blocks[p] + values; }, sums + d, wide, false);
    }
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t token = (first + r) / per_kv, head = kv_head * per_kv + (first + r) % per_kv;
      float* const to = out + token * ldo + head * dim;
      for (int64_t d = 0; d < dim; ++d) to[d] = sums[r * wide + d] * inverse[r];
    }
  }
}

}  // namespace
}  // namespace sojourn::policy::SOJOURN_KERNELS

#endif  // SOJOURN_POLICY_KERNELS_ATTENTION_IMPL_H_
