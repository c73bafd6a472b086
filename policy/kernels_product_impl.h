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

// Asks for the panel's tiles that come next while one of `blocks` blocks of rows is multiplied: in
// the first block for those right behind (they are read from memory, or from the second-level
// cache), and over all blocks together for the next panel, so that memory never rests.
class Ahead {
 public:
  Ahead([[maybe_unused]] const std::byte* panel, [[maybe_unused]] int64_t bytes,
        [[maybe_unused]] int64_t block, [[maybe_unused]] int64_t blocks)
#if defined(__AMX_TILE__)
      : near_(block == 0 ? panel + 4 * kTileBytes : nullptr),
        lines_(blocks > 1 ? (bytes / 64 + blocks - 1) / blocks : 0),
        next_(panel + bytes + block * lines_ * 64)
#endif
  {
  }
  SOJOURN_INLINE void operator()([[maybe_unused]] int64_t step) {
#if defined(__AMX_TILE__)
    if (near_ != nullptr) {
      const std::byte* const from = near_ + step * 2 * kTileBytes;
#pragma GCC unroll 32
      for (int i = 0; i < 32; ++i) _mm_prefetch(from + 64 * i, _MM_HINT_T0);
    }
    const int64_t some = lines_ < 16 ? lines_ : 16;
    for (int64_t i = 0; i < some; ++i, next_ += 64) _mm_prefetch(next_, _MM_HINT_T1);
    lines_ -= some;
#endif
  }

#if defined(__AMX_TILE__)
 private:
  const std::byte* near_;
  int64_t lines_;
  const std::byte* next_;
#endif
};

#if defined(__AMX_TILE__)

// Tiles 0-3 hold sums (0 and 1 of the first 16 rows), 4-5 rows of a, 6-7 columns of b: of a step's
// `depth` bytes of a row.
struct Tiles {
  explicit Tiles(int64_t rows, int depth = 64) {
    struct alignas(64) {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {};
      uint8_t rows[16] = {};
    } config;
    const uint8_t first = static_cast<uint8_t>(rows < 16 ? rows : 16);
    const uint8_t second = static_cast<uint8_t>(rows - first);
    const uint8_t deep = static_cast<uint8_t>(depth / 4);
    const uint8_t rows_of[8] = {first, first, second, second, first, second, deep, deep};
    for (int i = 0; i < 8; ++i) config.rows[i] = rows_of[i];
    for (int i = 0; i < 8; ++i) config.row_bytes[i] = config.rows[i] > 0 ? 64 : 0;
    for (int i = 4; i < 6; ++i) {
      if (config.rows[i] > 0) config.row_bytes[i] = static_cast<uint16_t>(depth);
    }
    __asm__ volatile(""
                     :
                     : "r"(&config)
                     : "memory");  // GCC says that only the first 8 bytes are read
    _tile_loadconfig(&config);
  }
  ~Tiles() { _tile_release(); }
};

constexpr int64_t kBlockRows = 32;  // of one multiplication

