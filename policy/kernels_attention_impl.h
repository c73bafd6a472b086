// Attention over cached keys and values: part of kernels_formats_impl.h. A block of kPanel tokens
// holds, per KV head, keys as a packed matrix [head_dim, kPanel tokens] and values as one
// [kPanel tokens, head_dim] (kernels_product_impl.h), so that scores and weighted sums are
// products. Bf16Cache and Int8Cache say how the matrices' elements lie in memory.
#ifndef SOJOURN_POLICY_KERNELS_ATTENTION_IMPL_H_
#define SOJOURN_POLICY_KERNELS_ATTENTION_IMPL_H_

#include "policy/kernels_formats.h"
#include "policy/kernels_product_impl.h"
#include "policy/model_lanes.h"

#if defined(__AVX512BW__)
#include <immintrin.h>
#endif

namespace sojourn::policy::SOJOURN_KERNELS {
namespace {

// Keys, then values, in bf16: pairs of elements of one token (keys), of one element of two tokens
// (values), each for 16 columns.
struct Bf16Cache {
  static constexpr bool kScaled = false;
  static constexpr int64_t kRowsTogether = kBlockRows, kLines = 1;
  static constexpr int kDepth = 64;  // bytes of an element of kPanel tokens, and of their weights
  static int64_t KeyBytes(int64_t head_dim) { return RoundUp(head_dim, 32) * kPanel * 2; }
  static int64_t ValueBytes(int64_t head_dim) { return RoundUp(head_dim, kPanel) * kPanel * 2; }
  static const float* ValueScales(int64_t, const std::byte*) { return nullptr; }  // has none
  static int64_t InputBytes(int64_t k) { return InputBytes16(k); }
  static void Prepare(int64_t rows, int64_t k, const float* x, int64_t ldx, std::byte* input) {
    Prepare16(rows, k, x, ldx, input);
  }
  // The n weights of a row, x(i, half) being 16 of them from the i-th on (half: i / 16 % 2).
  template <typename X>
  static SOJOURN_INLINE void PrepareWeights(int64_t n, float, const X& x, std::byte* input) {
    Element* const to = reinterpret_cast<Element*>(input);
    for (int64_t i = 0; i < n; i += kPanel) {
      StoreElements(x(i, 0), to + i);
      StoreElements(x(i + kLanes, 1), to + i + kLanes);
    }
  }

  // Writes k[n] and v[n] of one token.
  static SOJOURN_INLINE void Write(int64_t n, const float* k, const float* v, int64_t slot,
                                   std::byte* block) {
    uint16_t* const keys = reinterpret_cast<uint16_t*>(block) + slot / 16 * 512 + slot % 16 * 2;
    uint16_t* const values =
        reinterpret_cast<uint16_t*>(block + KeyBytes(n)) + slot / 2 * 32 + slot % 2;
    for (int64_t d = 0; d < n; ++d) {
      keys[d / 32 * 1024 + d % 32 / 2 * 32 + d % 2] = Rounded(k[d]);
      values[d / 16 * 512 + d % 16 * 2] = Rounded(v[d]);
    }
  }

  // scores[rows, tokens of `panels` blocks]; keys(p) are block p's.
  template <typename Keys>
  static SOJOURN_INLINE void Score(int64_t rows, int64_t head_dim, int64_t panels,
                                   const std::byte* queries, const Keys& keys, float* scores,
                                   int64_t ld) {
    for (int64_t p = 0; p < panels; ++p) {
      const std::byte* const block = keys(p);
      Multiply(
          rows, RoundUp(head_dim, 32) / 32, reinterpret_cast<const Element*>(queries),
          InputBytes(head_dim) / sizeof(Element),
          [&](int64_t step) SOJOURN_LAMBDA { return block + step * 2 * kTileBytes; },
          scores + p * kPanel, ld, false);
    }
  }
  // sums[rows, 32 elements] over the tokens of `panels` blocks; values(p) are block p's of these
  // elements.
  template <typename Values>
  static SOJOURN_INLINE void Weigh(int64_t rows, int64_t panels, const std::byte* weights,
                                   const Values& values, float* sums, int64_t ld) {
    Multiply(rows, panels, reinterpret_cast<const Element*>(weights),
             InputBytes(panels * kPanel) / sizeof(Element), values, sums, ld, false);
  }

