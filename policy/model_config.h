// What a model's config.json says: the families' common decoder, and where they differ. No LibTorch.
//
// Families (config.json's model_type): llama (Llama 2 and 3, SmolLM2), mistral, qwen2 (Qwen2 and 2.5;
// biases on q, k and v), qwen3 (a norm on each head's q and k).
#ifndef SOJOURN_POLICY_MODEL_CONFIG_H_
#define SOJOURN_POLICY_MODEL_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sojourn::policy {

// How rotary frequencies differ from RoFormer's, by transformers' names and defaults
// (modeling_rope_utils.py).
struct RopeScaling {
  std::string type = "default";  // default, linear, llama3, yarn
  double factor = 1;
  double low_freq_factor = 1, high_freq_factor = 4;  // llama3
  int64_t original_max_position_embeddings = 0;      // llama3, yarn
  double beta_fast = 32, beta_slow = 1;              // yarn
  double attention_factor = 0;                       // yarn; 0: 0.1 ln(factor) + 1
  bool truncate = true;                              // yarn
};

// Hugging Face's config.json names.
struct ModelConfig {
  std::string model_type = "llama";
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t num_key_value_heads = 0;
  int64_t head_dim = 0;  // 0 in a file: hidden_size / num_attention_heads
  int64_t max_position_embeddings = 0;
  double rope_theta = 10000;
  RopeScaling rope_scaling;
  double rms_norm_eps = 1e-5;
  bool tie_word_embeddings = true;
  bool qkv_bias = false;     // of q_proj, k_proj and v_proj
  bool output_bias = false;  // of o_proj
  bool qk_norm = false;      // RMSNorm over head_dim of each head's q and k, before the rotation
  std::string torch_dtype = "float32";  // of the file's weights: float32, bfloat16, float16
  int64_t bos_token_id = -1;            // -1: none
  std::vector<int64_t> eos_token_ids;

  absl::Status Validate() const;  // every impossible or unsupported value, by name
};

// InvalidArgument names what is missing, wrong, or not supported (another family or activation, sliding
// windows, mixtures of experts, quantized weights, other rotary scalings).
absl::StatusOr<ModelConfig> ParseModelConfig(const std::string& json, const std::string& path);
std::string ModelConfigJson(const ModelConfig& config);  // what transformers reads

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_MODEL_CONFIG_H_