// c[rows, 32] (+)= sum over steps of a[rows, `depth` bytes] b(step)[depth bytes, 32 columns]: pairs
// of bf16 into fp32, or quadruples of int8 into int32. between(step) does something else meanwhile.
template <bool kIntegers, typename B, typename Between>
SOJOURN_INLINE void MultiplyTiles(int64_t rows, int64_t steps, int64_t depth, const void* input,
                                  int64_t bytes_a, const B& b, void* sums, int64_t bytes_c,
                                  bool accumulate, const Between& between) {
  __asm__ volatile("" ::: "memory");  // tiles load what is stored by now
  const std::byte* const a = static_cast<const std::byte*>(input);
  std::byte* const c = static_cast<std::byte*>(sums);
  const bool two = rows > 16;
  if (accumulate) {
    _tile_loadd(0, c, bytes_c);
    _tile_loadd(1, c + 64, bytes_c);
    if (two) {
      _tile_loadd(2, c + 16 * bytes_c, bytes_c);
      _tile_loadd(3, c + 16 * bytes_c + 64, bytes_c);
    }
  } else {
    _tile_zero(0);
    _tile_zero(1);
    if (two) {
      _tile_zero(2);
      _tile_zero(3);
    }
  }
  for (int64_t step = 0; step < steps; ++step) {
    const std::byte* const panel = b(step);
    _tile_loadd(4, a + step * depth, bytes_a);
    _tile_loadd(6, panel, 64);
    _tile_loadd(7, panel + 16 * depth, 64);
    if constexpr (kIntegers) {
      _tile_dpbssd(0, 4, 6);
      _tile_dpbssd(1, 4, 7);
    } else {
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
    }
    if (two) {
      _tile_loadd(5, a + step * depth + 16 * bytes_a, bytes_a);
      if constexpr (kIntegers) {
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
      } else {
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
    }
    between(step);
  }
  _tile_stored(0, c, bytes_c);
  _tile_stored(1, c + 64, bytes_c);
  if (two) {
    _tile_stored(2, c + 16 * bytes_c, bytes_c);
    _tile_stored(3, c + 16 * bytes_c + 64, bytes_c);
  }
}

// The same in numbers: a[rows, 32 of k] b(step)[32 of k, 32 columns], strides in elements.
template <typename B>
SOJOURN_INLINE void Multiply(int64_t rows, int64_t steps, const Element* a, int64_t lda, const B& b,
                             float* c, int64_t ldc, bool accumulate) {
  MultiplyTiles<false>(rows, steps, 64, a, lda * sizeof(Element), b, c, ldc * sizeof(float),
                       accumulate, [](int64_t) {});
}

#else

struct Tiles {
  explicit Tiles(int64_t, int = 64) {}
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

// Calls multiply(rows, first row, column, ahead) for blocks of at most `most` rows, which are
// `lines` lines each, and every panel of b. Blocks of one size go together, as tiles are laid out
// for them.
template <typename Multiply>
SOJOURN_INLINE void ForBlocks(int64_t rows, int64_t n, int64_t most, int64_t lines,
                              const std::byte* packed, int64_t panel_bytes,
                              const Multiply& multiply) {
  for (int64_t r = 0; r < rows;) {
    const int64_t block = rows - r < most ? rows - r : most, blocks = (rows - r) / block;
    [[maybe_unused]] const Tiles tiles(block * lines);
    for (int64_t column = 0; column < n; column += kPanel) {
      const std::byte* const panel = packed + column / kPanel * panel_bytes;
      for (int64_t i = 0; i < blocks; ++i) {
        multiply(block, r + i * block, column, panel, Ahead(panel, panel_bytes, i, blocks));
      }
    }
    r += blocks * block;
  }
}

void Product16(int64_t rows, int64_t k, int64_t n, const std::byte* input, const std::byte* packed,
               float* c, int64_t ldc, bool accumulate) {
  const int64_t steps = RoundUp(k, 32) / 32, lda = InputBytes16(k) / sizeof(Element);
  const Element* const a = reinterpret_cast<const Element*>(input);
  ForBlocks(rows, n, kBlockRows, 1, packed, steps * 2 * kTileBytes,
            [&](int64_t block, int64_t r, int64_t column, const std::byte* panel, Ahead ahead)
                SOJOURN_LAMBDA {
                  Multiply(
                      block, steps, a + r * lda, lda,
                      [&](int64_t step) SOJOURN_LAMBDA {
                        ahead(step);
                        return panel + step * 2 * kTileBytes;
                      },
                      c + r * ldc + column, ldc, accumulate);
                });
}

// A row in int8 is two lines of whole numbers from -128 to 127, high and low: an element is
// (256 high + low) times the row's scale, 15 bits of it and a sign. Products of lines and packed
// codes are exact in every kind of arithmetic here.
constexpr float kLargest = 127 * 256;  // of 256 high + low
constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
constexpr float kTiny = 1e-30f;        // a row without larger numbers counts as zeros
#if defined(__AVX512VNNI__)
using Code = int8_t;
// 16 of high and of low codes from x: (256 high + low) * scale, inverse being 1 / scale.
SOJOURN_INLINE void StoreCodes(const V& x, float inverse, Code* high, Code* low) {
  const V rounded = x * inverse + kMagic;
  const __m512i code = _mm512_sub_epi32((__m512i)rounded.part[0], (__m512i)Splat(kMagic).part[0]);
  const __m512i upper = _mm512_srai_epi32(_mm512_add_epi32(code, _mm512_set1_epi32(128)), 8);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(high), _mm512_cvtepi32_epi8(upper));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(low), _mm512_cvtepi32_epi8(code));
}
// The same for 64.
SOJOURN_INLINE void StoreCodes64(const V& x0, const V& x1, const V& x2, const V& x3, float inverse,
                                 Code* high, Code* low) {
  const auto numbers = [&](const V& x) SOJOURN_LAMBDA {
    const V rounded = x * inverse + kMagic;
    return _mm512_sub_epi32((__m512i)rounded.part[0], (__m512i)Splat(kMagic).part[0]);
  };
  // Packing works within quarters of the registers: `order` sets that right.
  const __m512i first = _mm512_packs_epi32(numbers(x0), numbers(x1)),
                second = _mm512_packs_epi32(numbers(x2), numbers(x3)),
                order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const auto upper = [](__m512i code) SOJOURN_LAMBDA {
    return _mm512_srai_epi16(_mm512_add_epi16(code, _mm512_set1_epi16(128)), 8);
  };
  const auto lower = [](__m512i code) SOJOURN_LAMBDA {
    return _mm512_and_si512(code, _mm512_set1_epi16(255));
  };
  const __m512i highs = _mm512_packs_epi16(upper(first), upper(second)),
                lows = _mm512_packus_epi16(lower(first), lower(second));
  _mm512_storeu_si512(high, _mm512_permutexvar_epi32(order, highs));
  _mm512_storeu_si512(low, _mm512_permutexvar_epi32(order, lows));
}
#else
using Code = float;
SOJOURN_INLINE void StoreCodes(const V& x, float inverse, Code* high, Code* low) {
  const V code = x * inverse + kMagic - kMagic;
  const V upper = (code + 0.25f) * (1.0f / 256) + kMagic - kMagic;  // never between two
  Store(high, upper);
  Store(low, code - upper * 256.0f);
}
#endif

