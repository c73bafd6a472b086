#include "policy/model.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "policy/model_ops.h"
#include "policy/rotary.h"

namespace sojourn::policy {
namespace {

using torch::Tensor;

std::string LayerPrefix(int64_t layer) { return absl::StrCat("model.layers.", layer, "."); }

const std::string& OutputName(const ModelConfig& config) {
  static const std::string kTied = "model.embed_tokens.weight", kOwn = "lm_head.weight";
  return config.tie_word_embeddings ? kTied : kOwn;
}

std::vector<AttentionSegment> Segments(const PackedTokens& packed) {
  std::vector<AttentionSegment> segments;
  int64_t start = 0;
  for (size_t i = 0; i < packed.lengths.size(); ++i) {
    AttentionSegment& segment = segments.emplace_back();
    segment.start = start;
    segment.length = packed.lengths[i];
    if (!packed.prefixes.empty() && packed.prefixes[i] >= 0) {
      const AttentionSegment& prefix = segments[packed.prefixes[i]];
      segment.prefix_start = prefix.start;
      segment.prefix_length = prefix.length;
    }
    start += segment.length;
  }
  return segments;
}

AttentionHeads Heads(const ModelConfig& config, const std::vector<AttentionSegment>& segments) {
  int64_t longest = 0;
  for (const AttentionSegment& segment : segments) longest = std::max(longest, segment.positions());
  const RotaryTable angles(config, longest);
  const auto table = [&](const std::vector<float>& values) {
    return torch::tensor(values, torch::kFloat).view({longest, config.head_dim / 2});
  };
  return {config.num_attention_heads, config.num_key_value_heads, config.head_dim,
          table(angles.cos), table(angles.sin)};
}

// Norms each head's q and k of qkv [n, (heads + 2 kv_heads) * head_dim].
Tensor NormHeads(const Tensor& qkv, const ModelConfig& config, const Tensor& q_weight,
                 const Tensor& k_weight) {
  const int64_t q = config.num_attention_heads * config.head_dim;
  const int64_t kv = config.num_key_value_heads * config.head_dim;
  const auto norm = [&](int64_t begin, int64_t width, const Tensor& weight) {
    const Tensor heads = qkv.slice(1, begin, begin + width).reshape({-1, config.head_dim});
    return RmsNorm(heads, weight, config.rms_norm_eps).view({-1, width});
  };
  return torch::cat({norm(0, q, q_weight), norm(q, kv, k_weight), qkv.slice(1, q + kv)}, 1);
}

}  // namespace

std::map<std::string, std::vector<int64_t>> WeightShapes(const ModelConfig& config) {
  const int64_t hidden = config.hidden_size, inner = config.intermediate_size;
  const int64_t q = config.num_attention_heads * config.head_dim;
  const int64_t kv = config.num_key_value_heads * config.head_dim;
  std::map<std::string, std::vector<int64_t>> shapes;
  shapes["model.embed_tokens.weight"] = {config.vocab_size, hidden};
  shapes["model.norm.weight"] = {hidden};
  if (!config.tie_word_embeddings) shapes["lm_head.weight"] = {config.vocab_size, hidden};
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const std::string prefix = LayerPrefix(layer);
    shapes[prefix + "input_layernorm.weight"] = {hidden};
    shapes[prefix + "self_attn.q_proj.weight"] = {q, hidden};
    shapes[prefix + "self_attn.k_proj.weight"] = {kv, hidden};
    shapes[prefix + "self_attn.v_proj.weight"] = {kv, hidden};
    shapes[prefix + "self_attn.o_proj.weight"] = {hidden, q};
    if (config.qkv_bias) {
      shapes[prefix + "self_attn.q_proj.bias"] = {q};
      shapes[prefix + "self_attn.k_proj.bias"] = {kv};
      shapes[prefix + "self_attn.v_proj.bias"] = {kv};
    }
    if (config.output_bias) shapes[prefix + "self_attn.o_proj.bias"] = {hidden};
    if (config.qk_norm) {
      shapes[prefix + "self_attn.q_norm.weight"] = {config.head_dim};
      shapes[prefix + "self_attn.k_norm.weight"] = {config.head_dim};
    }
    shapes[prefix + "post_attention_layernorm.weight"] = {hidden};
    shapes[prefix + "mlp.gate_proj.weight"] = {inner, hidden};
    shapes[prefix + "mlp.up_proj.weight"] = {inner, hidden};
    shapes[prefix + "mlp.down_proj.weight"] = {hidden, inner};
  }
  return shapes;
}

