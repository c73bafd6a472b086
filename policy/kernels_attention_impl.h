// Attention over cached keys and values: part of kernels_formats_impl.h. A block of kPanel tokens
// holds, per KV head, keys as a packed matrix [head_dim, kPanel tokens] and values as one
// [kPanel tokens, head_dim] (kernels_product_impl.h), so that scores and weighted sums are
// products. Bf16Cache and Int8Cache say how the matrices' elements lie in memory.
#ifndef SOJOURN_POLICY_KERNELS_ATTENTION_IMPL_H_
#define SOJOURN_POLICY_KERNELS_ATTENTION_IMPL_H_

#include "policy/kernels_formats.h"
#include "policy/kernels_product_impl.h"
#include "policy/model_lanes.h"

#if defined(__AVX512VBMI__)
#include <immintrin.h>
#endif

namespace sojourn::policy::SOJOURN_KERNELS {
namespace {

// Of a matrix in bf16.
int64_t MatrixBytes(int64_t head_dim) { return RoundUp(head_dim, kPanel) * kPanel * 2; }

// The place of a token's element `d` in the packed matrix of keys, and in that of values, is the sum of
// two numbers without a common bit.
SOJOURN_INLINE int64_t KeySlot(int64_t slot) { return slot / 16 * 512 + slot % 16 * 2; }
SOJOURN_INLINE int64_t KeyElement(int64_t d) { return d / 32 * 1024 + d % 32 / 2 * 32 + d % 2; }
SOJOURN_INLINE int64_t ValueSlot(int64_t slot) { return slot / 2 * 32 + slot % 2; }
SOJOURN_INLINE int64_t ValueElement(int64_t d) { return d / 16 * 512 + d % 16 * 2; }

// Keys, then values, as products read them.
struct Bf16Cache {
  static constexpr bool kScaled = false;
  static int64_t StoredBytes(int64_t head_dim) { return MatrixBytes(head_dim); }
  static int64_t HeadBytes(int64_t head_dim) { return 2 * StoredBytes(head_dim); }
  static int64_t ScratchBytes(int64_t) { return 0; }

  // Writes x[n] of one token: element i goes to slot + element(i).
  template <typename Element>
  static SOJOURN_INLINE void Write(const float* x, int64_t n, std::byte* matrix, float*, int64_t slot,
                                   const Element& element) {
    uint16_t* const to = reinterpret_cast<uint16_t*>(matrix) + slot;
    for (int64_t i = 0; i < n; i += kLanes) {
      float rounded[kLanes];
      Store(rounded, RoundToBf16(i + kLanes <= n ? Load(x + i) : LoadSome(x + i, n - i, 0)));
      for (int64_t j = 0; j < kLanes && i + j < n; ++j) {
        uint32_t bits;
        __builtin_memcpy(&bits, rounded + j, sizeof bits);
        to[element(i + j)] = static_cast<uint16_t>(bits >> 16);
      }
    }
  }
  // The matrix in bf16.
  static SOJOURN_INLINE const std::byte* Read(const std::byte* matrix, int64_t, std::byte*) {
    return matrix;
  }
};

#if defined(__AVX512VBMI__)
// The halves of 0, ..., 127 in bf16.
struct alignas(64) CodeTable {
  uint8_t low[128], high[128];
  constexpr CodeTable() : low(), high() {
    for (int i = 0; i < 128; ++i) {
      const uint32_t bits = __builtin_bit_cast(uint32_t, static_cast<float>(i));
      low[i] = static_cast<uint8_t>(bits >> 16), high[i] = static_cast<uint8_t>(bits >> 24);
    }
  }
};
constexpr CodeTable kCodes;
// Where the code of element e of a matrix lies: so that a vector's halves unpack to 64 in order.
SOJOURN_INLINE int64_t CodePlace(int64_t e) {
  return e / 64 * 64 + e % 32 / 8 * 16 + e % 64 / 32 * 8 + e % 8;
}
// codes[n] -> bf16.
SOJOURN_INLINE void Unpack(const int8_t* codes, int64_t n, uint16_t* to) {
  const __m512i low0 = _mm512_load_si512(kCodes.low), low1 = _mm512_load_si512(kCodes.low + 64);
  const __m512i high0 = _mm512_load_si512(kCodes.high), high1 = _mm512_load_si512(kCodes.high + 64);
  const __m512i sign = _mm512_set1_epi8(-128);
  for (int64_t i = 0; i < n; i += 64) {
    const __m512i code = _mm512_loadu_si512(codes + i), size = _mm512_abs_epi8(code);
    const __m512i low = _mm512_permutex2var_epi8(low0, size, low1);
    const __m512i high = _mm512_ternarylogic_epi64(_mm512_permutex2var_epi8(high0, size, high1),
                                                   code, sign, 0xf8);  // with code's sign
    _mm512_storeu_si512(to + i, _mm512_unpacklo_epi8(low, high));
    _mm512_storeu_si512(to + i + 32, _mm512_unpackhi_epi8(low, high));
  }
}
#else
SOJOURN_INLINE int64_t CodePlace(int64_t e) { return e; }
SOJOURN_INLINE void Unpack(const int8_t* codes, int64_t n, uint16_t* to) {
  for (int64_t i = 0; i < n; ++i) {
    const float code = codes[i];
    uint32_t bits;
    __builtin_memcpy(&bits, &code, sizeof bits);
    to[i] = static_cast<uint16_t>(bits >> 16);
  }
}
#endif

// Keys, then values, in signed bytes with one scale a token; then the keys' scales, the values'. A
// byte is a whole number that bf16 holds exactly, so products read them unpacked, and the scales go
// to the scores and to the weights.
struct Int8Cache {
  static constexpr bool kScaled = true;
  static int64_t StoredBytes(int64_t head_dim) { return MatrixBytes(head_dim) / 2; }
  static int64_t HeadBytes(int64_t head_dim) {
    return 2 * StoredBytes(head_dim) + 2 * kPanel * sizeof(float);
  }
  static int64_t ScratchBytes(int64_t head_dim) { return MatrixBytes(head_dim); }