// From a line to the next, in codes; the scale lies after the high ones.
SOJOURN_INLINE int64_t LineCodes(int64_t k) {
  return RoundUp(k, 64) + 64 / static_cast<int64_t>(sizeof(Code));
}
SOJOURN_INLINE const float* ScaleOf(const Code* row, int64_t k) {
  return reinterpret_cast<const float*>(row + RoundUp(k, 64));
}
int64_t InputBytes8(int64_t k) { return 2 * LineCodes(k) * sizeof(Code); }

// The larger without its sign: by bits, which keep the order of such numbers, and NaN above all.
SOJOURN_INLINE V LargerSize(const V& larger, const V& x) {
  return V::Each([&](int i) SOJOURN_LAMBDA {
    const V::Int a = reinterpret_cast<V::Int>(larger.part[i]),
                 b = reinterpret_cast<V::Int>(x.part[i]) & 0x7fffffff;
    return reinterpret_cast<V::Float>(a > b ? a : b);
  });
}
// The largest of 16 numbers without signs, or NaN if one is not finite.
SOJOURN_INLINE float LargestLane(const V& sizes) {
  int32_t bits[kLanes];
  __builtin_memcpy(bits, &sizes, sizeof bits);
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t i = 0; i < half; ++i) {
      bits[i] = bits[i] > bits[i + half] ? bits[i] : bits[i + half];
    }
  }
  return bits[0] < 0x7f800000 ? __builtin_bit_cast(float, bits[0]) : __builtin_nanf("");
}

