// Products in bf16 and int8: part of kernels_formats_impl.h. One multiplication of a block of rows
// with 32 columns per format and kind of processor (AMX tiles, AVX-512's dot products, vectors of
// fp32); all else is common to them.
#ifndef SOJOURN_POLICY_KERNELS_PRODUCT_IMPL_H_
#define SOJOURN_POLICY_KERNELS_PRODUCT_IMPL_H_

#include "policy/kernels_formats.h"
#include "policy/model_lanes.h"

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

namespace sojourn::policy::SOJOURN_KERNELS {
namespace {

constexpr int64_t kTileBytes = 1024;  // 32 (bf16) or 64 (int8) of k, 16 columns
constexpr int64_t kGroup = 64;        // values that share a scale in int8
constexpr int64_t kGroupBytes = 2 * kTileBytes + 64;

// 16 words of 32 bits.
SOJOURN_INLINE V LoadWords(const std::byte* p) { return Load(reinterpret_cast<const float*>(p)); }

// The two bf16 numbers in each word.
SOJOURN_INLINE V Low(const V& words) {
  return V::Each([&](int i) SOJOURN_LAMBDA {
    return reinterpret_cast<V::Float>(reinterpret_cast<V::Int>(words.part[i]) << 16);
  });
}
SOJOURN_INLINE V High(const V& words) {
  return V::Each([&](int i) SOJOURN_LAMBDA {
    return reinterpret_cast<V::Float>(reinterpret_cast<V::Int>(words.part[i]) & -65536);
  });
}

// To the nearest bf16, ties to even, as an fp32 number. NaN stays one.
SOJOURN_INLINE V RoundToBf16(const V& x) {
  return V::Each([&](int i) SOJOURN_LAMBDA {
    const V::Int bits = reinterpret_cast<V::Int>(x.part[i]);
    const V::Float rounded =
        reinterpret_cast<V::Float>((bits + 0x7fff + ((bits >> 16) & 1)) & -65536);
    return x.part[i] == x.part[i] ? rounded : x.part[i];
  });
}

// What products in bf16 read: numbers in bf16, or, without instructions for these, in fp32.
#if defined(__AVX512BF16__)
using Element = uint16_t;
SOJOURN_INLINE void StoreElements(const V& x, Element* to) {
  const __m256i rounded = (__m256i)_mm512_cvtneps_pbh((__m512)x.part[0]);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), rounded);
}
// sum + b[2, 16] a[2], the columns' pairs lying together.
SOJOURN_INLINE V AddPairs(const V& sum, const V& b, const Element* a) {
  int32_t pair;
  __builtin_memcpy(&pair, a, sizeof pair);
  V result;
  result.part[0] = (V::Float)_mm512_dpbf16_ps((__m512)sum.part[0], (__m512bh)b.part[0],
                                              (__m512bh)_mm512_set1_epi32(pair));
  return result;
}
#else
using Element = float;
SOJOURN_INLINE void StoreElements(const V& x, Element* to) { Store(to, RoundToBf16(x)); }
SOJOURN_INLINE V AddPairs(const V& sum, const V& b, const Element* a) {
  return sum + Low(b) * a[0] + High(b) * a[1];
}
#endif

// Asks for the tiles that come next in memory.
SOJOURN_INLINE void PrefetchTiles([[maybe_unused]] const std::byte* panel) {
#if defined(__AMX_TILE__)
  constexpr int64_t kAhead = 4 * kTileBytes;
#pragma GCC unroll 32
  for (int i = 0; i < 32; ++i) _mm_prefetch(panel + kAhead + 64 * i, _MM_HINT_T0);
#endif
}

#if defined(__AMX_TILE__)

// Tiles 0-3 hold sums (0 and 1 of the first 16 rows), 4-5 rows of a, 6-7 columns of b.
struct Tiles {
  explicit Tiles(int64_t rows) {
    struct alignas(64) {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {};
      uint8_t rows[16] = {};
    } config;
    const uint8_t first = static_cast<uint8_t>(rows < 16 ? rows : 16);
    const uint8_t second = static_cast<uint8_t>(rows - first);
    const uint8_t rows_of[8] = {first, first, second, second, first, second, 16, 16};
    for (int i = 0; i < 8; ++i) config.rows[i] = rows_of[i];
    for (int i = 0; i < 8; ++i) config.row_bytes[i] = config.rows[i] > 0 ? 64 : 0;
    _tile_loadconfig(&config);
  }
  ~Tiles() { _tile_release(); }
};

