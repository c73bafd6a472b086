// A decoder-only transformer of the Llama shape: RMSNorm, rotary positions (the two halves of a
// head are the rotated pair, as in Hugging Face's Llama), grouped-query attention, SwiGLU, tied or
// separate output embedding; with Qwen's biases and norms where the config has them. One set of weights serves the learner (with gradients) and the
// inference engine.
//
// Includes LibTorch: only policy/ and learner/ and the actor's weights receiver include this
// header.
#ifndef SOJOURN_POLICY_MODEL_H_
#define SOJOURN_POLICY_MODEL_H_

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/random.h"
#include "policy/model_config.h"

namespace sojourn::policy {

// Weights by Hugging Face's names ("model.layers.0.self_attn.q_proj.weight", ...), in a fixed order
// (std::map's), which is also the order of the optimizer's state, of checkpoints and of the wire.
using Weights = std::map<std::string, torch::Tensor>;

// The names and shapes that a config asks for.
std::map<std::string, std::vector<int64_t>> WeightShapes(const ModelConfig& config);
// N(0, 0.02), norms 1, biases 0; fp32.
Weights RandomWeights(const ModelConfig& config, RandomKey key);

// Sequences laid end to end, without padding. Several may begin with the same prefix (a group's
// prompt), which then is a sequence of its own, before them, and read once for all.
struct PackedTokens {
  std::vector<int32_t> tokens;    // [total]
  std::vector<int32_t> lengths;   // of each sequence's own tokens; they add up to total
  std::vector<int32_t> prefixes;  // per sequence: which one it goes on from, -1: none. Empty: no
                                  // prefixes at all. A prefix has none itself.
};

class Model {
 public:
  // InvalidArgument when a weight is missing, unknown, or has another shape.
  static absl::StatusOr<Model> Create(ModelConfig config, Weights weights);

  const ModelConfig& config() const { return config_; }
  const Weights& weights() const { return weights_; }
  Weights& mutable_weights() { return weights_; }

  // Final hidden states (after the last norm), [total, hidden_size]; differentiable when the
  // weights are. Positions start at 0 in each sequence, or where its prefix ends; attention is
  // causal within it.
  torch::Tensor Hidden(const PackedTokens& packed) const;

  // Log-probabilities of given next tokens and entropies of the whole distributions at temperature
  // t: for i in rows: log softmax(hidden[rows[i]] @ E^T / t)[targets[i]]. [rows], [rows].
  struct TokenScores {
    torch::Tensor logprobs, entropies;
  };
  TokenScores Score(const torch::Tensor& hidden, const torch::Tensor& rows,
                    const torch::Tensor& targets, double temperature) const;

  torch::Tensor Logits(const torch::Tensor& hidden) const;  // [n, hidden_size] -> [n, vocab_size]

 private:
  ModelConfig config_;
  Weights weights_;
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_MODEL_H_