// The largest of |x[n]|, or NaN if one is not finite.
SOJOURN_INLINE float LargestSize(const float* x, int64_t n) {
  V most = Zero();
  const int64_t whole = n / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) most = LargerSize(most, Load(x + i));
  if (whole < n) most = LargerSize(most, LoadSome(x + whole, n - whole, 0));
  return LargestLane(most);
}

// A row of k numbers of which none is larger than `top` without its sign (NaN: the scale is NaN).
// x(i, half) are 16 of them from the i-th on, half being i / 16 % 2, called in order.
template <typename X>
SOJOURN_INLINE void PrepareRow8(int64_t k, float top, const X& x, Code* to) {
  const int64_t padded = RoundUp(k, 64), line = LineCodes(k);
  const float inverse = top > kTiny ? kLargest / top : 0;
  *const_cast<float*>(ScaleOf(to, k)) = top * (1 / kLargest);
  int64_t i = 0;
#if defined(__AVX512VNNI__)
  for (; i + 64 <= k; i += 64) {
    const V x0 = x(i, 0), x1 = x(i + 16, 1), x2 = x(i + 32, 0), x3 = x(i + 48, 1);
    StoreCodes64(x0, x1, x2, x3, inverse, to + i, to + line + i);
  }
#endif
  for (; i < k; i += 2 * kLanes) {
    StoreCodes(x(i, 0), inverse, to + i, to + line + i);
    const int64_t next = i + kLanes;
    StoreCodes(next < k ? x(next, 1) : Zero(), inverse, to + next, to + line + next);
  }
  for (; i < padded; i += kLanes) StoreCodes(Zero(), 0, to + i, to + line + i);
}

void Prepare8(int64_t rows, int64_t k, const float* x, int64_t ldx, std::byte* input) {
  Code* to = reinterpret_cast<Code*>(input);
  for (int64_t row = 0; row < rows; ++row, x += ldx, to += 2 * LineCodes(k)) {
    PrepareRow8(
        k, LargestSize(x, k),
        [&](int64_t i, int) SOJOURN_LAMBDA {
          return i + kLanes <= k ? Load(x + i) : LoadSome(x + i, k - i, 0);
        },
        to);
  }
}

// sums[lines][32] = a[lines, steps of kStep] b(step)[kStep, 32 columns], at most 2 kCodeRows lines.
// between(part, parts) is called for every one of some parts.
#if defined(__AMX_TILE__)

constexpr int64_t kCodeRows = 16;

template <int kStep, typename B, typename Between>
SOJOURN_INLINE void SumCodes(int64_t lines, int64_t steps, const Code* a, int64_t lda, const B& b,
                             int32_t (*sums)[32], const Between& between) {
  MultiplyTiles<true>(lines, steps, kStep, a, lda, b, sums, sizeof *sums, false,
                      [&](int64_t step) SOJOURN_LAMBDA { between(step, steps); });
}

#elif defined(__AVX512VNNI__)

constexpr int64_t kCodeRows = 4;