constexpr int64_t kBlockRows = 32;  // of one multiplication

// c[rows, 32] (+)= sum over steps of a[rows, 32 of k] b(step)[32 of k, 32 columns].
template <typename B>
SOJOURN_INLINE void Multiply(int64_t rows, int64_t steps, const Element* a, int64_t lda, const B& b,
                             float* c, int64_t ldc, bool accumulate) {
  const int64_t bytes_a = lda * sizeof(Element), bytes_c = ldc * sizeof(float);
  const bool two = rows > 16;
  if (accumulate) {
    _tile_loadd(0, c, bytes_c);
    _tile_loadd(1, c + 16, bytes_c);
    if (two) {
      _tile_loadd(2, c + 16 * ldc, bytes_c);
      _tile_loadd(3, c + 16 * ldc + 16, bytes_c);
    }
  } else {
    _tile_zero(0);
    _tile_zero(1);
    if (two) {
      _tile_zero(2);
      _tile_zero(3);
    }
  }
  if (two) {
    for (int64_t step = 0; step < steps; ++step) {
      const std::byte* const panel = b(step);
      _tile_loadd(6, panel, 64);
      _tile_loadd(7, panel + kTileBytes, 64);
      _tile_loadd(4, a + step * 32, bytes_a);
      _tile_loadd(5, a + step * 32 + 16 * lda, bytes_a);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(2, c + 16 * ldc, bytes_c);
    _tile_stored(3, c + 16 * ldc + 16, bytes_c);
  } else {
    for (int64_t step = 0; step < steps; ++step) {
      const std::byte* const panel = b(step);
      _tile_loadd(4, a + step * 32, bytes_a);
      _tile_loadd(6, panel, 64);
      _tile_dpbf16ps(0, 4, 6);
      _tile_loadd(7, panel + kTileBytes, 64);
      _tile_dpbf16ps(1, 4, 7);
    }
  }
  _tile_stored(0, c, bytes_c);
  _tile_stored(1, c + 16, bytes_c);
}

#else

struct Tiles {
  explicit Tiles(int64_t) {}
};
constexpr int64_t kBlockRows = kRows;

template <int R, typename B>
SOJOURN_INLINE void MultiplyRows(int64_t rows, int64_t steps, const Element* a, int64_t lda,
                                 const B& b, float* c, int64_t ldc, bool accumulate) {
  if constexpr (R > 1) {
    if (rows < R) return MultiplyRows<R - 1>(rows, steps, a, lda, b, c, ldc, accumulate);
  }
  V sum[R][2];
  for (int r = 0; r < R; ++r) {
    sum[r][0] = accumulate ? Load(c + r * ldc) : Zero();
    sum[r][1] = accumulate ? Load(c + r * ldc + kLanes) : Zero();
  }
  for (int64_t step = 0; step < steps; ++step) {
    const std::byte* const panel = b(step);
    for (int64_t i = 0; i < 16; ++i) {
      const V b0 = LoadWords(panel + 64 * i), b1 = LoadWords(panel + kTileBytes + 64 * i);
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) {
        const Element* const pair = a + r * lda + step * 32 + 2 * i;
        sum[r][0] = AddPairs(sum[r][0], b0, pair);
        sum[r][1] = AddPairs(sum[r][1], b1, pair);
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    Store(c + r * ldc, sum[r][0]);
    Store(c + r * ldc + kLanes, sum[r][1]);
  }
}

template <typename B>
SOJOURN_INLINE void Multiply(int64_t rows, int64_t steps, const Element* a, int64_t lda, const B& b,
                             float* c, int64_t ldc, bool accumulate) {
  MultiplyRows<kBlockRows>(rows, steps, a, lda, b, c, ldc, accumulate);
}

#endif

int64_t InputBytes16(int64_t k) { return RoundUp(RoundUp(k, 32) * sizeof(Element), 64); }

void Prepare16(int64_t rows, int64_t k, const float* x, int64_t ldx, std::byte* input) {
  const int64_t bytes = InputBytes16(k), padded = RoundUp(k, 32);
  for (int64_t row = 0; row < rows; ++row, x += ldx, input += bytes) {
    Element* const to = reinterpret_cast<Element*>(input);
    for (int64_t i = 0; i < padded; i += kLanes) {
      StoreElements(i + kLanes <= k ? Load(x + i)
                    : i < k         ? LoadSome(x + i, k - i, 0)
                                    : Zero(),
                    to + i);
    }
  }
}

// Calls multiply(rows, first row, column) for blocks of at most `most` rows and every panel. Blocks
// of one size go together, as tiles are laid out for them.
template <typename Multiply>
SOJOURN_INLINE void ForBlocks(int64_t rows, int64_t n, int64_t most, const Multiply& multiply) {
  for (int64_t r = 0; r < rows;) {
    const int64_t block = rows - r < most ? rows - r : most, end = r + (rows - r) / block * block;
    [[maybe_unused]] const Tiles tiles(block);
    for (int64_t column = 0; column < n; column += kPanel) {
      for (int64_t first = r; first < end; first += block) multiply(block, first, column);
    }
    r = end;
  }
}

void Product16(int64_t rows, int64_t k, int64_t n, const std::byte* input, const std::byte* packed,
               float* c, int64_t ldc, bool accumulate) {
  const int64_t steps = RoundUp(k, 32) / 32, lda = InputBytes16(k) / sizeof(Element);
  const Element* const a = reinterpret_cast<const Element*>(input);
  ForBlocks(rows, n, kBlockRows, [&](int64_t block, int64_t r, int64_t column) SOJOURN_LAMBDA {
    const std::byte* const panel = packed + column / kPanel * steps * 2 * kTileBytes;
    Multiply(
        block, steps, a + r * lda, lda,
        [&](int64_t step) SOJOURN_LAMBDA {
          PrefetchTiles(panel + step * 2 * kTileBytes);
          return panel + step * 2 * kTileBytes;
        },
        c + r * ldc + column, ldc, accumulate);
  });
}

// A row in int8 is its values in groups, then the groups' scales. The sum over a group is exact in
// every kind of arithmetic here: at most 64 * 127 * 127 < 2^24.
#if defined(__AVX512VNNI__)
using Code = int8_t;
SOJOURN_INLINE void StoreCodes(const V& x, Code* to) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32((__m512)x.part[0])));
}
#else
using Code = float;
SOJOURN_INLINE void StoreCodes(const V& x, Code* to) { Store(to, x); }
#endif