 private:
  static SOJOURN_INLINE uint16_t Rounded(float x) {  // to the nearest, ties to even; NaN stays one
    uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return static_cast<uint16_t>(x == x ? (bits + 0x7fff + (bits >> 16 & 1)) >> 16
                                        : bits >> 16 | 0x40);
  }
};

// Keys, then values, in signed bytes, each with a scale per token behind them; quadruples where
// Bf16Cache has pairs. The values' scales go to the tokens' weights.
struct Int8Cache {
  static constexpr bool kScaled = true;
  static constexpr int64_t kRowsTogether = kCodeRows, kLines = 2;
  static constexpr int kDepth = 32;
  static int64_t KeyBytes(int64_t head_dim) { return PanelBytes(WeightFormat::kInt8, head_dim); }
  static int64_t ValueBytes(int64_t head_dim) {
    return RoundUp(head_dim, kPanel) * kPanel + kPanel * sizeof(float);
  }
  static int64_t InputBytes(int64_t k) { return InputBytes8(k); }
  static void Prepare(int64_t rows, int64_t k, const float* x, int64_t ldx, std::byte* input) {
    Prepare8(rows, k, x, ldx, input);
  }
  template <typename X>
  static SOJOURN_INLINE void PrepareWeights(int64_t n, float top, const X& x, std::byte* input) {
    PrepareRow8(n, top, x, reinterpret_cast<Code*>(input));
  }
  static const float* ValueScales(int64_t head_dim, const std::byte* values) {
    return reinterpret_cast<const float*>(values + RoundUp(head_dim, kPanel) * kPanel);
  }

  static SOJOURN_INLINE void Write(int64_t n, const float* k, const float* v, int64_t slot,
                                   std::byte* block) {
    int8_t codes[kMaxHeadDim + 16];
    float* const key_scales = reinterpret_cast<float*>(block + RoundUp(n, 64) * kPanel);
    key_scales[slot] = Encode(n, k, codes);
    std::byte* const keys = block + slot / 16 * 1024 + slot % 16 * 4;
    for (int64_t d = 0; d < n; d += 4) {
      __builtin_memcpy(keys + d / 64 * 2048 + d % 64 * 16, codes + d, n - d < 4 ? n - d : 4);
    }
    std::byte* const values = block + KeyBytes(n);
    const_cast<float*>(ValueScales(n, values))[slot] = Encode(n, v, codes);
    std::byte* const column = values + slot / 4 * 64;
    for (int64_t d = 0; d < n; d += 16) WriteEveryFourth(codes + d, column + d * 32, slot % 4);
  }

  template <typename Keys>
  static SOJOURN_INLINE void Score(int64_t rows, int64_t head_dim, int64_t panels,
                                   const std::byte* queries, const Keys& keys, float* scores,
                                   int64_t ld) {
    CodeProducts products(head_dim);
    for (int64_t p = 0; p < panels; ++p) {
      products.Multiply(rows, queries, keys(p), scores + p * kPanel, ld, false, [](int64_t) {});
    }
    products.Finish();
  }
  template <typename Values>
  static SOJOURN_INLINE void Weigh(int64_t rows, int64_t panels, const std::byte* input,
                                   const Values& values, float* sums, int64_t ld) {
    alignas(64) int32_t codes[2 * kCodeRows][32];
    constexpr int64_t kMost = 4096;  // blocks whose sums are below 2^31
    const int64_t line = LineCodes(panels * kPanel);
    const Code* const weights = reinterpret_cast<const Code*>(input);
    for (int64_t first = 0; first < panels; first += kMost) {
      SumCodes<kPanel>(
          2 * rows, panels - first < kMost ? panels - first : kMost, weights + first * kPanel, line,
          [&](int64_t p) SOJOURN_LAMBDA { return values(first + p); }, codes,
          [](int64_t, int64_t) {});
      for (int64_t r = 0; r < rows; ++r) {
        const float own = *ScaleOf(weights + 2 * r * line, panels * kPanel);
        for (int64_t j = 0; j < kPanel; j += kLanes) {
          float* const to = sums + r * ld + j;
          Store(to, (first == 0 ? Zero() : Load(to)) + Whole(codes + 2 * r, j) * own);
        }
      }
    }
  }

