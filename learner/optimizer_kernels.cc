#include "learner/optimizer_kernels.h"

#include <cmath>
#include <cstring>

namespace sojourn::learner {

void TakeAdamWStep(const AdamWStep& step, int64_t count, const float* __restrict gradient,
                   float* __restrict weight, float* __restrict first, float* __restrict second) {
  const auto [beta1, beta2, epsilon, rate, inverse2, keep] = step;
  for (int64_t i = 0; i < count; ++i) {
    const float g = gradient[i];
    first[i] = beta1 * first[i] + (1 - beta1) * g;
    second[i] = beta2 * second[i] + (1 - beta2) * g * g;
    weight[i] = keep * weight[i] - rate * first[i] / (std::sqrt(second[i] * inverse2) + epsilon);
  }
}

void AddBFloat16(int64_t count, const uint16_t* __restrict values, float* __restrict sums) {
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t bits = static_cast<uint32_t>(values[i]) << 16;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    sums[i] += value;
  }
}

double SumOfSquares(int64_t count, const float* values) {
  double sums[8] = {};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (int k = 0; k < 8; ++k) sums[k] += static_cast<double>(values[i + k]) * values[i + k];
  }
  for (; i < count; ++i) sums[0] += static_cast<double>(values[i]) * values[i];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

}  // namespace sojourn::learner