template <int kLines, int kStep, typename B>
SOJOURN_INLINE void SumLines(int64_t lines, int64_t steps, const Code* a, int64_t lda, const B& b,
                             int32_t (*sums)[32]) {
  if constexpr (kLines > 2) {
    if (lines < kLines) return SumLines<kLines - 2, kStep>(lines, steps, a, lda, b, sums);
  }
  // VNNI multiplies unsigned by signed: a + 128 instead of a, and 128 times the sum of b is taken
  // off again.
  const __m512i sign = _mm512_set1_epi8(-128);
  __m512i sum[kLines][2], offset[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
  for (int r = 0; r < kLines; ++r) sum[r][0] = sum[r][1] = _mm512_setzero_si512();
  for (int64_t step = 0; step < steps; ++step, a += kStep) {
    const std::byte* const panel = b(step);
#pragma GCC unroll 4
    for (int64_t i = 0; i < kStep / 4; ++i) {
      const __m512i b0 = _mm512_load_si512(panel + 64 * i),
                    b1 = _mm512_load_si512(panel + 16 * kStep + 64 * i);
      offset[0] = _mm512_dpbusd_epi32(offset[0], sign, b0);
      offset[1] = _mm512_dpbusd_epi32(offset[1], sign, b1);
      for (int r = 0; r < kLines; ++r) {
        int32_t four;
        __builtin_memcpy(&four, a + r * lda + 4 * i, sizeof four);
        const __m512i codes = _mm512_xor_si512(_mm512_set1_epi32(four), sign);
        sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], codes, b0);
        sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], codes, b1);
      }
    }
  }
  for (int r = 0; r < kLines; ++r) {
    for (int h = 0; h < 2; ++h) {
      _mm512_storeu_si512(&sums[r][16 * h], _mm512_sub_epi32(sum[r][h], offset[h]));
    }
  }
}

template <int kStep, typename B, typename Between>
SOJOURN_INLINE void SumCodes(int64_t lines, int64_t steps, const Code* a, int64_t lda, const B& b,
                             int32_t (*sums)[32], const Between& between) {
  between(0, 1);
  SumLines<2 * kCodeRows, kStep>(lines, steps, a, lda, b, sums);
}

#else

constexpr int64_t kCodeRows = kNativeLanes == 16 ? 4 : 1;

template <int kLines, int kStep, typename B>
SOJOURN_INLINE void SumLines(int64_t lines, int64_t steps, const Code* a, int64_t lda, const B& b,
                             int32_t (*sums)[32]) {
  if constexpr (kLines > 2) {
    if (lines < kLines) return SumLines<kLines - 2, kStep>(lines, steps, a, lda, b, sums);
  }
  constexpr int64_t kExact = 1024 / kStep;  // steps whose sums are below 2^24
  for (int64_t first = 0; first < steps; first += kExact) {
    V sum[kLines][2];
    for (int r = 0; r < kLines; ++r) sum[r][0] = sum[r][1] = Zero();
    for (int64_t step = first; step < steps && step < first + kExact; ++step, a += kStep) {
      const std::byte* const panel = b(step);
      for (int64_t i = 0; i < kStep / 4; ++i) {
        for (int h = 0; h < 2; ++h) {
          const V words = LoadWords(panel + h * 16 * kStep + 64 * i);
#pragma GCC unroll 4
          for (int j = 0; j < 4; ++j) {
            const V weights = V::Each([&](int p) SOJOURN_LAMBDA {
              return __builtin_convertvector(
                  reinterpret_cast<V::Int>(words.part[p]) << (24 - 8 * j) >> 24, V::Float);
            });
            for (int r = 0; r < kLines; ++r) sum[r][h] += weights * a[r * lda + 4 * i + j];
          }
        }
      }
    }
    for (int r = 0; r < kLines; ++r) {
      for (int h = 0; h < 2; ++h) {
        float exact[kLanes];
        Store(exact, sum[r][h]);
        for (int64_t i = 0; i < kLanes; ++i) {
          int32_t& to = sums[r][16 * h + i];
          to = (first == 0 ? 0 : to) + static_cast<int32_t>(exact[i]);
        }
      }
    }
  }
}

template <int kStep, typename B, typename Between>
SOJOURN_INLINE void SumCodes(int64_t lines, int64_t steps, const Code* a, int64_t lda, const B& b,
                             int32_t (*sums)[32], const Between& between) {
  between(0, 1);
  SumLines<2 * kCodeRows, kStep>(lines, steps, a, lda, b, sums);
}

#endif

