#include "policy/engine_model.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace sojourn::policy {
namespace {

torch::Tensor Plain(const torch::Tensor& weight) {
  return weight.detach().to(torch::kCPU, torch::kFloat).contiguous();
}

std::vector<float> Values(const torch::Tensor& weight) {
  const torch::Tensor plain = Plain(weight);
  const float* from = plain.const_data_ptr<float>();
  return {from, from + plain.numel()};
}

// The weights [n_i, k] one below the other, as one packed matrix.
std::vector<float> Packed(const std::vector<torch::Tensor>& weights) {
  std::vector<torch::Tensor> plain;
  for (const torch::Tensor& weight : weights) plain.push_back(Plain(weight));
  const torch::Tensor all = torch::cat(plain);
  std::vector<float> packed(RoundUp(all.size(0), kPanel) * all.size(1));
  PackPanels(all.const_data_ptr<float>(), all.size(0), all.size(1), packed.data());
  return packed;
}

}  // namespace

EngineModel::EngineModel(const Model& model, int64_t max_rows, int64_t max_context_tokens)
    : kernels_(CpuKernels()),
      config_(model.config()),
      angles_(config_, max_context_tokens),
      shape_{config_.num_attention_heads, config_.num_key_value_heads, config_.head_dim,
             angles_.cos.data(), angles_.sin.data()},
      layers_(config_.num_hidden_layers),
      x_(max_rows * RoundUp(config_.hidden_size, kPanel)),
      normed_(max_rows * config_.hidden_size),
      qkv_(max_rows * RoundUp(shape_.row(), kPanel)),
      attended_(max_rows * shape_.heads * shape_.head_dim),
      gate_up_(max_rows * RoundUp(2 * config_.intermediate_size, kPanel)),
      inner_(max_rows * config_.intermediate_size),
      scratch_(RoundUp(max_context_tokens, kPanel) + 2 * ValueWidth(config_.head_dim)),
      blocks_(RoundUp(max_context_tokens, kPanel) / kPanel) {
  SetWeights(model);
}

void EngineModel::SetWeights(const Model& model) {
  const Weights& weights = model.weights();
  for (size_t i = 0; i < layers_.size(); ++i) {
    const auto get = [&](const char* name) {
      return weights.at(absl::StrCat("model.layers.", i, ".", name));
    };
    Layer& layer = layers_[i];
    layer.attention_norm = Values(get("input_layernorm.weight"));
    layer.qkv = Packed({get("self_attn.q_proj.weight"), get("self_attn.k_proj.weight"),
                        get("self_attn.v_proj.weight")});
    layer.output = Packed({get("self_attn.o_proj.weight")});
    layer.mlp_norm = Values(get("post_attention_layernorm.weight"));
    layer.gate_up = Packed({get("mlp.gate_proj.weight"), get("mlp.up_proj.weight")});
    layer.down = Packed({get("mlp.down_proj.weight")});
  }
  embedding_ = Values(weights.at("model.embed_tokens.weight"));
  final_norm_ = Values(weights.at("model.norm.weight"));
  unembedding_ = Packed(
      {weights.at(config_.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight")});
}

int64_t EngineModel::kv_block_floats() const {
  return KvBlockFloats(shape_.kv_heads, shape_.head_dim);
}

void EngineModel::Forward(absl::Span<const Row> rows, absl::Span<const int32_t> outputs,
                          KvCache& cache) {
  const int64_t n = rows.size(), hidden = config_.hidden_size, inner = config_.intermediate_size;
  const int64_t ldx = RoundUp(hidden, kPanel), ld_qkv = RoundUp(shape_.row(), kPanel);
  const int64_t ld_gate_up = RoundUp(2 * inner, kPanel), heads = shape_.heads * shape_.head_dim;
  const float epsilon = static_cast<float>(config_.rms_norm_eps);

  for (int64_t r = 0; r < n; ++r) {
    const float* from = embedding_.data() + rows[r].token * hidden;
    std::fill(std::copy(from, from + hidden, x_.data() + r * ldx), x_.data() + (r + 1) * ldx, 0.0f);
  }
  for (size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    kernels_.rms_norm(n, hidden, epsilon, x_.data(), ldx, layer.attention_norm.data(),
                      normed_.data(), nullptr);
    kernels_.product(n, hidden, shape_.row(), normed_.data(), hidden, layer.qkv.data(), qkv_.data(),
                     ld_qkv, false);
    for (int64_t r = 0; r < n; ++r) {
      const Row& row = rows[r];
      kernels_.store_kv(shape_, row.position, qkv_.data() + r * ld_qkv,
                        cache.Block(row.sequence->blocks[row.position / kPanel], l));
    }
    for (int64_t r = 0; r < n; ++r) {
      const Row& row = rows[r];
      for (int64_t b = 0; b <= row.position / kPanel; ++b) {
        blocks_[b] = cache.Block(row.sequence->blocks[b], l);
      }
      kernels_.attend(shape_, row.position, qkv_.data() + r * ld_qkv, blocks_.data(),
                      attended_.data() + r * heads, scratch_.data());
    }
    kernels_.product(n, heads, hidden, attended_.data(), heads, layer.output.data(), x_.data(), ldx,
                     true);
    kernels_.rms_norm(n, hidden, epsilon, x_.data(), ldx, layer.mlp_norm.data(), normed_.data(),
                      nullptr);
    kernels_.product(n, hidden, 2 * inner, normed_.data(), hidden, layer.gate_up.data(),
                     gate_up_.data(), ld_gate_up, false);
    kernels_.swiglu(n, inner, gate_up_.data(), ld_gate_up, inner_.data());
    kernels_.product(n, inner, hidden, inner_.data(), inner, layer.down.data(), x_.data(), ldx,
                     true);
  }
  const int64_t chosen = outputs.size(), ld_logits = RoundUp(config_.vocab_size, kPanel);
  if (static_cast<int64_t>(logits_.size()) < chosen * ld_logits) logits_.resize(chosen * ld_logits);
  for (int64_t i = 0; i < chosen; ++i) {
    kernels_.rms_norm(1, hidden, epsilon, x_.data() + outputs[i] * ldx, ldx, final_norm_.data(),
                      normed_.data() + i * hidden, nullptr);
  }
  kernels_.product(chosen, hidden, config_.vocab_size, normed_.data(), hidden, unembedding_.data(),
                   logits_.data(), ld_logits, false);
}

}  // namespace sojourn::policy