Weights RandomWeights(const ModelConfig& config, RandomKey key) {
  constexpr double kDeviation = 0.02;
  Weights weights;
  for (const auto& [name, shape] : WeightShapes(config)) {
    Tensor weight = name.ends_with(".bias") ? torch::zeros(shape, torch::kFloat)
                                            : torch::ones(shape, torch::kFloat);
    if (shape.size() == 2) {  // Box-Muller, two at a time
      Random random(key.With(name));
      float* values = weight.data_ptr<float>();
      for (int64_t i = 0; i < weight.numel(); i += 2) {
        const double radius = kDeviation * std::sqrt(-2 * std::log(1 - random.Uniform()));
        const double angle = 2 * std::numbers::pi * random.Uniform();
        values[i] = static_cast<float>(radius * std::cos(angle));
        if (i + 1 < weight.numel()) values[i + 1] = static_cast<float>(radius * std::sin(angle));
      }
    }
    weights[name] = weight;
  }
  return weights;
}

absl::StatusOr<Model> Model::Create(ModelConfig config, Weights weights) {
  if (absl::Status valid = config.Validate(); !valid.ok()) return valid;
  const auto shapes = WeightShapes(config);
  for (const auto& [name, shape] : shapes) {
    const auto found = weights.find(name);
    if (found == weights.end())
      return absl::InvalidArgumentError(absl::StrCat("weight ", name, " is missing"));
    const Tensor& weight = found->second;
    if (weight.sizes() != torch::IntArrayRef(shape)) {
      return absl::InvalidArgumentError(
          absl::StrCat("weight ", name, " has shape [", absl::StrJoin(weight.sizes(), ", "),
                       "], expected [", absl::StrJoin(shape, ", "), "] by the config"));
    }
    if (!weight.is_floating_point() || !weight.is_contiguous()) {
      return absl::InvalidArgumentError(
          absl::StrCat("weight ", name, " must be a contiguous floating-point tensor"));
    }
    if (weight.scalar_type() != weights.begin()->second.scalar_type() ||
        weight.device() != weights.begin()->second.device()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "weight ", name, " has another type or device than ", weights.begin()->first));
    }
  }
  for (const auto& [name, weight] : weights) {
    if (!shapes.contains(name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("weight ", name, " is not one that the config asks for"));
    }
  }
  Model model;
  model.config_ = std::move(config);
  model.weights_ = std::move(weights);
  return model;
}

Tensor Model::Hidden(const PackedTokens& packed) const {
  const auto weight = [&](const std::string& name) -> const Tensor& { return weights_.at(name); };
  const Tensor& embedding = weight("model.embed_tokens.weight");
  const std::vector<AttentionSegment> segments = Segments(packed);
  const AttentionHeads heads = Heads(config_, segments);
  const Tensor ids = torch::tensor(packed.tokens, torch::kInt).to(embedding.device());
  Tensor x = torch::embedding(embedding, ids);
  for (int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
    const std::string prefix = LayerPrefix(layer);
    const Tensor qkv_weight = torch::cat({weight(prefix + "self_attn.q_proj.weight"),
                                          weight(prefix + "self_attn.k_proj.weight"),
                                          weight(prefix + "self_attn.v_proj.weight")});
    const Tensor gate_up_weight = torch::cat(
        {weight(prefix + "mlp.gate_proj.weight"), weight(prefix + "mlp.up_proj.weight")});
    const Tensor in = RmsNorm(x, weight(prefix + "input_layernorm.weight"), config_.rms_norm_eps);
    Tensor qkv = torch::mm(in, qkv_weight.t());
    if (config_.qkv_bias) {
      qkv = qkv + torch::cat({weight(prefix + "self_attn.q_proj.bias"),
                              weight(prefix + "self_attn.k_proj.bias"),
                              weight(prefix + "self_attn.v_proj.bias")});
    }
    if (config_.qk_norm) {
      qkv = NormHeads(qkv, config_, weight(prefix + "self_attn.q_norm.weight"),
                      weight(prefix + "self_attn.k_norm.weight"));
    }
    const Tensor attended = Attention(qkv, segments, heads);
    x = torch::addmm(x, attended, weight(prefix + "self_attn.o_proj.weight").t());
    if (config_.output_bias) x = x + weight(prefix + "self_attn.o_proj.bias");
    const Tensor middle =
        RmsNorm(x, weight(prefix + "post_attention_layernorm.weight"), config_.rms_norm_eps);
    const Tensor inner = SwiGlu(torch::mm(middle, gate_up_weight.t()));
    x = torch::addmm(x, inner, weight(prefix + "mlp.down_proj.weight").t());
  }
  return RmsNorm(x, weight("model.norm.weight"), config_.rms_norm_eps);
}

Model::TokenScores Model::Score(const Tensor& hidden, const Tensor& rows, const Tensor& targets,
                                double temperature) const {
  auto [logprobs, entropies] = ScoreTargets(hidden.index_select(0, rows),
                                            weights_.at(OutputName(config_)), targets, temperature);
  return {std::move(logprobs), std::move(entropies)};
}

Tensor Model::Logits(const Tensor& hidden) const {
  return torch::mm(hidden, weights_.at(OutputName(config_)).t());
}

}  // namespace sojourn::policy
