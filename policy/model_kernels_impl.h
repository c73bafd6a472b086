// The kernels of model_kernels.h, compiled once per instruction set: the including file defines
// SOJOURN_KERNELS as the name of the set, and CMake gives it the flags. Uses nothing from the
// standard library, so that no inline function compiled for a new processor is linked into code for
// an old one.
#ifndef SOJOURN_POLICY_MODEL_KERNELS_IMPL_H_
#define SOJOURN_POLICY_MODEL_KERNELS_IMPL_H_

#include "policy/kernels_formats.h"
#include "policy/model_attention_impl.h"
#include "policy/model_kernels.h"
#include "policy/model_lanes.h"

namespace sojourn::policy::SOJOURN_KERNELS {
namespace {

template <int R>
void LastTile(int64_t rows, int64_t k, const float* a, int64_t lda, const float* panel, float* c,
              int64_t ldc, bool accumulate) {
  if constexpr (R > 0) {
    if (rows == R) return Tile<R>(k, a, lda, panel, c, ldc, accumulate);
    LastTile<R - 1>(rows, k, a, lda, panel, c, ldc, accumulate);
  }
}

int64_t InputBytes32(int64_t k) { return k * sizeof(float); }

void Prepare32(int64_t rows, int64_t k, const float* x, int64_t ldx, std::byte* input) {
  for (int64_t row = 0; row < rows; ++row) {
    __builtin_memcpy(input + row * InputBytes32(k), x + row * ldx, InputBytes32(k));
  }
}

void Product32(int64_t rows, int64_t k, int64_t n, const std::byte* input, const std::byte* packed,
               float* c, int64_t ldc, bool accumulate) {
  const float* const a = reinterpret_cast<const float*>(input);
  for (int64_t column = 0; column < n; column += kPanel) {
    const float* panel = reinterpret_cast<const float*>(packed) + column * k;
    int64_t r = 0;
    for (; r + kRows <= rows; r += kRows) {
      Tile<kRows>(k, a + r * k, k, panel, c + r * ldc + column, ldc, accumulate);
    }
    LastTile<kRows - 1>(rows - r, k, a + r * k, k, panel, c + r * ldc + column, ldc, accumulate);
  }
}

template <typename T>
void RmsNorm(int64_t rows, int64_t width, float epsilon, const T* x, int64_t ldx, const T* weight,
             T* y, float* inverse) {
  for (int64_t row = 0; row < rows; ++row, x += ldx, y += width) {
    V squares = Zero();
    int64_t i = 0;
    for (; i + kLanes <= width; i += kLanes) squares += Load(x + i) * Load(x + i);
    float total = Sum(squares);
    for (; i < width; ++i) total += Get(x + i) * Get(x + i);
    const float scale = 1.0f / __builtin_sqrtf(total / width + epsilon);
    if (inverse != nullptr) inverse[row] = scale;
    for (i = 0; i + kLanes <= width; i += kLanes) {
      Store(y + i, Rounded<T>(Load(x + i) * scale) * Load(weight + i));
    }
    if (i < width) {
      StoreSome(y + i, width - i,
                Rounded<T>(LoadSome(x + i, width - i, 0) * scale) * LoadSome(weight + i, width - i, 0));
    }
  }
}

template <typename T>
void RmsNormBackward(int64_t rows, int64_t width, const T* x, const T* weight, const float* inverse,
                     const T* dy, T* dx, float* dweight) {
  for (int64_t row = 0; row < rows; ++row, x += width, dy += width, dx += width) {
    V dots = Zero();
    int64_t i = 0;
    for (; i + kLanes <= width; i += kLanes) dots += Load(dy + i) * Load(weight + i) * Load(x + i);
    float dot = Sum(dots);
    for (; i < width; ++i) dot += Get(dy + i) * Get(weight + i) * Get(x + i);
    const float scale = inverse[row];
    const float pull = scale * scale * scale * dot / width;
    for (i = 0; i + kLanes <= width; i += kLanes) {
      const V g = Load(dy + i), value = Load(x + i);
      Store(dx + i, g * Load(weight + i) * scale - value * pull);
      Store(dweight + i, Load(dweight + i) + g * value * scale);
    }
    if (i < width) {
      const int64_t n = width - i;
      const V g = LoadSome(dy + i, n, 0), value = LoadSome(x + i, n, 0);
      StoreSome(dx + i, n, g * LoadSome(weight + i, n, 0) * scale - value * pull);
      StoreSome(dweight + i, n, LoadSome(dweight + i, n, 0) + g * value * scale);
    }
  }
}

SOJOURN_INLINE V Sigmoid(const V& x) { return 1.0f / (1.0f + Exp(0.0f - x)); }

template <typename T>
void SwiGlu(int64_t rows, int64_t width, const T* gate_up, int64_t ld_gate_up, T* y, int64_t ldy) {
  for (int64_t row = 0; row < rows; ++row, gate_up += ld_gate_up, y += ldy) {
    const T* up = gate_up + width;
    int64_t i = 0;
    for (; i + kLanes <= width; i += kLanes) {
      const V gate = Load(gate_up + i);
      Store(y + i, Rounded<T>(gate * Sigmoid(gate)) * Load(up + i));
    }
    if (i < width) {
      const V gate = LoadSome(gate_up + i, width - i, 0);
      StoreSome(y + i, width - i, Rounded<T>(gate * Sigmoid(gate)) * LoadSome(up + i, width - i, 0));
    }
  }
}

template <typename T>
void SwiGluBackward(int64_t rows, int64_t width, const T* gate_up, const T* dy, T* dgate_up) {
  for (int64_t row = 0; row < rows;
       ++row, gate_up += 2 * width, dgate_up += 2 * width, dy += width) {
    for (int64_t i = 0; i < width; i += kLanes) {
      const bool whole = i + kLanes <= width;
      const V gate = whole ? Load(gate_up + i) : LoadSome(gate_up + i, width - i, 0);
      const V up = whole ? Load(gate_up + width + i) : LoadSome(gate_up + width + i, width - i, 0);
      const V g = whole ? Load(dy + i) : LoadSome(dy + i, width - i, 0);
      const V s = Sigmoid(gate);
      const V dgate = g * up * s * (1.0f + gate * (1.0f - s)), dup = g * gate * s;
      if (whole) {
        Store(dgate_up + i, dgate);
        Store(dgate_up + width + i, dup);
      } else {
        StoreSome(dgate_up + i, width - i, dgate);
        StoreSome(dgate_up + width + i, width - i, dup);
      }
    }
  }
}

float SoftmaxTerms(int64_t n, const float* logits, float inverse_temperature, float* terms,
                   float* sums) {
  const float top = Largest(logits, n);
  for (int64_t b = 0; b < n; b += 64) {
    V sum = Zero();
    for (int64_t i = b; i < b + 64 && i < n; i += kLanes) {
      if (i + kLanes <= n) {
        const V term = Exp((Load(logits + i) - top) * inverse_temperature);
        Store(terms + i, term);
        sum += term;
      } else {
        const V z = (LoadSome(logits + i, n - i, top) - top) * inverse_temperature;
        const V term = FirstLanes(n - i, Exp(z), Zero());
        StoreSome(terms + i, n - i, term);
        sum += term;
      }
    }
    sums[b / 64] = Sum(sum);
  }
  return top;
}

struct RowSums {
  float top, sum, weighted;  // sum of e^z, and of z e^z, for z = (logit - top) / temperature
};

template <typename T>
SOJOURN_INLINE RowSums SumRow(int64_t n, const T* line, float inverse_temperature) {
  const float top = Largest(line, n);
  V sum = Zero(), weighted = Zero();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const V z = (Load(line + i) - top) * inverse_temperature, term = Exp(z);
    sum += term;
    weighted += z * term;
  }
  if (i < n) {
    const V z = (LoadSome(line + i, n - i, top) - top) * inverse_temperature;
    const V term = FirstLanes(n - i, Exp(z), Zero());
    sum += term;
    weighted += z * term;
  }
  return {top, Sum(sum), Sum(weighted)};
}

template <typename T>
void Score(int64_t rows, int64_t n, const T* logits, const int64_t* targets,
           float inverse_temperature, float* logprobs, float* entropies) {
  for (int64_t row = 0; row < rows; ++row, logits += n) {
    const RowSums sums = SumRow(n, logits, inverse_temperature);
    const float log_sum = __builtin_logf(sums.sum);
    logprobs[row] = (Get(logits + targets[row]) - sums.top) * inverse_temperature - log_sum;
    entropies[row] = log_sum - sums.weighted / sums.sum;
  }
}

// d logprob / d z_j = [j = target] - p_j;  d entropy / d z_j = -p_j (log p_j + entropy).
template <typename T>
void ScoreBackward(int64_t rows, int64_t n, T* logits, const int64_t* targets,
                   float inverse_temperature, const float* dlogprobs, const float* dentropies) {
  for (int64_t row = 0; row < rows; ++row, logits += n) {
    const RowSums sums = SumRow(n, logits, inverse_temperature);
    const float log_sum = __builtin_logf(sums.sum), entropy = log_sum - sums.weighted / sums.sum;
    const float goal_logit = Get(logits + targets[row]);
    const float dlogprob = dlogprobs[row] * inverse_temperature;
    const float dentropy = dentropies[row] * inverse_temperature;
    const float inverse_sum = 1.0f / sums.sum;
    for (int64_t i = 0; i < n; i += kLanes) {
      const bool whole = i + kLanes <= n;
      const V z = ((whole ? Load(logits + i) : LoadSome(logits + i, n - i, sums.top)) - sums.top) *
                  inverse_temperature;
      const V gradient = Exp(z) * -inverse_sum * (dlogprob + dentropy * (z - log_sum + entropy));
      if (whole) {
        Store(logits + i, gradient);
      } else {
        StoreSome(logits + i, n - i, gradient);
      }
    }
    // The target's, whole: a sum of two rounded parts would be less exact in 16 bits.
    T* goal = logits + targets[row];
    const V z = (Splat(goal_logit) - sums.top) * inverse_temperature;
    const V gradient = Exp(z) * -inverse_sum * (dlogprob + dentropy * (z - log_sum + entropy));
    StoreSome(goal, 1, gradient + Splat(dlogprob));
  }
}

}  // namespace

#define SOJOURN_STRING_OF(x) #x
#define SOJOURN_STRING(x) SOJOURN_STRING_OF(x)

template <typename T>
constexpr RowKernels<T> kRowTable = {RmsNorm<T>, RmsNormBackward<T>, SwiGlu<T>, SwiGluBackward<T>, Score<T>,
                                     ScoreBackward<T>};

extern const Kernels kTable;
const Kernels kTable = {kRowTable<float>, kRowTable<Bf16>, {AttentionScratch, Attention, AttentionBackward},
                       SoftmaxTerms};

extern const FormatKernels kFloatTable;
const FormatKernels kFloatTable = {
    InputBytes32, Prepare32, Product32,       KvHeadBytes32,
    StoreKv32,    Attend32,  AttendScratch32, "fp32, " SOJOURN_STRING(SOJOURN_KERNELS)};

}  // namespace sojourn::policy::SOJOURN_KERNELS

#endif  // SOJOURN_POLICY_MODEL_KERNELS_IMPL_H_
