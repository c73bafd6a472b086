#include "policy/model.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "policy/model_ops.h"

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
    Tensor weight = torch::ones(shape, torch::kFloat);
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
  const AttentionHeads heads{config_.num_attention_heads, config_.num_key_value_heads,
                             config_.head_dim, config_.rope_theta};
  const std::vector<AttentionSegment> segments = Segments(packed);
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
    const Tensor attended = Attention(torch::mm(in, qkv_weight.t()), segments, heads);
    x = torch::addmm(x, attended, weight(prefix + "self_attn.o_proj.weight").t());
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
