// The optimizer's loops over all weights, each one pass over memory. No LibTorch.
#ifndef SOJOURN_LEARNER_OPTIMIZER_KERNELS_H_
#define SOJOURN_LEARNER_OPTIMIZER_KERNELS_H_

#include <cstdint>

namespace sojourn::learner {

struct AdamWStep {
  float beta1, beta2, epsilon;
  float rate;      // learning rate / (1 - beta1^t)
  float inverse2;  // 1 / (1 - beta2^t)
  float keep;      // 1 - learning rate * weight decay
};
// first = beta1 first + (1 - beta1) g; second = beta2 second + (1 - beta2) g^2;
// weight = keep weight - rate first / (sqrt(second inverse2) + epsilon).
void TakeAdamWStep(const AdamWStep& step, int64_t count, const float* gradient, float* weight,
                   float* first, float* second);

// sums += values, given as the upper halves of floats.
void AddBFloat16(int64_t count, const uint16_t* values, float* sums);

double SumOfSquares(int64_t count, const float* values);

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_OPTIMIZER_KERNELS_H_