  template <typename Element>
  static SOJOURN_INLINE void Write(const float* x, int64_t n, std::byte* matrix, float* scale, int64_t slot,
                                   const Element& element) {
    std::byte* const to = matrix + CodePlace(slot);  // which only moves bits
    V most = Zero(), nothing = Zero();
    const auto lanes = [&](int64_t i) SOJOURN_LAMBDA {
      return i + kLanes <= n ? Load(x + i) : LoadSome(x + i, n - i, 0);
    };
    for (int64_t i = 0; i < n; i += kLanes) {
      const V values = lanes(i);
      most = Max(most, Max(values, 0.0f - values));
      nothing += values * 0.0f;  // NaN if one is not finite
    }
    const float top = MaxLane(most), bad = Sum(nothing);
    const float inverse = top > 0 ? 127 / top : 0;
    *scale = top * (1.0f / 127) + bad;
    for (int64_t i = 0; i < n; i += kLanes) {
      constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
      float codes[kLanes];
      Store(codes, bad == 0 ? lanes(i) * inverse + kMagic - kMagic : Zero());
      for (int64_t j = 0; j < kLanes && i + j < n; ++j) {
        to[CodePlace(element(i + j))] = static_cast<std::byte>(static_cast<int8_t>(codes[j]));
      }
    }
  }
  static SOJOURN_INLINE const std::byte* Read(const std::byte* matrix, int64_t head_dim,
                                              std::byte* scratch) {
    Unpack(reinterpret_cast<const int8_t*>(matrix), StoredBytes(head_dim),
           reinterpret_cast<uint16_t*>(scratch));
    return scratch;
  }
};

template <typename Cache>
int64_t KvHeadBytes(int64_t head_dim) {
  return Cache::HeadBytes(head_dim);
}

template <typename Cache>
void StoreKv(const AttentionShape& shape, int64_t position, const float* qkv, std::byte* block) {
  const int64_t dim = shape.head_dim, half = dim / 2, slot = position % kPanel;
  const int64_t stored = Cache::StoredBytes(dim);
  const float* const cos = shape.cos + position * half;
  const float* const sin = shape.sin + position * half;
  float turned[kMaxHeadDim];
  for (int64_t kv = 0; kv < shape.kv_heads; ++kv, block += Cache::HeadBytes(dim)) {
    float* const scales = reinterpret_cast<float*>(block + 2 * stored);
    const float* const k = qkv + (shape.heads + kv) * dim;
    for (int64_t i = 0; i < half; ++i) {
      turned[i] = k[i] * cos[i] - k[half + i] * sin[i];
      turned[half + i] = k[half + i] * cos[i] + k[i] * sin[i];
    }
    Cache::Write(turned, dim, block, scales + slot, KeySlot(slot),
                 [](int64_t d) SOJOURN_LAMBDA { return KeyElement(d); });
    Cache::Write(k + shape.kv_heads * dim, dim, block + stored, scales + kPanel + slot, ValueSlot(slot),
                 [](int64_t d) SOJOURN_LAMBDA { return ValueElement(d); });
  }
}

// Rows taken together: (token, head of the group) pairs, heads of one token in order.
constexpr int64_t kQueryRows = kBlockRows;

constexpr int64_t kTogether = 8;  // blocks whose values are weighed together

template <typename Cache>
int64_t AttendScratch(int64_t head_dim, int64_t max_positions) {
  const int64_t wide = RoundUp(head_dim, kPanel), length = RoundUp(max_positions, kPanel);
  return kQueryRows * ((wide + length) * sizeof(Element) + (wide + length) * sizeof(float)) +
         kTogether * Cache::ScratchBytes(head_dim);
}

template <typename Cache>
void Attend(const AttentionShape& shape, int64_t kv_head, int64_t position, int64_t tokens,
            const float* qkv, int64_t ldq, const std::byte* const* blocks, float* out, int64_t ldo,
            std::byte* scratch) {
  const int64_t dim = shape.head_dim, half = dim / 2, wide = RoundUp(dim, kPanel);
  const int64_t per_kv = shape.heads / shape.kv_heads, stored = Cache::StoredBytes(dim);
  const int64_t offset = kv_head * Cache::HeadBytes(dim);
  const int64_t length = RoundUp(position + tokens, kPanel);
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(dim));
  std::byte* const unpacked = scratch;
  scratch += kTogether * Cache::ScratchBytes(dim);
  float* const scores = reinterpret_cast<float*>(scratch);
  float* const sums = scores + kQueryRows * length;
  Element* const queries = reinterpret_cast<Element*>(sums + kQueryRows * wide);
  Element* const weights = queries + kQueryRows * wide;
  const int64_t all = tokens * per_kv;
  // Of the keys, then of the values.
  const auto scales_of = [&](int64_t p) SOJOURN_LAMBDA {
    return reinterpret_cast<const float*>(blocks[p] + offset + 2 * stored);
  };
  // The cache lies in pieces too short for the processor's own prefetching.
  const auto prefetch = [&](int64_t p, int64_t part) SOJOURN_LAMBDA {
    if (p >= length / kPanel) return;
    for (int64_t i = 0; i < stored; i += 64) __builtin_prefetch(blocks[p] + offset + part + i);
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
      if (first == 0) prefetch(p + 1, 0), prefetch(p, stored);
      const std::byte* const keys = Cache::Read(blocks[p] + offset, dim, unpacked);
      Multiply(
          rows, wide / 32, queries, wide,
          [&](int64_t step) SOJOURN_LAMBDA { return keys + step * 2 * kTileBytes; },
          scores + p * kPanel, length, false);
      for (int64_t r = 0; Cache::kScaled && r < rows; ++r) {
        float* const line = scores + r * length + p * kPanel;
        for (int64_t j = 0; j < kPanel; j += kLanes) {
          Store(line + j, Load(line + j) * Load(scales_of(p) + j));
        }
      }
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
        V term = Zero(), weight = Zero();
        if (j < seen) {
          term = weight = Exp(Load(line + j) - top);
          if (Cache::kScaled) {
            weight = term * Load(scales_of(j / kPanel) + kPanel + j % kPanel);
          }
          if (j + kLanes > seen) {
            term = FirstLanes(seen - j, term, Zero());
            weight = FirstLanes(seen - j, weight, Zero());
          }
          sum += term;
        }
        StoreElements(weight, weights + r * length + j);
      }
      inverse[r] = 1.0f / Sum(sum);
    }
    for (int64_t p = 0; p < panels; p += kTogether) {
      const int64_t n = panels - p < kTogether ? panels - p : kTogether;
      const std::byte* values[kTogether];
      for (int64_t i = 0; i < n; ++i) {
        values[i] = Cache::Read(blocks[p + i] + offset + stored, dim,
                                unpacked + i * Cache::ScratchBytes(dim));
      }
      for (int64_t d = 0; d < wide; d += kPanel) {
        Multiply(
            rows, n, weights + p * kPanel, length,
            [&](int64_t i) SOJOURN_LAMBDA { return values[i] + d / kPanel * 2 * kTileBytes; },
            sums + d, wide, p > 0);
      }
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
