#include "policy/device_model.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/model_ops.h"
#include "policy/rotary.h"

namespace sojourn::policy {
namespace {

using torch::Tensor;

constexpr int64_t kFewestKeys = 4096;  // of a captured step, in powers of two from here

Tensor Longs(const std::vector<int64_t>& values, const torch::Device& device) {
  return torch::tensor(values, torch::kLong).to(device);
}

int64_t SlotOf(const KvSequence& sequence, int64_t position) {
  return int64_t{sequence.blocks[position / kPanel]} * kPanel + position % kPanel;
}

}  // namespace

DeviceModel::DeviceModel(const Model& model, const torch::Device& device, WeightFormat format, int64_t blocks,
                         int64_t max_context_tokens)
    : config_(model.config()),
      device_(device),
      type_(format == WeightFormat::kFloat32 ? torch::kFloat : torch::kBFloat16),
      blocks_(blocks),
      max_context_tokens_(max_context_tokens),
      layers_(config_.num_hidden_layers),
      capture_(device.is_cuda() && type_ == torch::kBFloat16 && HasCudaGraphs()) {
  const RotaryTable angles(config_, max_context_tokens);
  const auto table = [&](const std::vector<float>& values) {
    return torch::tensor(values, torch::kFloat).view({max_context_tokens, config_.head_dim / 2}).to(device_, type_);
  };
  cos_ = table(angles.cos);
  sin_ = table(angles.sin);
  for (Layer& layer : layers_) {
    for (Tensor* cache : {&layer.keys, &layer.values}) {
      *cache = torch::zeros({(blocks + 1) * kPanel, config_.num_key_value_heads, config_.head_dim},
                            torch::TensorOptions(device_).dtype(type_));
    }
  }
  SetWeights(model);
}

// Into the tensors that there are: captured steps read them where they lie.
void DeviceModel::SetWeights(const Model& model) {
  at::NoGradGuard no_gradients;
  const Weights& weights = model.weights();
  const auto set = [&](Tensor& to, const std::vector<std::string>& names) {
    std::vector<Tensor> parts;
    for (const std::string& name : names) parts.push_back(weights.at(name).detach().to(device_, type_));
    const Tensor whole = parts.size() == 1 ? parts[0] : torch::cat(parts);
    if (to.defined()) {
      to.copy_(whole);
    } else {
      to = whole.clone();
    }
  };
  for (size_t i = 0; i < layers_.size(); ++i) {
    Layer& layer = layers_[i];
    const std::string prefix = absl::StrCat("model.layers.", i, "."), attention = prefix + "self_attn.",
                      mlp = prefix + "mlp.";
    set(layer.attention_norm, {prefix + "input_layernorm.weight"});
    set(layer.qkv, {attention + "q_proj.weight", attention + "k_proj.weight", attention + "v_proj.weight"});
    if (config_.qkv_bias) {
      set(layer.qkv_bias, {attention + "q_proj.bias", attention + "k_proj.bias", attention + "v_proj.bias"});
    }
    if (config_.qk_norm) {
      set(layer.q_norm, {attention + "q_norm.weight"});
      set(layer.k_norm, {attention + "k_norm.weight"});
    }
    set(layer.output, {attention + "o_proj.weight"});
    if (config_.output_bias) set(layer.output_bias, {attention + "o_proj.bias"});
    set(layer.mlp_norm, {prefix + "post_attention_layernorm.weight"});
    set(layer.gate_up, {mlp + "gate_proj.weight", mlp + "up_proj.weight"});
    set(layer.down, {mlp + "down_proj.weight"});
  }
  set(embedding_, {"model.embed_tokens.weight"});
  set(final_norm_, {"model.norm.weight"});
  if (config_.tie_word_embeddings) {
    unembedding_ = embedding_;
  } else {
    set(unembedding_, {"lm_head.weight"});
  }
}

void DeviceModel::Copy(int32_t from, int32_t to) {
  at::NoGradGuard no_gradients;
  for (Layer& layer : layers_) {
    for (Tensor* cache : {&layer.keys, &layer.values}) {
      cache->narrow(0, int64_t{to} * kPanel, kPanel).copy_(cache->narrow(0, int64_t{from} * kPanel, kPanel));
    }
  }
}

DeviceModel::Inputs DeviceModel::Prepare(absl::Span<const Row> rows, absl::Span<const int32_t> outputs,
                                         int64_t padded_rows, int64_t padded_keys) const {
  std::vector<int64_t> tokens, positions, slots, keys, q_lengths, k_lengths;
  for (size_t r = 0; r < rows.size(); ++r) {
    const Row& row = rows[r];
    tokens.push_back(row.token);
    positions.push_back(row.position);
    slots.push_back(SlotOf(*row.sequence, row.position));
    const bool ends = r + 1 == rows.size() || rows[r + 1].sequence != row.sequence;
    if (r == 0 || rows[r - 1].sequence != row.sequence) q_lengths.push_back(0);
    ++q_lengths.back();
    if (!ends) continue;
    k_lengths.push_back(row.position + 1);
    for (int64_t t = 0; t <= row.position; ++t) keys.push_back(SlotOf(*row.sequence, t));
  }
  while (static_cast<int64_t>(tokens.size()) < padded_rows) {  // a sequence of no query, and a row that none reads
    tokens.push_back(0);
    positions.push_back(0);
    slots.push_back(blocks_ * kPanel);
    q_lengths.push_back(0);
    k_lengths.push_back(0);
  }
  keys.resize(std::max<int64_t>(padded_keys, keys.size()), blocks_ * kPanel);
  std::vector<int64_t> chosen(outputs.begin(), outputs.end());
  chosen.resize(std::max<int64_t>(padded_rows, chosen.size()), 0);
  return {Longs(tokens, device_), Longs(positions, device_), Longs(slots, device_), Longs(keys, device_),
          Longs(chosen, device_), VarlenBatch(std::move(q_lengths), std::move(k_lengths), device_)};
}

Tensor DeviceModel::Compute(const Inputs& in) {
  const int64_t heads = config_.num_attention_heads, kv_heads = config_.num_key_value_heads, dim = config_.head_dim;
  const Tensor cos = cos_.index_select(0, in.positions), sin = sin_.index_select(0, in.positions);
  const auto times = [](const Tensor& x, const Tensor& weight, const Tensor& bias) {
    return bias.defined() ? torch::addmm(bias, x, weight.t()) : torch::mm(x, weight.t());
  };
  const auto norm_heads = [&](const Tensor& x, const Tensor& weight) {
    return weight.defined() ? RmsNorm(x.reshape({-1, dim}), weight, config_.rms_norm_eps).view(x.sizes()) : x;
  };
  Tensor x = embedding_.index_select(0, in.tokens);
  const int64_t n = x.size(0);
  for (Layer& layer : layers_) {
    const Tensor qkv = times(RmsNorm(x, layer.attention_norm, config_.rms_norm_eps), layer.qkv, layer.qkv_bias);
    const std::vector<Tensor> parts =
        qkv.view({n, heads + 2 * kv_heads, dim}).split_with_sizes({heads, kv_heads, kv_heads}, 1);
    layer.keys.index_copy_(0, in.slots, RotateRows(norm_heads(parts[1], layer.k_norm), cos, sin));
    layer.values.index_copy_(0, in.slots, parts[2].contiguous());
    const Tensor attended = VarlenAttention(RotateRows(norm_heads(parts[0], layer.q_norm), cos, sin),
                                            layer.keys.index_select(0, in.keys),
                                            layer.values.index_select(0, in.keys), in.batch);
    x = x + times(attended.reshape({n, heads * dim}), layer.output, layer.output_bias);
    const Tensor normed = RmsNorm(x, layer.mlp_norm, config_.rms_norm_eps);
    x = x + torch::mm(SwiGlu(torch::mm(normed, layer.gate_up.t())), layer.down.t());
  }
  const Tensor chosen = RmsNorm(x.index_select(0, in.outputs), final_norm_, config_.rms_norm_eps);
  return torch::mm(chosen, unembedding_.t()).to(torch::kFloat);
}

DeviceModel::Captured* DeviceModel::FindCaptured(int64_t rows, int64_t keys, const Inputs& like) {
  const auto [found, is_new] = captured_.try_emplace({rows, keys}, Captured{like, {}, nullptr});
  Captured& captured = found->second;
  if (is_new) {
    captured.inputs.batch.longest_k = max_context_tokens_;
    captured.graph = CudaGraph::Capture(device_.index(), [&] { captured.logits = Compute(captured.inputs); });
  }
  return captured.graph == nullptr ? nullptr : &captured;
}

void DeviceModel::Forward(absl::Span<const Row> rows, absl::Span<const int32_t> outputs) {
  at::NoGradGuard no_gradients;
  host_logits_ = torch::Tensor();
  bool decodes = capture_ && outputs.size() == rows.size();  // then every row is a sequence's last, and only one
  int64_t keys = 0;
  for (size_t r = 0; r < rows.size(); ++r) {
    keys += rows[r].position + 1;
    if (r > 0 && rows[r].sequence == rows[r - 1].sequence) decodes = false;
  }
  if (decodes) {
    const int64_t padded_rows = std::bit_ceil(rows.size());
    const int64_t padded_keys = std::max<int64_t>(kFewestKeys, std::bit_ceil(static_cast<uint64_t>(keys)));
    const Inputs inputs = Prepare(rows, outputs, padded_rows, padded_keys);
    if (Captured* captured = FindCaptured(padded_rows, padded_keys, inputs)) {
      const auto copy = [](Tensor& to, const Tensor& from) { to.copy_(from, /*non_blocking=*/true); };
      copy(captured->inputs.tokens, inputs.tokens);
      copy(captured->inputs.positions, inputs.positions);
      copy(captured->inputs.slots, inputs.slots);
      copy(captured->inputs.keys, inputs.keys);
      copy(captured->inputs.outputs, inputs.outputs);
      copy(captured->inputs.batch.q_ends, inputs.batch.q_ends);
      copy(captured->inputs.batch.k_ends, inputs.batch.k_ends);
      captured->graph->Replay();
      logits_ = captured->logits;
      return;
    }
    capture_ = false;  // it was tried, and said why it cannot be
  }
  logits_ = Compute(Prepare(rows, outputs, 0, 0));
}

absl::Span<const float> DeviceModel::logits(int64_t output) const {
  if (!host_logits_.defined()) host_logits_ = logits_.to(torch::kCPU).contiguous();
  return {host_logits_.const_data_ptr<float>() + output * config_.vocab_size,
          static_cast<size_t>(config_.vocab_size)};
}

bool DeviceModel::Sample(absl::Span<const Draw> draws, std::vector<absl::StatusOr<SampledToken>>* tokens) {
  at::NoGradGuard no_gradients;
  std::vector<int64_t> rows;
  std::vector<double> temperatures, uniforms;
  bool any_greedy = false;
  for (const Draw& draw : draws) {
    rows.push_back(draw.output);
    any_greedy = any_greedy || draw.temperature == 0;
    temperatures.push_back(draw.temperature == 0 ? 1 : draw.temperature);
    uniforms.push_back(draw.uniform);
  }
  const auto column = [&](const std::vector<double>& values) {
    return torch::tensor(values, torch::kDouble).to(device_).unsqueeze(1);
  };
  const Tensor logits = logits_.index_select(0, Longs(rows, device_)).to(torch::kDouble);
  const Tensor own = torch::log_softmax(logits, 1), sampled = torch::log_softmax(logits / column(temperatures), 1);
  const Tensor sums = sampled.exp().cumsum(1);
  Tensor chosen = (sums <= column(uniforms) * sums.slice(1, config_.vocab_size - 1)).sum(1, true);
  chosen = chosen.clamp_max(config_.vocab_size - 1);
  if (any_greedy) {
    std::vector<int64_t> greedy;
    for (const Draw& draw : draws) greedy.push_back(draw.temperature == 0 ? 1 : 0);
    chosen = torch::where(Longs(greedy, device_).unsqueeze(1) == 1, logits.argmax(1, true), chosen);
  }
  const auto host = [](const Tensor& x) { return x.to(torch::kCPU).contiguous(); };
  const Tensor ids = host(chosen), logprobs = host(sampled.gather(1, chosen)), models = host(own.gather(1, chosen));
  for (size_t i = 0; i < draws.size(); ++i) {
    const double model = models.const_data_ptr<double>()[i];
    if (!std::isfinite(model)) {
      tokens->push_back(absl::InternalError("the model's logits are not finite"));
      continue;
    }
    tokens->push_back(SampledToken{static_cast<int32_t>(ids.const_data_ptr<int64_t>()[i]),
                                   static_cast<float>(logprobs.const_data_ptr<double>()[i]),
                                   static_cast<float>(model), {}});
  }
  return true;
}

}  // namespace sojourn::policy
