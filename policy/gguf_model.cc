#include "policy/gguf_model.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "policy/dequantize.h"
#include "policy/gguf_keys.h"
#include "policy/rotary.h"

namespace sojourn::policy {
namespace {

using torch::Tensor;

// GGUF's names and Hugging Face's, of the model and within a layer (blk.N., model.layers.N.).
constexpr std::pair<const char*, const char*> kNames[] = {{"token_embd.weight", "model.embed_tokens.weight"},
                                                          {"output_norm.weight", "model.norm.weight"},
                                                          {"output.weight", "lm_head.weight"}};
constexpr std::pair<const char*, const char*> kLayerNames[] = {
    {"attn_norm.weight", "input_layernorm.weight"},
    {"attn_q.weight", "self_attn.q_proj.weight"},
    {"attn_k.weight", "self_attn.k_proj.weight"},
    {"attn_v.weight", "self_attn.v_proj.weight"},
    {"attn_output.weight", "self_attn.o_proj.weight"},
    {"attn_q.bias", "self_attn.q_proj.bias"},
    {"attn_k.bias", "self_attn.k_proj.bias"},
    {"attn_v.bias", "self_attn.v_proj.bias"},
    {"attn_output.bias", "self_attn.o_proj.bias"},
    {"attn_q_norm.weight", "self_attn.q_norm.weight"},
    {"attn_k_norm.weight", "self_attn.k_norm.weight"},
    {"ffn_norm.weight", "post_attention_layernorm.weight"},
    {"ffn_gate.weight", "mlp.gate_proj.weight"},
    {"ffn_up.weight", "mlp.up_proj.weight"},
    {"ffn_down.weight", "mlp.down_proj.weight"}};

std::string HuggingFaceName(std::string_view name) {  // empty: unknown
  for (const auto& [gguf, hf] : kNames) {
    if (name == gguf) return hf;
  }
  const std::vector<std::string_view> parts = absl::StrSplit(name, absl::MaxSplits('.', 2));
  int64_t layer = 0;
  if (parts.size() != 3 || parts[0] != "blk" || !absl::SimpleAtoi(parts[1], &layer)) return "";
  for (const auto& [gguf, hf] : kLayerNames) {
    if (parts[2] == gguf) return absl::StrCat("model.layers.", layer, ".", hf);
  }
  return "";
}

constexpr char kRotaryFactors[] = "rope_freqs.weight";

// What llama.cpp's converter makes of Llama 3.1's rotary scaling: what each frequency is divided by. The
// scaling is told by them again; its numbers but the factor are Llama's own, and the context a power of 2.
absl::Status ReadRotaryFactors(const GgufFile& file, ModelConfig* config) {
  const auto refuse = [&](std::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.path(), ": the tensor ", kRotaryFactors, " ", why, "; only Llama 3.1's scaling is supported"));
  };
  const auto tensor = file.Tensor(kRotaryFactors);
  if (!tensor.ok()) return tensor.status();
  std::vector<float> factors((*tensor)->count == config->head_dim / 2 ? (*tensor)->count : 0);
  if (factors.empty()) return refuse(absl::StrCat("has ", (*tensor)->count, " values, half a head has ", config->head_dim / 2));
  absl::Status read = Dequantize((*tensor)->type, (*tensor)->data, (*tensor)->count, factors.data());
  if (!read.ok()) return read;
  const std::vector<float> unscaled = RotaryFrequencies(*config);
  ModelConfig scaled = *config;
  RopeScaling& rope = scaled.rope_scaling;
  rope.type = "llama3";
  rope.factor = std::max(1.0f, *std::max_element(factors.begin(), factors.end()));
  for (rope.original_max_position_embeddings = 16; rope.original_max_position_embeddings <= 1 << 20;
       rope.original_max_position_embeddings *= 2) {
    const std::vector<float> frequencies = RotaryFrequencies(scaled);
    bool same = true;
    for (size_t i = 0; i < factors.size(); ++i)
      same = same && std::abs(frequencies[i] * factors[i] - unscaled[i]) <= 1e-5f * unscaled[i];
    if (!same) continue;
    config->rope_scaling = rope;
    return absl::OkStatus();
  }
  return refuse("holds other factors");
}

// The llama converter turns each head's halves into neighbours, [2, dim / 2] to [dim / 2, 2]; back again.
Tensor UndoPermutation(const Tensor& weight, int64_t heads) {
  const int64_t half = weight.size(0) / heads / 2;
  return weight.view({heads, half, 2, -1}).transpose(1, 2).reshape(weight.sizes()).contiguous();
}

}  // namespace

