#include "policy/engine_model.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace sojourn::policy {
namespace {

constexpr int64_t kManyRows = 64;         // of which a block's tokens are stored together
constexpr int64_t kSpanRows = 32;         // tokens of a sequence that attend in one piece
constexpr int64_t kPieceBytes = 1 << 15;  // weights of a product's piece, at least about
constexpr int64_t kPieces = 8;            // per thread of a large product
constexpr int64_t kGatedPanels = 4;       // of a piece at most
constexpr int64_t kGates = kPanel / 2;

torch::Tensor Plain(const torch::Tensor& weight) {
  return weight.detach().to(torch::kCPU, torch::kFloat).contiguous();
}

std::vector<float> Values(const torch::Tensor& weight) {
  const torch::Tensor plain = Plain(weight);
  const float* from = plain.const_data_ptr<float>();
  return {from, from + plain.numel()};
}

}  // namespace

EngineModel::EngineModel(const Model& model, WeightFormat format, int64_t max_rows,
                         int64_t max_context_tokens, ThreadPool& pool)
    : kernels_(CpuKernels()),
      products_(CpuKernels(format)),
      format_(format),
      config_(model.config()),
      angles_(config_, max_context_tokens),
      shape_{config_.num_attention_heads, config_.num_key_value_heads, config_.head_dim,
             angles_.cos.data(), angles_.sin.data()},
      pool_(pool),
      layers_(config_.num_hidden_layers),
      block_bytes_(shape_.kv_heads * products_.kv_head_bytes(shape_.head_dim)),
      slab_blocks_(
          std::max<int64_t>(1, 2 * kHugePage / (config_.num_hidden_layers * block_bytes_))),
      x_(max_rows * RoundUp(config_.hidden_size, kPanel)),
      qkv_(max_rows * RoundUp(shape_.row(), kPanel)),
      attended_(max_rows * shape_.heads * shape_.head_dim),
      activated_(max_rows * RoundUp(config_.intermediate_size, kGates)),
      scratch_(pool.threads()) {
  const int64_t widest =
      std::max({config_.hidden_size, shape_.heads * shape_.head_dim, config_.intermediate_size});
  input_ = Bytes(max_rows * products_.input_bytes(widest));
  for (Scratch& scratch : scratch_) {
    scratch.rows.resize(kPieceRows * widest);
    scratch.gate_up.resize(max_rows * kGatedPanels * kPanel);
    scratch.attention = Bytes(products_.attend_scratch(config_.head_dim, max_context_tokens));
    scratch.blocks.resize(RoundUp(max_context_tokens, kPanel) / kPanel);
  }
  SetWeights(model);
}

