// Small models for tests.
#ifndef SOJOURN_POLICY_MODEL_TESTING_H_
#define SOJOURN_POLICY_MODEL_TESTING_H_

#include <ATen/Parallel.h>

#include <memory>
#include <vector>

#include "common/random.h"
#include "policy/model.h"

namespace sojourn::policy {

inline const bool kOneThread = (at::set_num_threads(1), true);

inline ModelConfig SmallConfig() {
  ModelConfig config;
  config.vocab_size = 50;
  config.hidden_size = 24;
  config.intermediate_size = 40;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 6;
  config.max_position_embeddings = 256;
  return config;
}

// Weights that are large enough for every part of the model to matter.
inline Weights LivelyWeights(const ModelConfig& config, uint64_t seed,
                             torch::ScalarType type = torch::kFloat) {
  Weights weights = RandomWeights(config, RandomKey(seed));
  for (auto& [name, weight] : weights) {
    weight = (weight.dim() == 2 ? weight * 15 : weight * 1.1).to(type).contiguous();
  }
  return weights;
}

inline std::vector<int32_t> RandomTokens(int64_t n, int64_t vocab, uint64_t seed) {
  Random random{RandomKey(seed)};
  std::vector<int32_t> tokens(n);
  for (int32_t& token : tokens) token = static_cast<int32_t>(random.Below(vocab));
  return tokens;
}

inline PackedTokens RandomPacked(std::vector<int32_t> lengths, int64_t vocab, uint64_t seed) {
  int64_t total = 0;
  for (const int32_t length : lengths) total += length;
  return {RandomTokens(total, vocab, seed), std::move(lengths)};
}

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_MODEL_TESTING_H_
