#include "policy/model.h"

#include <torch/autograd.h>
#include <torch/custom_class.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "policy/model_ops.h"
#include "policy/rotary.h"

namespace sojourn::policy {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

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
  const std::vector<Tensor> parts = qkv.split_with_sizes({q, kv, kv}, 1);
  const auto norm = [&](const Tensor& heads, const Tensor& weight) {
    const Tensor flat = heads.reshape({-1, config.head_dim});
    return RmsNorm(flat, weight, config.rms_norm_eps).view({-1, heads.size(1)});
  };
  return torch::cat({norm(parts[0], q_weight), norm(parts[1], k_weight), parts[2]}, 1);
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

struct Model::Batch {
  std::vector<AttentionSegment> segments;
  AttentionHeads heads;
  std::optional<AttentionRows> rows;  // where the kernels do not compute
};

absl::Status Model::SetAdapters(Adapters adapters) {
  for (const auto& [name, adapter] : adapters) {
    const auto weight = weights_.find(name);
    if (weight == weights_.end() || !absl::EndsWith(name, "_proj.weight")) {
      return absl::InvalidArgumentError(absl::StrCat("an adapter of ", name, ", which is no projection of the model"));
    }
    const Tensor &w = weight->second, &a = adapter.a, &b = adapter.b;
    if (a.dim() != 2 || b.dim() != 2 || a.size(1) != w.size(1) || b.size(0) != w.size(0) ||
        a.size(0) != b.size(1)) {
      return absl::InvalidArgumentError(absl::StrCat("the adapter of ", name, " does not fit its shape [",
                                                     absl::StrJoin(w.sizes(), ", "), "]"));
    }
  }
  adapters_ = std::move(adapters);
  return absl::OkStatus();
}

Weights Model::MergedWeights() const {
  torch::NoGradGuard no_gradients;
  Weights merged;
  for (const auto& [name, weight] : weights_) {
    const auto adapter = adapters_.find(name);
    if (adapter == adapters_.end()) {
      merged[name] = weight.detach();
      continue;
    }
    const auto& [a, b, scale] = adapter->second;
    const Tensor delta = torch::mm(b.to(torch::kFloat), a.to(torch::kFloat)) * scale;
    merged[name] = (weight.to(torch::kFloat) + delta).to(weight.scalar_type());
  }
  return merged;
}

// x [n, in] through the weights `names`, side by side.
Tensor Model::Project(const Tensor& x, const std::vector<std::string>& names) const {
  std::vector<Tensor> weights;
  bool adapted = false;
  for (const std::string& name : names) {
    weights.push_back(weights_.at(name));
    adapted = adapted || adapters_.contains(name);
  }
  const Tensor y = torch::mm(x, (weights.size() == 1 ? weights[0] : torch::cat(weights)).t());
  if (!adapted) return y;
  std::vector<Tensor> deltas;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto adapter = adapters_.find(names[i]);
    if (adapter == adapters_.end()) {
      deltas.push_back(torch::zeros({x.size(0), weights[i].size(0)}, x.options()));
    } else {
      const auto& [a, b, scale] = adapter->second;
      deltas.push_back(torch::mm(torch::mm(x, a.t()), b.t()) * scale);
    }
  }
  return y + (deltas.size() == 1 ? deltas[0] : torch::cat(deltas, 1));
}

