// Rotary position angles (Su et al., "RoFormer", 2021) with the families' scalings, as transformers computes
// them: in fp32 throughout, as the models were trained.
#ifndef SOJOURN_POLICY_ROTARY_H_
#define SOJOURN_POLICY_ROTARY_H_

#include <cstdint>
#include <vector>

#include "policy/model_config.h"

namespace sojourn::policy {

// By which a position is multiplied, [head_dim / 2], scaled as the config says.
std::vector<float> RotaryFrequencies(const ModelConfig& config);

// Cosines and sines of position * frequency_i, [positions, head_dim / 2]; with YaRN, times its attention
// factor.
struct RotaryTable {
  std::vector<float> cos, sin;

  RotaryTable(const ModelConfig& config, int64_t positions);
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_ROTARY_H_