void EngineModel::SetWeights(const Model& model) {
  const Weights& weights = model.weights();
  for (size_t i = 0; i < layers_.size(); ++i) {
    const auto get = [&](const char* name) {
      return weights.at(absl::StrCat("model.layers.", i, ".", name));
    };
    const auto values = [&](bool has, const std::vector<const char*>& names) {
      std::vector<float> all;
      for (size_t j = 0; has && j < names.size(); ++j) {
        const std::vector<float> part = Values(get(names[j]));
        all.insert(all.end(), part.begin(), part.end());
      }
      return all;
    };
    Layer& layer = layers_[i];
    layer.attention_norm = Values(get("input_layernorm.weight"));
    Pack({get("self_attn.q_proj.weight"), get("self_attn.k_proj.weight"),
          get("self_attn.v_proj.weight")},
         layer.qkv);
    layer.qkv.bias = values(config_.qkv_bias, {"self_attn.q_proj.bias", "self_attn.k_proj.bias",
                                               "self_attn.v_proj.bias"});
    layer.q_norm = values(config_.qk_norm, {"self_attn.q_norm.weight"});
    layer.k_norm = values(config_.qk_norm, {"self_attn.k_norm.weight"});
    Pack({get("self_attn.o_proj.weight")}, layer.output);
    layer.output.bias = values(config_.output_bias, {"self_attn.o_proj.bias"});
    layer.mlp_norm = Values(get("post_attention_layernorm.weight"));
    const auto gates = [&](const char* name) {  // [groups, kGates, hidden]
      const int64_t missing = (kGates - config_.intermediate_size % kGates) % kGates;
      return torch::constant_pad_nd(Plain(get(name)), {0, 0, 0, missing})
          .view({-1, kGates, config_.hidden_size});
    };
    Pack(
        {torch::cat({gates("mlp.gate_proj.weight"), gates("mlp.up_proj.weight")}, 1).flatten(0, 1)},
        layer.gate_up);
    Pack({get("mlp.down_proj.weight")}, layer.down);
  }
  embedding_ = Values(weights.at("model.embed_tokens.weight"));
  final_norm_ = Values(weights.at("model.norm.weight"));
  Pack({weights.at(config_.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight")},
       unembedding_);
}

// The weights [n_i, k] one below the other, as one matrix.
void EngineModel::Pack(const std::vector<torch::Tensor>& weights, Matrix& matrix) {
  const torch::Tensor all = Plain(torch::cat(weights));
  matrix.n = all.size(0);
  matrix.k = all.size(1);
  const int64_t bytes = PanelBytes(format_, matrix.k), panels = RoundUp(matrix.n, kPanel) / kPanel;
  if (matrix.packed.size() == 0) matrix.packed = Bytes(panels * bytes);
  const float* const values = all.const_data_ptr<float>();
  pool_.For(panels, [&](int64_t panel, int) {
    const int64_t first = panel * kPanel;
    PackWeights(format_, values + first * matrix.k, std::min(kPanel, matrix.n - first), matrix.k,
                matrix.packed.data() + panel * bytes);
  });
}

int64_t EngineModel::Grow() {
  slabs_.emplace_back(slab_blocks_ * static_cast<int64_t>(layers_.size()) * block_bytes_);
  return slab_blocks_;
}

void EngineModel::Copy(int32_t from, int32_t to) {
  std::memcpy(Block(to, 0), Block(from, 0), layers_.size() * block_bytes_);
}

void EngineModel::Clear(int32_t block) {  // the padding is read, if only to be weighed by zero
  std::memset(Block(block, 0), 0, layers_.size() * block_bytes_);
}

template <typename Work>
void EngineModel::ForPanels(const Matrix& matrix, int64_t most, const Work& work) {
  const int64_t panels = RoundUp(matrix.n, kPanel) / kPanel;
  const int64_t few = kPieceBytes / PanelBytes(format_, matrix.k);
  const int64_t per_piece = std::clamp<int64_t>(panels / (kPieces * pool_.threads()),
                                                std::clamp<int64_t>(few, 1, most), most);
  pool_.For(RoundUp(panels, per_piece) / per_piece, [&](int64_t piece, int thread) {
    const int64_t first = piece * per_piece;
    work(first, std::min(per_piece, panels - first), thread);
  });
}

void EngineModel::Multiply(int64_t rows, const Matrix& matrix, float* c, int64_t ldc,
                           bool accumulate) {
  const int64_t bytes = PanelBytes(format_, matrix.k);
  ForPanels(matrix, matrix.n, [&](int64_t first, int64_t count, int) {
    const int64_t end = std::min((first + count) * kPanel, matrix.n);
    const bool biased = !matrix.bias.empty();
    for (int64_t r = 0; r < rows && biased; ++r) {
      for (int64_t column = first * kPanel; column < end; ++column) {
        float& to = c[r * ldc + column];
        to = (accumulate ? to : 0) + matrix.bias[column];
      }
    }
    products_.product(rows, matrix.k, count * kPanel, input_.data(),
                      matrix.packed.data() + first * bytes, c + first * kPanel, ldc,
                      accumulate || biased);
  });
}

void EngineModel::MultiplyGated(int64_t rows, const Matrix& gate_up) {
  const int64_t bytes = PanelBytes(format_, gate_up.k), ld = gate_up.n / 2;
  ForPanels(gate_up, kGatedPanels, [&](int64_t first, int64_t count, int thread) {
    float* const c = scratch_[thread].gate_up.data();
    products_.product(rows, gate_up.k, count * kPanel, input_.data(),
                      gate_up.packed.data() + first * bytes, c, count * kPanel, false);
    for (int64_t p = 0; p < count; ++p) {
      kernels_.swiglu(rows, kGates, c + p * kPanel, count * kPanel,
                      activated_.data() + (first + p) * kGates, ld);
    }
  });
}

template <typename Work>
void EngineModel::ForRows(int64_t rows, const Work& work, int64_t most) {
  pool_.For(RoundUp(rows, most) / most, [&](int64_t piece, int thread) {
    const int64_t first = piece * most;
    work(first, std::min(most, rows - first), thread);
  });
}

void EngineModel::Store(absl::Span<const Row> rows, int64_t layer) {
  const int64_t ld_qkv = RoundUp(shape_.row(), kPanel), dim = shape_.head_dim;
  const auto norm = [&](const std::vector<float>& weight, int64_t heads, float* x) {
    if (weight.empty()) return;
    kernels_.rms_norm(heads, dim, static_cast<float>(config_.rms_norm_eps), x, dim, weight.data(),
                      x, nullptr);
  };
  const int64_t n = rows.size();
  const auto store = [&](int64_t first, int64_t count, int) {
    for (int64_t r = first; r < first + count; ++r) {
      float* const qkv = qkv_.data() + r * ld_qkv;
      norm(layers_[layer].q_norm, shape_.heads, qkv);
      norm(layers_[layer].k_norm, shape_.kv_heads, qkv + shape_.heads * dim);
      products_.store_kv(shape_, rows[r].position, qkv,
                         Block(rows[r].sequence->blocks[rows[r].position / kPanel], layer));
    }
  };
  ForRows(n, store, n < kManyRows ? kPieceRows : kPanel);  // tokens of a block share cache lines
}

void EngineModel::Attend(absl::Span<const Row> rows, int64_t layer) {
  const int64_t ld_qkv = RoundUp(shape_.row(), kPanel), heads = shape_.heads * shape_.head_dim;
  pool_.For(spans_.size() * shape_.kv_heads, [&](int64_t piece, int thread) {
    const Span& span = spans_[piece / shape_.kv_heads];
    const Row& row = rows[span.first];
    Scratch& scratch = scratch_[thread];
    for (int64_t b = 0; b <= (row.position + span.count - 1) / kPanel; ++b) {
      scratch.blocks[b] = Block(row.sequence->blocks[b], layer);
    }
    products_.attend(shape_, piece % shape_.kv_heads, row.position, span.count,
                     qkv_.data() + span.first * ld_qkv, ld_qkv, scratch.blocks.data(),
                     attended_.data() + span.first * heads, heads, scratch.attention.data());
  });
}

void EngineModel::FindSpans(absl::Span<const Row> rows) {
  spans_.clear();
  for (int64_t r = 0; r < static_cast<int64_t>(rows.size()); ++r) {
    const bool joins = !spans_.empty() && spans_.back().count < kSpanRows &&
                       rows[spans_.back().first].sequence == rows[r].sequence;
    if (joins) {
      ++spans_.back().count;
    } else {
      spans_.push_back({r, 1});
    }
  }
}

absl::Span<const ForwardPass::Row> EngineModel::Choose(absl::Span<const Row> rows,
                                                       absl::Span<const int32_t> outputs) {
  const int64_t ldx = RoundUp(config_.hidden_size, kPanel), ld_qkv = RoundUp(shape_.row(), kPanel);
  chosen_.clear();
  for (const int32_t row : outputs) {
    const int64_t to = chosen_.size();
    if (to < row) {
      std::copy_n(x_.data() + row * ldx, ldx, x_.data() + to * ldx);
      std::copy_n(qkv_.data() + row * ld_qkv, ld_qkv, qkv_.data() + to * ld_qkv);
    }
    chosen_.push_back(rows[row]);
  }
  FindSpans(chosen_);
  return chosen_;
}

void EngineModel::Forward(absl::Span<const Row> rows, absl::Span<const int32_t> outputs) {
  int64_t n = rows.size();
  const int64_t hidden = config_.hidden_size, inner = config_.intermediate_size;
  const int64_t ldx = RoundUp(hidden, kPanel), ld_qkv = RoundUp(shape_.row(), kPanel);
  const int64_t ld_activated = RoundUp(inner, kGates), heads = shape_.heads * shape_.head_dim;
  const float epsilon = static_cast<float>(config_.rms_norm_eps);

  FindSpans(rows);
  const auto prepare = [&](int64_t first, int64_t count, int64_t k, const float* x, int64_t ld) {
    products_.prepare(count, k, x, ld, input_.data() + first * products_.input_bytes(k));
  };
  const auto norm = [&](const std::vector<float>& weight) {
    ForRows(n, [&](int64_t first, int64_t count, int thread) {
      float* const normed = scratch_[thread].rows.data();
      kernels_.rms_norm(count, hidden, epsilon, x_.data() + first * ldx, ldx, weight.data(), normed,
                        nullptr);
      prepare(first, count, hidden, normed, hidden);
    });
  };

  for (int64_t r = 0; r < n; ++r) {
    const float* from = embedding_.data() + rows[r].token * hidden;
    std::fill(std::copy(from, from + hidden, x_.data() + r * ldx), x_.data() + (r + 1) * ldx, 0.0f);
  }
  for (size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    norm(layer.attention_norm);
    Multiply(n, layer.qkv, qkv_.data(), ld_qkv, false);
    Store(rows, l);
    if (l + 1 == layers_.size()) {  // beyond their keys and values, the other rows are done
      rows = Choose(rows, outputs);
      n = rows.size();
    }
    Attend(rows, l);
    ForRows(n, [&](int64_t first, int64_t count, int) {
      prepare(first, count, heads, attended_.data() + first * heads, heads);
    });
    Multiply(n, layer.output, x_.data(), ldx, true);
    norm(layer.mlp_norm);
    MultiplyGated(n, layer.gate_up);
    ForRows(n, [&](int64_t first, int64_t count, int) {
      prepare(first, count, inner, activated_.data() + first * ld_activated, ld_activated);
    });
    Multiply(n, layer.down, x_.data(), ldx, true);
  }
  const int64_t ld_logits = RoundUp(config_.vocab_size, kPanel);
  if (static_cast<int64_t>(logits_.size()) < n * ld_logits) logits_.resize(n * ld_logits);
  norm(final_norm_);
  Multiply(n, unembedding_, logits_.data(), ld_logits, false);
}

}  // namespace sojourn::policy
