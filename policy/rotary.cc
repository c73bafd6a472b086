#include "policy/rotary.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace sojourn::policy {
namespace {

// Llama 3.1: wavelengths beyond the original context are stretched, short ones stay, those between are
// blended.
void ScaleLlama3(const RopeScaling& rope, std::vector<float>* frequencies) {
  const double old_context = static_cast<double>(rope.original_max_position_embeddings);
  for (float& frequency : *frequencies) {
    const float wavelength = static_cast<float>(2 * std::numbers::pi) / frequency;
    if (wavelength < static_cast<float>(old_context / rope.high_freq_factor)) continue;
    const float stretched = frequency / static_cast<float>(rope.factor);
    if (wavelength > static_cast<float>(old_context / rope.low_freq_factor)) {
      frequency = stretched;
      continue;
    }
    const float smooth = (static_cast<float>(old_context) / wavelength - static_cast<float>(rope.low_freq_factor)) /
                         static_cast<float>(rope.high_freq_factor - rope.low_freq_factor);
    frequency = (1 - smooth) * stretched + smooth * frequency;
  }
}

// Peng et al., "YaRN", 2309.00071, section 3.2: a ramp over the dimensions between those that turn
// beta_fast and beta_slow times in the original context.
void ScaleYarn(const ModelConfig& config, std::vector<float>* frequencies) {
  const RopeScaling& rope = config.rope_scaling;
  const double dim = static_cast<double>(config.head_dim);
  const auto turns_at = [&](double turns) {
    return dim *
           std::log(static_cast<double>(rope.original_max_position_embeddings) / (turns * 2 * std::numbers::pi)) /
           (2 * std::log(config.rope_theta));
  };
  double low = turns_at(rope.beta_fast), high = turns_at(rope.beta_slow);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequencies->size(); ++i) {
    float& frequency = (*frequencies)[i];
    const float ramp = std::clamp((static_cast<float>(i) - static_cast<float>(low)) / static_cast<float>(high - low), 0.0f, 1.0f);
    const float keep = 1 - ramp;
    frequency = frequency / static_cast<float>(rope.factor) * (1 - keep) + frequency * keep;
  }
}

}  // namespace

std::vector<float> RotaryFrequencies(const ModelConfig& config) {
  const RopeScaling& rope = config.rope_scaling;
  const int64_t half = config.head_dim / 2;
  std::vector<float> frequencies(half);
  for (int64_t i = 0; i < half; ++i) {
    frequencies[i] =
        1.0f / std::pow(static_cast<float>(config.rope_theta), static_cast<float>(2 * i) / config.head_dim);
  }
  if (rope.type == "linear") {
    for (float& frequency : frequencies) frequency /= static_cast<float>(rope.factor);
  } else if (rope.type == "llama3") {
    ScaleLlama3(rope, &frequencies);
  } else if (rope.type == "yarn") {
    ScaleYarn(config, &frequencies);
  }
  return frequencies;
}

RotaryTable::RotaryTable(const ModelConfig& config, int64_t positions) {
  const RopeScaling& rope = config.rope_scaling;
  const int64_t half = config.head_dim / 2;
  const std::vector<float> frequencies = RotaryFrequencies(config);
  float factor = 1;
  if (rope.type == "yarn") {
    const double stated = rope.attention_factor;
    factor = static_cast<float>(stated > 0 ? stated : rope.factor > 1 ? 0.1 * std::log(rope.factor) + 1 : 1);
  }
  cos.resize(positions * half);
  sin.resize(positions * half);
  for (int64_t t = 0; t < positions; ++t) {
    for (int64_t i = 0; i < half; ++i) {
      const float angle = static_cast<float>(t) * frequencies[i];
      cos[t * half + i] = std::cos(angle) * factor;
      sin[t * half + i] = std::sin(angle) * factor;
    }
  }
}

}  // namespace sojourn::policy