int64_t CodeBytes(int64_t k) { return RoundUp(k, kGroup) * sizeof(Code); }
int64_t InputBytes8(int64_t k) {
  return RoundUp(CodeBytes(k) + RoundUp(k, kGroup) / kGroup * sizeof(float), 64);
}

void Prepare8(int64_t rows, int64_t k, const float* x, int64_t ldx, std::byte* input) {
  const int64_t bytes = InputBytes8(k);
  for (int64_t row = 0; row < rows; ++row, x += ldx, input += bytes) {
    Code* const to = reinterpret_cast<Code*>(input);
    float* const scales = reinterpret_cast<float*>(input + CodeBytes(k));
    for (int64_t first = 0; first < k; first += kGroup) {
      V values[4], most = Zero(), nothing = Zero();
      for (int i = 0; i < 4; ++i) {
        const int64_t at = first + i * kLanes;
        values[i] = at + kLanes <= k ? Load(x + at) : at < k ? LoadSome(x + at, k - at, 0) : Zero();
        most = Max(most, Max(values[i], 0.0f - values[i]));
        nothing += values[i] * 0.0f;  // NaN if one is not finite
      }
      const float top = MaxLane(most), inverse = top > 0 ? 127 / top : 0;
      scales[first / kGroup] = top * (1.0f / 127) + Sum(nothing);
      constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
      for (int i = 0; i < 4; ++i) {
        StoreCodes(values[i] * inverse + kMagic - kMagic, to + first + i * kLanes);
      }
    }
  }
}