// The numbers that two lines of sums stand for, but for their scale.
SOJOURN_INLINE V Whole(const int32_t (*lines)[32], int64_t first) {
  const auto numbers = [&](const int32_t* from) SOJOURN_LAMBDA {
    return V::Each([&](int p) SOJOURN_LAMBDA {
      V::Int whole;
      __builtin_memcpy(&whole, from + p * V::kWidth, sizeof whole);
      return __builtin_convertvector(whole, V::Float);
    });
  };
  return numbers(lines[0] + first) * 256.0f + numbers(lines[1] + first);
}

// Products of at most kCodeRows prepared rows with panels of codes. What tiles store cannot be read
// at once, and memory is to be read without a pause: the numbers of a product are written during
// the next.
class CodeProducts {
 public:
  explicit CodeProducts(int64_t k) : k_(k), line_(LineCodes(k)) {}

  // c[rows, 32] (+)= a[rows, k] b[k, 32]; b is codes, then the columns' scales. ahead(step) asks
  // for what comes next.
  template <typename Ahead>
  SOJOURN_INLINE void Multiply(int64_t rows, const std::byte* a, const std::byte* b, float* c,
                               int64_t ldc, bool accumulate, Ahead ahead) {
    const int64_t steps = RoundUp(k_, 64) / 64;
    const Late next{rows,
                    reinterpret_cast<const Code*>(a),
                    reinterpret_cast<const float*>(b + steps * 2 * kTileBytes),
                    c,
                    ldc,
                    accumulate,
                    1 - late_.buffer,
                    (rows + steps - 1) / steps};
    SumCodes<64>(
        2 * rows, steps, next.a, line_,
        [&](int64_t step) SOJOURN_LAMBDA {
          ahead(step);
          return b + step * 2 * kTileBytes;
        },
        sums_[next.buffer],
        [&](int64_t part, int64_t parts) SOJOURN_LAMBDA {
          const int64_t first = part * late_.per_step, end = first + late_.per_step;
          Write(first, parts == 1 || end > late_.rows ? late_.rows : end);
        });
    late_ = next;
  }
  // Must follow the last one.
  SOJOURN_INLINE void Finish() {
    Write(0, late_.rows);
    late_.rows = 0;
  }

 private:
  struct Late {
    int64_t rows = 0;
    const Code* a = nullptr;
    const float* scales = nullptr;
    float* c = nullptr;
    int64_t ldc = 0;
    bool accumulate = false;
    int buffer = 0;
    int64_t per_step = 0;  // rows
  };

  SOJOURN_INLINE void Write(int64_t first, int64_t end) {
    for (int64_t r = first; r < end; ++r) {
      const float own = *ScaleOf(late_.a + 2 * r * line_, k_);
      for (int64_t j = 0; j < kPanel; j += kLanes) {
        float* const to = late_.c + r * late_.ldc + j;
        Store(to, (late_.accumulate ? Load(to) : Zero()) +
                      Whole(sums_[late_.buffer] + 2 * r, j) * (Load(late_.scales + j) * own));
      }
    }
  }

  const int64_t k_, line_;
  Late late_;
  alignas(64) int32_t sums_[2][2 * kCodeRows][32];
};

void Product8(int64_t rows, int64_t k, int64_t n, const std::byte* input, const std::byte* packed,
              float* c, int64_t ldc, bool accumulate) {
  const int64_t bytes = InputBytes8(k), panel_bytes = PanelBytes(WeightFormat::kInt8, k);
  CodeProducts products(k);
  ForBlocks(rows, n, kCodeRows, 2, packed, panel_bytes,
            [&](int64_t block, int64_t r, int64_t column, const std::byte* panel, Ahead ahead)
                SOJOURN_LAMBDA {
                  products.Multiply(block, input + r * bytes, panel, c + r * ldc + column, ldc,
                                    accumulate, ahead);
                });
  products.Finish();
}

}  // namespace
}  // namespace sojourn::policy::SOJOURN_KERNELS

#endif  // SOJOURN_POLICY_KERNELS_PRODUCT_IMPL_H_
