// Rotary position angles (Su et al., "RoFormer", 2021), as Hugging Face's Llama computes them.
#ifndef SOJOURN_POLICY_ROTARY_H_
#define SOJOURN_POLICY_ROTARY_H_

#include <cmath>
#include <cstdint>
#include <vector>

namespace sojourn::policy {

// Cosines and sines of position * theta^(-2i / head_dim), [positions, head_dim / 2]. In fp32
// throughout, as the models were trained.
struct RotaryTable {
  std::vector<float> cos, sin;

  RotaryTable(double theta, int64_t head_dim, int64_t positions) {
    const int64_t half = head_dim / 2;
    std::vector<float> frequencies(half);
    for (int64_t i = 0; i < half; ++i) {
      frequencies[i] =
          1.0f / std::pow(static_cast<float>(theta), static_cast<float>(2 * i) / head_dim);
    }
    cos.resize(positions * half);
    sin.resize(positions * half);
    for (int64_t t = 0; t < positions; ++t) {
      for (int64_t i = 0; i < half; ++i) {
        const float angle = static_cast<float>(t) * frequencies[i];
        cos[t * half + i] = std::cos(angle);
        sin[t * half + i] = std::sin(angle);
      }
    }
  }
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_ROTARY_H_