#if defined(__AMX_TILE__)

constexpr int64_t kCodeRows = 32;

// c[rows, 32] (+)= a[rows, k] b[k, 32]; rows are at most kCodeRows, and `bytes` apart.
SOJOURN_INLINE void MultiplyCodes(int64_t rows, int64_t k, const std::byte* a, int64_t bytes,
                                  const std::byte* b, float* c, int64_t ldc, bool accumulate) {
  // Rows of c may be a power of two apart: they are slow to update.
  alignas(64) int32_t sums[2][32][32];
  alignas(64) float total[32][32];
  for (int64_t r = 0; r < rows; ++r) {
    for (int h = 0; h < 2; ++h) {
      Store(total[r] + h * 16, accumulate ? Load(c + r * ldc + h * 16) : Zero());
    }
  }
  const float* const scales = reinterpret_cast<const float*>(a + CodeBytes(k));
  const bool two = rows > 16;
  const auto multiply = [&](int64_t group, int32_t(*to)[32]) SOJOURN_LAMBDA {
    const std::byte* const panel = b + group * kGroupBytes;
    const std::byte* const codes = a + group * kGroup;
    PrefetchTiles(panel);
    _tile_zero(0);
    _tile_zero(1);
    _tile_loadd(4, codes, bytes);
    _tile_loadd(6, panel, 64);
    _tile_dpbssd(0, 4, 6);
    _tile_loadd(7, panel + kTileBytes, 64);
    _tile_dpbssd(1, 4, 7);
    if (two) {
      _tile_zero(2);
      _tile_zero(3);
      _tile_loadd(5, codes + 16 * bytes, bytes);
      _tile_dpbssd(2, 5, 6);
      _tile_dpbssd(3, 5, 7);
    }
    _tile_stored(0, to, 128);
    _tile_stored(1, &to[0][16], 128);
    if (two) {
      _tile_stored(2, to[16], 128);
      _tile_stored(3, &to[16][16], 128);
    }
  };
  const auto add = [&](int64_t group, const int32_t(*from)[32]) SOJOURN_LAMBDA {
    const V both = LoadWords(b + group * kGroupBytes + 2 * kTileBytes);
    const V scale[2] = {Low(both), High(both)};
    for (int64_t r = 0; r < rows; ++r) {
      const float own = scales[r * bytes / sizeof(float) + group];
      for (int h = 0; h < 2; ++h) {
        V sum;
        sum.part[0] = (V::Float)_mm512_cvtepi32_ps(_mm512_load_si512(&from[r][h * 16]));
        Store(total[r] + h * 16, Load(total[r] + h * 16) + sum * (scale[h] * own));
      }
    }
  };
  // What tiles store cannot be read at once: a group's sums wait for the next group's products.
  const int64_t groups = RoundUp(k, kGroup) / kGroup;
  multiply(0, sums[0]);
  for (int64_t group = 1; group < groups; ++group) {
    multiply(group, sums[group % 2]);
    add(group - 1, sums[(group - 1) % 2]);
  }
  add(groups - 1, sums[(groups - 1) % 2]);
  for (int64_t r = 0; r < rows; ++r) {
    for (int h = 0; h < 2; ++h) Store(c + r * ldc + h * 16, Load(total[r] + h * 16));
  }
}
#else