 private:
  // codes[RoundUp(n, 16)], zeros behind; returns the scale.
  static SOJOURN_INLINE float Encode(int64_t n, const float* x, int8_t* codes) {
    const float top = LargestSize(x, n), inverse = top > kTiny ? 127 / top : 0;
    for (int64_t i = 0; i < n; i += kLanes) {
      const V values = i + kLanes <= n ? Load(x + i) : LoadSome(x + i, n - i, 0);
      const V rounded = inverse > 0 ? values * inverse + kMagic : Splat(kMagic);
#if defined(__AVX512F__)  // the number is in the lowest byte
      _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + i),
                       _mm512_cvtepi32_epi8((__m512i)rounded.part[0]));
#else
      float numbers[kLanes];
      Store(numbers, rounded - kMagic);
      for (int64_t j = 0; j < kLanes; ++j) codes[i + j] = static_cast<int8_t>(numbers[j]);
#endif
    }
    return top * (1.0f / 127);
  }
  // 16 codes to to[first + 4 i].
  static SOJOURN_INLINE void WriteEveryFourth(const int8_t* codes, std::byte* to, int64_t first) {
#if defined(__AVX512BW__)
    const __m512i wide =
        _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
    const __m512i moved = _mm512_sllv_epi32(wide, _mm512_set1_epi32(static_cast<int>(8 * first)));
    _mm512_mask_storeu_epi8(to, 0x1111111111111111u << first, moved);
#else
    for (int64_t i = 0; i < 16; ++i) to[first + 4 * i] = static_cast<std::byte>(codes[i]);
#endif
  }
};

// 2^x to about 2e-7 of it for x from -126 to 0; below -127 it is 0, and NaN stays. The polynomial is
// the one of least relative error on [-1/2, 1/2] (by reweighted least squares).
SOJOURN_INLINE V Exp2(const V& argument) {
  const V x = Max(Splat(-127.0f), argument);
  const V shifted = x + kMagic, r = x - (shifted - kMagic);
  V p = Splat(1.32647268e-3f);
  p = p * r + 9.67151267e-3f;
  p = p * r + 5.55073374e-2f;
  p = p * r + 2.40222421e-1f;
  p = p * r + 6.93146978e-1f;
  const V y = p * r + 1.0f;
  return V::Each([&](int i) SOJOURN_LAMBDA {
    const V::Int exponent = reinterpret_cast<V::Int>(shifted.part[i]) << 23;
    return reinterpret_cast<V::Float>(reinterpret_cast<V::Int>(y.part[i]) + exponent);
  });
}

template <typename Cache>
int64_t KvHeadBytes(int64_t head_dim) {
  return Cache::KeyBytes(head_dim) + Cache::ValueBytes(head_dim);
}

// x[dim] turned by a position's angles, times `scale`.
template <typename T>
SOJOURN_INLINE void Turn(const AttentionShape& shape, int64_t position, const T* x, float scale,
                         float* turned) {
  const int64_t half = shape.head_dim / 2;
  const float* const cos = shape.cos + position * half;
  const float* const sin = shape.sin + position * half;
  for (int64_t i = 0; i < half; ++i) {
    const float c = cos[i] * scale, s = sin[i] * scale, a = Get(x + i), b = Get(x + half + i);
    turned[i] = a * c - b * s;
    turned[half + i] = b * c + a * s;
  }
}