Tensor Model::Layer(int64_t layer, const Tensor& x, const Batch& batch) const {
  const std::string prefix = LayerPrefix(layer), attention = prefix + "self_attn.", mlp = prefix + "mlp.";
  const auto weight = [&](const std::string& name) -> const Tensor& { return weights_.at(name); };
  const Tensor in = RmsNorm(x, weight(prefix + "input_layernorm.weight"), config_.rms_norm_eps);
  Tensor qkv = Project(in, {attention + "q_proj.weight", attention + "k_proj.weight", attention + "v_proj.weight"});
  if (config_.qkv_bias) {
    qkv = qkv + torch::cat({weight(attention + "q_proj.bias"), weight(attention + "k_proj.bias"),
                            weight(attention + "v_proj.bias")});
  }
  if (config_.qk_norm) {
    qkv = NormHeads(qkv, config_, weight(attention + "q_norm.weight"), weight(attention + "k_norm.weight"));
  }
  const Tensor attended = Attention(qkv, batch.segments, batch.heads, batch.rows ? &*batch.rows : nullptr);
  Tensor middle = x + Project(attended, {attention + "o_proj.weight"});
  if (config_.output_bias) middle = middle + weight(attention + "o_proj.bias");
  const Tensor normed = RmsNorm(middle, weight(prefix + "post_attention_layernorm.weight"), config_.rms_norm_eps);
  const Tensor inner = SwiGlu(Project(normed, {mlp + "gate_proj.weight", mlp + "up_proj.weight"}));
  return middle + Project(inner, {mlp + "down_proj.weight"});
}

// Activation checkpointing (Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016).
struct RecomputedLayer : torch::autograd::Function<RecomputedLayer> {
  struct Call : torch::CustomClassHolder {
    const Model* model;
    int64_t layer;
    std::shared_ptr<const Model::Batch> batch;
  };
  // The tensors that get gradients through the layer, its input first.
  static std::vector<Tensor> Inputs(const Model& model, int64_t layer, const Tensor& x) {
    const std::string prefix = LayerPrefix(layer);
    std::vector<Tensor> inputs = {x};
    for (auto it = model.weights_.lower_bound(prefix);
         it != model.weights_.end() && absl::StartsWith(it->first, prefix); ++it) {
      inputs.push_back(it->second);
    }
    for (auto it = model.adapters_.lower_bound(prefix);
         it != model.adapters_.end() && absl::StartsWith(it->first, prefix); ++it) {
      inputs.insert(inputs.end(), {it->second.a, it->second.b});
    }
    return inputs;
  }
  static Tensor forward(AutogradContext* context, at::TensorList inputs, c10::intrusive_ptr<Call> call) {
    context->save_for_backward({inputs[0]});
    context->saved_data["call"] = c10::IValue::make_capsule(call);
    return call->model->Layer(call->layer, inputs[0], *call->batch);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto held = context->saved_data["call"].toCapsule();
    const Call& call = static_cast<const Call&>(*held);
    const Tensor x = context->get_saved_variables()[0].detach().requires_grad_(true);
    std::vector<Tensor> inputs = Inputs(*call.model, call.layer, x), wanted;
    for (const Tensor& input : inputs) {
      if (input.requires_grad()) wanted.push_back(input);
    }
    variable_list found;
    {
      torch::AutoGradMode enabled(true);
      const Tensor y = call.model->Layer(call.layer, x, *call.batch);
      found = torch::autograd::grad({y}, wanted, {gradients[0]});
    }
    variable_list results;
    size_t next = 0;
    for (const Tensor& input : inputs) results.push_back(input.requires_grad() ? found[next++] : Tensor());
    results.push_back(Tensor());  // the call
    return results;
  }
};

Tensor Model::Hidden(const PackedTokens& packed, bool recompute) const {
  const Tensor& embedding = weights_.at("model.embed_tokens.weight");
  const auto batch = std::make_shared<Batch>();
  batch->segments = Segments(packed);
  batch->heads = Heads(config_, batch->segments);
  if (!Fused(embedding)) batch->rows.emplace(batch->segments, batch->heads, embedding.options());
  const Tensor ids = torch::tensor(packed.tokens, torch::kInt).to(embedding.device());
  Tensor x = torch::embedding(embedding, ids);
  for (int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
    if (recompute && torch::GradMode::is_enabled()) {
      auto call = c10::make_intrusive<RecomputedLayer::Call>();
      call->model = this;
      call->layer = layer;
      call->batch = batch;
      x = RecomputedLayer::apply(at::TensorList(RecomputedLayer::Inputs(*this, layer, x)), call);
    } else {
      x = Layer(layer, x, *batch);
    }
  }
  return RmsNorm(x, weights_.at("model.norm.weight"), config_.rms_norm_eps);
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