absl::StatusOr<ModelConfig> GgufModelConfig(const GgufFile& file) {
  GgufKeys keys(file);
  ModelConfig config;
  config.model_type = keys.Get<std::string_view>("general.architecture");
  if (!keys.status().ok()) return keys.status();
  if (config.model_type != "llama" && config.model_type != "qwen2" && config.model_type != "qwen3") {
    return absl::InvalidArgumentError(absl::StrCat(file.path(), ": general.architecture: \"", config.model_type,
                                                   "\" is not supported; known: llama, qwen2, qwen3"));
  }
  const auto key = [&](const char* name) { return absl::StrCat(config.model_type, ".", name); };
  const auto has = [&](const char* tensor) { return file.tensors().contains(tensor); };
  config.hidden_size = keys.Get<int64_t>(key("embedding_length"));
  config.intermediate_size = keys.Get<int64_t>(key("feed_forward_length"));
  config.num_hidden_layers = keys.Get<int64_t>(key("block_count"));
  config.num_attention_heads = keys.Get<int64_t>(key("attention.head_count"));
  config.num_key_value_heads = keys.Get<int64_t>(key("attention.head_count_kv"), config.num_attention_heads);
  config.head_dim = keys.Get<int64_t>(
      key("attention.key_length"),
      config.num_attention_heads > 0 ? config.hidden_size / config.num_attention_heads : 0);
  config.max_position_embeddings = keys.Get<int64_t>(key("context_length"));
  config.rms_norm_eps = keys.Get<double>(key("attention.layer_norm_rms_epsilon"));
  config.rope_theta = keys.Get<double>(key("rope.freq_base"), 10000.0);
  const int64_t rotated = keys.Get<int64_t>(key("rope.dimension_count"), config.head_dim);
  const auto scaling = keys.Get<std::string_view>(key("rope.scaling.type"), "none");
  if (scaling != "none") {
    config.rope_scaling.type = scaling;
    config.rope_scaling.factor = keys.Get<double>(key("rope.scaling.factor"));
    config.rope_scaling.original_max_position_embeddings =
        keys.Get<int64_t>(key("rope.scaling.original_context_length"), config.max_position_embeddings);
  }
  config.tie_word_embeddings = !has("output.weight");
  config.qkv_bias = has("blk.0.attn_q.bias");
  config.output_bias = has("blk.0.attn_output.bias");
  config.qk_norm = has("blk.0.attn_q_norm.weight");
  config.torch_dtype = "bfloat16";
  config.bos_token_id = keys.Get<int64_t>("tokenizer.ggml.bos_token_id", -1);
  if (const int64_t eos = keys.Get<int64_t>("tokenizer.ggml.eos_token_id", -1); eos >= 0) config.eos_token_ids = {eos};
  const auto embedding = file.Tensor("token_embd.weight");
  keys.Fail(embedding.status());
  if (!keys.status().ok()) return keys.status();
  if ((*embedding)->shape.size() != 2) {
    return absl::InvalidArgumentError(absl::StrCat(file.path(), ": token_embd.weight has ",
                                                   (*embedding)->shape.size(), " dimensions; expected 2"));
  }
  config.vocab_size = (*embedding)->shape[0];
  if (rotated != config.head_dim) {
    return absl::InvalidArgumentError(absl::StrCat(file.path(), ": rope.dimension_count: ", rotated, " of ",
                                                   config.head_dim, " is not supported"));
  }
  if (absl::Status valid = config.Validate(); !valid.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(file.path(), ": ", valid.message()));
  }
  if (has(kRotaryFactors)) {
    if (config.rope_scaling.type != "default") {
      return absl::InvalidArgumentError(absl::StrCat(file.path(), ": the tensor ", kRotaryFactors,
                                                     " beside rope.scaling.type is not supported"));
    }
    if (absl::Status read = ReadRotaryFactors(file, &config); !read.ok()) return read;
  }
  return config;
}

absl::StatusOr<Model> LoadGgufModel(const std::string& path, std::optional<torch::ScalarType> wanted) {
  auto file = GgufFile::Open(path);
  if (!file.ok()) return file.status();
  const auto config = GgufModelConfig(**file);
  if (!config.ok()) return config.status();
  const torch::ScalarType type = wanted.value_or(torch::kBFloat16);
  Weights weights;
  for (const auto& [name, unused] : (*file)->tensors()) {
    if (name == kRotaryFactors) continue;  // in the config
    const std::string hf = HuggingFaceName(name);
    if (hf.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": the tensor ", name, " is not supported"));
    }
    const auto tensor = (*file)->Tensor(name);
    if (!tensor.ok()) return tensor.status();
    const GgufTensor& from = **tensor;
    const bool rounded = type == torch::kBFloat16;
    Tensor weight = torch::empty(from.shape, rounded ? torch::kBFloat16 : torch::kFloat);
    const absl::Status read =
        rounded ? DequantizeToBf16(from.type, from.data, from.count,
                                   static_cast<uint16_t*>(weight.mutable_data_ptr()))
                : Dequantize(from.type, from.data, from.count, weight.mutable_data_ptr<float>());
    if (!read.ok()) return absl::Status(read.code(), absl::StrCat(path, ": ", name, ": ", read.message()));
    if (config->model_type == "llama" && weight.numel() > 0) {
      const bool q = absl::StrContains(hf, "q_proj."), k = absl::StrContains(hf, "k_proj.");  // biases too
      const int64_t heads = q ? config->num_attention_heads : config->num_key_value_heads;
      if ((q || k) && weight.dim() > 0 && weight.size(0) == heads * config->head_dim)
        weight = UndoPermutation(weight, heads);
    }
    weights[hf] = weight.to(type);
  }
  auto model = Model::Create(*config, std::move(weights));
  if (!model.ok()) return absl::Status(model.status().code(), absl::StrCat(path, ": ", model.status().message()));
  return model;
}

}  // namespace sojourn::policy