template <typename Cache>
void StoreKv(const AttentionShape& shape, int64_t position, const float* qkv, std::byte* block) {
  const int64_t dim = shape.head_dim;
  float turned[kMaxHeadDim];
  for (int64_t kv = 0; kv < shape.kv_heads; ++kv, block += KvHeadBytes<Cache>(dim)) {
    const float* const k = qkv + (shape.heads + kv) * dim;
    Turn(shape, position, k, 1, turned);
    Cache::Write(dim, turned, k + shape.kv_heads * dim, position % kPanel, block);
  }
}

template <typename Cache>
int64_t AttendScratch(int64_t head_dim, int64_t max_positions) {
  const int64_t wide = RoundUp(head_dim, kPanel), length = RoundUp(max_positions, kPanel);
  return Cache::kRowsTogether * ((wide + length) * static_cast<int64_t>(sizeof(float)) +
                                 Cache::InputBytes(head_dim) + Cache::InputBytes(length)) +
         length / kPanel * kLanes * static_cast<int64_t>(sizeof(float));
}

// The queries of one KV head of `tokens` tokens from `position` on. block(p) is what this head has in
// the cache's p-th block. finish(token, head, top, total) gets the largest score and the sum of
// 2^(score - top).
template <typename Cache, typename T, typename Block, typename Finish>
SOJOURN_INLINE void AttendFrom(const AttentionShape& shape, int64_t kv_head, int64_t position,
                               int64_t tokens, const T* qkv, int64_t ldq, const Block& block,
                               T* out, int64_t ldo, std::byte* scratch, const Finish& finish) {
  const int64_t dim = shape.head_dim, wide = RoundUp(dim, kPanel);
  const int64_t per_kv = shape.heads / shape.kv_heads;  // rows are (token, head) pairs in order
  const int64_t key_bytes = Cache::KeyBytes(dim), value_bytes = Cache::ValueBytes(dim);
  const int64_t all = tokens * per_kv;
  const int64_t most = RoundUp(position + tokens, kPanel);
  const float scale = 1.44269504f / __builtin_sqrtf(static_cast<float>(dim));  // to powers of two
  float* const scores = reinterpret_cast<float*>(scratch);
  float* const sums = scores + Cache::kRowsTogether * most;
  std::byte* const queries = reinterpret_cast<std::byte*>(sums + Cache::kRowsTogether * wide);
  std::byte* const weights = queries + Cache::kRowsTogether * Cache::InputBytes(dim);
  float* const tops =
      reinterpret_cast<float*>(weights + Cache::kRowsTogether * Cache::InputBytes(most));
  [[maybe_unused]] const auto scales = [&](int64_t p) SOJOURN_LAMBDA {
    return Cache::ValueScales(dim, block(p) + key_bytes);
  };
  int64_t topped = 0;  // blocks whose largest scales, and those of all before, are in `tops`
  // The cache lies in pieces too short for the processor's own prefetching: the next keys and the
  // values come in while scores are computed.
  const auto prefetch = [&](int64_t p, int64_t from, int64_t bytes) SOJOURN_LAMBDA {
    if (p >= most / kPanel) return;
    for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(block(p) + from + i);
  };
  for (int64_t first = 0; first < all; first += Cache::kRowsTogether) {
    const int64_t rows = all - first < Cache::kRowsTogether ? all - first : Cache::kRowsTogether;
    const int64_t panels = (position + (first + rows - 1) / per_kv) / kPanel + 1;
    const int64_t length = panels * kPanel;
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t token = (first + r) / per_kv, head = kv_head * per_kv + (first + r) % per_kv;
      Turn(shape, position + token, qkv + token * ldq + head * dim, scale, sums + r * wide);
    }
    Cache::Prepare(rows, dim, sums, wide, queries);
    {
      [[maybe_unused]] const Tiles tiles(rows * Cache::kLines);
      Cache::Score(
          rows, dim, panels, queries,
          [&](int64_t p) SOJOURN_LAMBDA {
            if (first == 0) prefetch(p + 1, 0, key_bytes), prefetch(p, key_bytes, value_bytes);
            return block(p);
          },
          scores, length);
    }
    // All rows' before any row's weights: they wait for nothing then.
    float highest[Cache::kRowsTogether], bounds[Cache::kRowsTogether];
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t seen = position + (first + r) / per_kv + 1, whole = seen / kPanel;
      float* const line = scores + r * length;
      highest[r] = Largest(line, seen);
      for (int64_t i = seen / kLanes * kLanes; i < length; i += kLanes) {  // their weights are 0
        Store(line + i, FirstLanes(seen - i, Load(line + i), Splat(kLowest)));
      }
      bounds[r] = 1;
      // No weight is above 1, so none is, with its value's scale, above the largest scale.
      if constexpr (Cache::kScaled) {
        for (; topped < whole; ++topped) {
          const V before = topped > 0 ? Load(tops + (topped - 1) * kLanes) : Zero();
          const float* const here = scales(topped);
          Store(tops + topped * kLanes,
                LargerSize(LargerSize(before, Load(here)), Load(here + kLanes)));
        }
        V top = whole > 0 ? Load(tops + (whole - 1) * kLanes) : Zero();
        for (int64_t i = whole * kPanel; i < seen; i += kLanes) {
          const V here = Load(scales(whole) + i % kPanel);
          top = LargerSize(top, FirstLanes(seen - i, here, Zero()));
        }
        bounds[r] = LargestLane(top);
      }
    }
    float inverse[Cache::kRowsTogether];
    for (int64_t r = 0; r < rows; ++r) {
      const float* const line = scores + r * length;
      const V top = Splat(highest[r]);
      V sum[2] = {Zero(), Zero()};
      Cache::PrepareWeights(
          length, bounds[r],
          [&](int64_t i, int half) SOJOURN_LAMBDA {
            const V weight = Exp2(Load(line + i) - top);
            sum[half] += weight;
            if constexpr (!Cache::kScaled) return weight;
            return weight * Load(scales(i / kPanel) + half * kLanes);
          },
          weights + r * Cache::InputBytes(length));
      const float total = Sum(sum[0] + sum[1]);
      inverse[r] = 1.0f / total;
      finish((first + r) / per_kv, kv_head * per_kv + (first + r) % per_kv, highest[r], total);
    }
    {
      [[maybe_unused]] const Tiles tiles(rows * Cache::kLines, Cache::kDepth);
      for (int64_t d = 0; d < wide; d += kPanel) {
        Cache::Weigh(
            rows, panels, weights,
            [&](int64_t p) SOJOURN_LAMBDA { return block(p) + key_bytes + d * Cache::kDepth; },
            sums + d, wide);
      }
    }
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t token = (first + r) / per_kv, head = kv_head * per_kv + (first + r) % per_kv;
      T* const to = out + token * ldo + head * dim;
      int64_t d = 0;
      for (; d + kLanes <= dim; d += kLanes) Store(to + d, Load(sums + r * wide + d) * inverse[r]);
      if (d < dim) StoreSome(to + d, dim - d, Load(sums + r * wide + d) * inverse[r]);
    }
  }
}

template <typename Cache>
void Attend(const AttentionShape& shape, int64_t kv_head, int64_t position, int64_t tokens,
            const float* qkv, int64_t ldq, const std::byte* const* blocks, float* out, int64_t ldo,
            std::byte* scratch) {
  const int64_t offset = kv_head * KvHeadBytes<Cache>(shape.head_dim);
  AttendFrom<Cache>(
      shape, kv_head, position, tokens, qkv, ldq,
      [&](int64_t p) SOJOURN_LAMBDA { return blocks[p] + offset; }, out, ldo, scratch,
      [](int64_t, int64_t, float, float) {});
}

}  // namespace
}  // namespace sojourn::policy::SOJOURN_KERNELS

#endif  // SOJOURN_POLICY_KERNELS_ATTENTION_IMPL_H_
