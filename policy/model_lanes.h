// Vectors of 16 floats for the kernels, on registers of whatever width the including file is
// compiled for: part of model_kernels_impl.h.
#ifndef SOJOURN_POLICY_MODEL_LANES_H_
#define SOJOURN_POLICY_MODEL_LANES_H_

#include "policy/model_kernels.h"

namespace sojourn::policy::SOJOURN_KERNELS {
namespace {

#define SOJOURN_INLINE inline __attribute__((always_inline))
#define SOJOURN_LAMBDA __attribute__((always_inline))

#if defined(__AVX512F__)
constexpr int kNativeLanes = 16;
constexpr int kRows = 12;  // rows whose sums stay in registers: 12 x 2 of 32
#elif defined(__AVX2__)
constexpr int kNativeLanes = 8;
constexpr int kRows = 3;  // 3 x 4 of 16
#else
constexpr int kNativeLanes = 4;
constexpr int kRows = 1;  // 1 x 8 of 16
#endif
constexpr int64_t kLanes = 16;
constexpr float kLowest = -3.0e38f;

template <int kBytes>
struct Native {
  typedef float Float __attribute__((vector_size(kBytes)));
  typedef int32_t Int __attribute__((vector_size(kBytes)));
  typedef float Unaligned __attribute__((vector_size(kBytes), aligned(4), may_alias));
  typedef uint32_t Bits __attribute__((vector_size(kBytes)));
  typedef uint16_t Plain __attribute__((vector_size(kBytes / 2)));
  typedef uint16_t Half __attribute__((vector_size(kBytes / 2), aligned(2), may_alias));
};

// Lanes computed alike: the same operations in the same order, whatever width the processor has.
template <int kCount>
struct Lanes {
  static constexpr int kWidth = kCount < kNativeLanes ? kCount : kNativeLanes;
  static constexpr int kParts = kCount / kWidth;
  using Float = typename Native<kWidth * 4>::Float;
  using Int = typename Native<kWidth * 4>::Int;
  using Unaligned = typename Native<kWidth * 4>::Unaligned;
  using Half = typename Native<kWidth * 4>::Half;
  using Bits = typename Native<kWidth * 4>::Bits;
  Float part[kParts];

  template <typename Make>
  static SOJOURN_INLINE Lanes Each(const Make& make) {
    Lanes made;
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) made.part[i] = make(i);
    return made;
  }
  static SOJOURN_INLINE Lanes Load(const float* p) {
    return Each([&](int i)
                    SOJOURN_LAMBDA { return Float(reinterpret_cast<const Unaligned*>(p)[i]); });
  }
  SOJOURN_INLINE void Store(float* p) const {
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) reinterpret_cast<Unaligned*>(p)[i] = part[i];
  }
  static SOJOURN_INLINE Lanes Load(const Bf16* p) {
    return Each([&](int i) SOJOURN_LAMBDA {
      return Float(__builtin_convertvector(reinterpret_cast<const Half*>(p)[i], Bits) << 16);
    });
  }
  // Rounded to the nearest, ties to even; NaN stays NaN.
  static SOJOURN_INLINE Bits RoundedBits(const Float& x) {
    const Bits bits = Bits(x);
    const Bits rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    return x == x ? rounded : Bits{} + 0x7fc0u;
  }
  SOJOURN_INLINE void Store(Bf16* p) const {
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) {
      reinterpret_cast<Half*>(p)[i] =
          __builtin_convertvector(RoundedBits(part[i]), typename Native<kWidth * 4>::Plain);
    }
  }
  static SOJOURN_INLINE Lanes Splat(float x) {
    return Each([&](int) SOJOURN_LAMBDA { return x - Float{}; });
  }
};
#define SOJOURN_OPERATOR(op)                                                             \
  template <int n>                                                                       \
  SOJOURN_INLINE Lanes<n> operator op(const Lanes<n>& a, const Lanes<n>& b) {            \
    return Lanes<n>::Each([&](int i) SOJOURN_LAMBDA { return a.part[i] op b.part[i]; }); \
  }                                                                                      \
  template <int n>                                                                       \
  SOJOURN_INLINE Lanes<n> operator op(const Lanes<n>& a, float b) {                      \
    return Lanes<n>::Each([&](int i) SOJOURN_LAMBDA { return a.part[i] op b; });         \
  }                                                                                      \
  template <int n>                                                                       \
  SOJOURN_INLINE Lanes<n> operator op(float a, const Lanes<n>& b) {                      \
    return Lanes<n>::Each([&](int i) SOJOURN_LAMBDA { return a op b.part[i]; });         \
  }
SOJOURN_OPERATOR(+)
SOJOURN_OPERATOR(-)
SOJOURN_OPERATOR(*)
SOJOURN_OPERATOR(/)
#undef SOJOURN_OPERATOR
template <int n>
SOJOURN_INLINE Lanes<n>& operator+=(Lanes<n>& a, const Lanes<n>& b) {
  return a = a + b;
}