// sums[R][2] of one group, as numbers: b[64, 32] and R rows of a.
#if defined(__AVX512VNNI__)
template <int R>
SOJOURN_INLINE void GroupSums(const Code* a, int64_t lda, const std::byte* b, V sums[R][2]) {
  // VNNI multiplies unsigned by signed: a + 128 instead of a, and 128 times the sum of b is taken
  // off again.
  const __m512i sign = _mm512_set1_epi8(-128);
  __m512i sum[R][2], offset[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
  for (int r = 0; r < R; ++r) sum[r][0] = sum[r][1] = _mm512_setzero_si512();
#pragma GCC unroll 4
  for (int64_t i = 0; i < 16; ++i) {
    const __m512i b0 = _mm512_load_si512(b + 64 * i),
                  b1 = _mm512_load_si512(b + kTileBytes + 64 * i);
    offset[0] = _mm512_dpbusd_epi32(offset[0], sign, b0);
    offset[1] = _mm512_dpbusd_epi32(offset[1], sign, b1);
    for (int r = 0; r < R; ++r) {
      int32_t four;
      __builtin_memcpy(&four, a + r * lda + 4 * i, sizeof four);
      const __m512i codes = _mm512_xor_si512(_mm512_set1_epi32(four), sign);
      sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], codes, b0);
      sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], codes, b1);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int h = 0; h < 2; ++h) {
      sums[r][h].part[0] = (V::Float)_mm512_cvtepi32_ps(_mm512_sub_epi32(sum[r][h], offset[h]));
    }
  }
}
constexpr int64_t kCodeRows = 4;
#else
template <int R>
SOJOURN_INLINE void GroupSums(const Code* a, int64_t lda, const std::byte* b, V sums[R][2]) {
  for (int r = 0; r < R; ++r) sums[r][0] = sums[r][1] = Zero();
  for (int64_t i = 0; i < 16; ++i) {
    for (int h = 0; h < 2; ++h) {
      const V words = LoadWords(b + h * kTileBytes + 64 * i);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const V weights = V::Each([&](int p) SOJOURN_LAMBDA {
          return __builtin_convertvector(
              reinterpret_cast<V::Int>(words.part[p]) << (24 - 8 * j) >> 24, V::Float);
        });
        for (int r = 0; r < R; ++r) sums[r][h] += weights * a[r * lda + 4 * i + j];
      }
    }
  }
}
constexpr int64_t kCodeRows = kNativeLanes == 16 ? 8 : kNativeLanes == 8 ? 2 : 1;
#endif

template <int R>
SOJOURN_INLINE void MultiplyCodeRows(int64_t rows, int64_t k, const std::byte* a, int64_t bytes,
                                     const std::byte* b, float* c, int64_t ldc, bool accumulate) {
  if constexpr (R > 1) {
    if (rows < R) return MultiplyCodeRows<R - 1>(rows, k, a, bytes, b, c, ldc, accumulate);
  }
  V total[R][2], sums[R][2];
  for (int r = 0; r < R; ++r) {
    for (int h = 0; h < 2; ++h) total[r][h] = accumulate ? Load(c + r * ldc + h * 16) : Zero();
  }
  const float* const scales = reinterpret_cast<const float*>(a + CodeBytes(k));
  for (int64_t first = 0; first < k; first += kGroup, b += kGroupBytes) {
    GroupSums<R>(reinterpret_cast<const Code*>(a) + first, bytes / sizeof(Code), b, sums);
    const V both = LoadWords(b + 2 * kTileBytes), scale[2] = {Low(both), High(both)};
    for (int r = 0; r < R; ++r) {
      const float own = scales[r * bytes / sizeof(float) + first / kGroup];
      for (int h = 0; h < 2; ++h) total[r][h] += sums[r][h] * (scale[h] * own);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int h = 0; h < 2; ++h) Store(c + r * ldc + h * 16, total[r][h]);
  }
}

SOJOURN_INLINE void MultiplyCodes(int64_t rows, int64_t k, const std::byte* a, int64_t bytes,
                                  const std::byte* b, float* c, int64_t ldc, bool accumulate) {
  MultiplyCodeRows<kCodeRows>(rows, k, a, bytes, b, c, ldc, accumulate);
}

#endif

void Product8(int64_t rows, int64_t k, int64_t n, const std::byte* input, const std::byte* packed,
              float* c, int64_t ldc, bool accumulate) {
  const int64_t bytes = InputBytes8(k), panel_bytes = RoundUp(k, kGroup) / kGroup * kGroupBytes;
  ForBlocks(rows, n, kCodeRows, [&](int64_t block, int64_t r, int64_t column) SOJOURN_LAMBDA {
    MultiplyCodes(block, k, input + r * bytes, bytes, packed + column / kPanel * panel_bytes,
                  c + r * ldc + column, ldc, accumulate);
  });
}

}  // namespace
}  // namespace sojourn::policy::SOJOURN_KERNELS

#endif  // SOJOURN_POLICY_KERNELS_PRODUCT_IMPL_H_