using V = Lanes<16>;
using V8 = Lanes<8>;
template <typename T>
SOJOURN_INLINE V Load(const T* p) {
  return V::Load(p);
}
template <typename T>
SOJOURN_INLINE void Store(T* p, const V& v) {
  v.Store(p);
}
SOJOURN_INLINE float Get(const float* p) { return *p; }
SOJOURN_INLINE float Get(const Bf16* p) {
  return __builtin_bit_cast(float, static_cast<uint32_t>(p->bits) << 16);
}
SOJOURN_INLINE V Splat(float x) { return V::Splat(x); }
SOJOURN_INLINE V Zero() { return V::Splat(0); }
SOJOURN_INLINE V Max(const V& a, const V& b) {
  return V::Each([&](int i)
                     SOJOURN_LAMBDA { return a.part[i] > b.part[i] ? a.part[i] : b.part[i]; });
}
SOJOURN_INLINE V Min(const V& a, const V& b) {
  return V::Each([&](int i)
                     SOJOURN_LAMBDA { return a.part[i] < b.part[i] ? a.part[i] : b.part[i]; });
}
// The first n lanes of a, the others of b; n may be negative or more than all.
SOJOURN_INLINE V FirstLanes(int64_t n, const V& a, const V& b) {
  constexpr int kIndex[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const int32_t bound = n < 0 ? 0 : n > 16 ? 16 : static_cast<int32_t>(n);
  return V::Each([&](int i) SOJOURN_LAMBDA {
    V::Int index;
    __builtin_memcpy(&index, kIndex + i * V::kWidth, sizeof index);
    return index < bound ? a.part[i] : b.part[i];
  });
}
// Loads n < 16 values; the other lanes get `fill`.
template <typename T>
SOJOURN_INLINE V LoadSome(const T* p, int64_t n, float fill) {
  float lanes[kLanes];
  for (int64_t i = 0; i < kLanes; ++i) lanes[i] = i < n ? Get(p + i) : fill;
  return Load(lanes);
}
template <typename T>
SOJOURN_INLINE void StoreSome(T* p, int64_t n, const V& v) {
  T lanes[kLanes];
  Store(lanes, v);
  for (int64_t i = 0; i < n; ++i) p[i] = lanes[i];
}
// What v is once it has been stored as T.
template <typename T>
SOJOURN_INLINE V Rounded(const V& v) {
  if constexpr (sizeof(T) == sizeof(float)) return v;
  return V::Each([&](int i) SOJOURN_LAMBDA { return V::Float(V::RoundedBits(v.part[i]) << 16); });
}
// Halves are added until one lane is left: the same order on every instruction set.
SOJOURN_INLINE float Sum(const V& v) {
  float lanes[kLanes];
  Store(lanes, v);
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}
SOJOURN_INLINE float MaxLane(const V& v) {
  float lanes[kLanes];
  Store(lanes, v);
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t i = 0; i < half; ++i) {
      lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
    }
  }
  return lanes[0];
}

// The largest of x[n], kLowest at least. NaN may be passed over.
template <typename T>
SOJOURN_INLINE float Largest(const T* x, int64_t n) {
  V best = Splat(kLowest), other = best;  // two chains hide the latency
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    best = Max(best, Max(Load(x + i), Load(x + i + kLanes)));
    other = Max(other, Max(Load(x + i + 2 * kLanes), Load(x + i + 3 * kLanes)));
  }
  for (; i + kLanes <= n; i += kLanes) best = Max(best, Load(x + i));
  if (i < n) best = Max(best, LoadSome(x + i, n - i, kLowest));
  return MaxLane(Max(best, other));
}

// exp with a relative error of about 1e-7 between -86 and 88; beyond, as at the bound. The usual
// reduction exp(x) = 2^n exp(r), |r| <= ln(2) / 2, and the minimax polynomial of Cephes' expf.
SOJOURN_INLINE V Exp(const V& argument) {
  const V x = Min(Splat(88.0f), Max(Splat(-86.0f), argument));  // NaN stays
  constexpr float kMagic =
      12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  const V shifted = x * 1.44269504088896341f + kMagic;
  const V n = shifted - kMagic;
  V r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  V p = Splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const V y = (p * (r * r) + r) + 1.0f;
  const V magic = Splat(kMagic);
  return V::Each([&](int i) SOJOURN_LAMBDA {
    const V::Int exponent =
        (reinterpret_cast<V::Int>(shifted.part[i]) - reinterpret_cast<V::Int>(magic.part[i])) << 23;
    return reinterpret_cast<V::Float>(reinterpret_cast<V::Int>(y.part[i]) + exponent);
  });
}

// c[R, 32] (+)= a[R, k] panel[k, 32].
template <int R>
SOJOURN_INLINE void Tile(int64_t k, const float* a, int64_t lda, const float* panel, float* c,
                         int64_t ldc, bool accumulate) {
  V sum[R][2];
  for (int r = 0; r < R; ++r) {
    sum[r][0] = accumulate ? Load(c + r * ldc) : Zero();
    sum[r][1] = accumulate ? Load(c + r * ldc + kLanes) : Zero();
  }
  for (int64_t i = 0; i < k; ++i) {
    const V b0 = Load(panel + i * kPanel), b1 = Load(panel + i * kPanel + kLanes);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      sum[r][0] += b0 * a[r * lda + i];
      sum[r][1] += b1 * a[r * lda + i];
    }
  }
  for (int r = 0; r < R; ++r) {
    Store(c + r * ldc, sum[r][0]);
    Store(c + r * ldc + kLanes, sum[r][1]);
  }
}

}  // namespace
}  // namespace sojourn::policy::SOJOURN_KERNELS

#endif  // SOJOURN_POLICY_MODEL_LANES_H_
