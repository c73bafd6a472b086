// The forward pass by our own kernels: weights packed for them, rows of any number of episodes at
// once. No autograd, and no memory allocated after the first passes.
#ifndef SOJOURN_POLICY_ENGINE_MODEL_H_
#define SOJOURN_POLICY_ENGINE_MODEL_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "policy/forward_pass.h"
#include "policy/kernels_formats.h"
#include "policy/kernels_memory.h"
#include "policy/model_kernels.h"
#include "policy/rotary.h"
#include "policy/thread_pool.h"

namespace sojourn::policy {

class EngineModel : public ForwardPass, private KvMemory {
 public:
  EngineModel(const Model& model, WeightFormat format, int64_t max_rows, int64_t max_context_tokens,
              ThreadPool& pool);

  const ModelConfig& config() const override { return config_; }
  void SetWeights(const Model& model) override;
  KvMemory& kv_memory() override { return *this; }
  void Forward(absl::Span<const Row> rows, absl::Span<const int32_t> outputs) override;
  absl::Span<const float> logits(int64_t output) const override {
    return {logits_.data() + output * RoundUp(config_.vocab_size, kPanel),
            static_cast<size_t>(config_.vocab_size)};
  }

 private:
  static constexpr int64_t kPieceRows = 8;  // of one piece of work between products

  struct Matrix {
    int64_t k = 0, n = 0;
    Bytes packed;
    std::vector<float> bias;  // [n], or none
  };
  struct Layer {
    std::vector<float> attention_norm, mlp_norm;
    std::vector<float> q_norm, k_norm;  // [head_dim], or none
    Matrix qkv, output, down;
    Matrix gate_up;  // each panel: 16 of the gates, then the 16 that they let through
  };
  // Up to kSpanRows rows of one sequence, which attend together.
  struct Span {
    int64_t first, count;
  };

  void Pack(const std::vector<torch::Tensor>& weights, Matrix& matrix);
  // c[rows, n] (+)= x[rows, k] matrix + bias, x being in input_.
  void Multiply(int64_t rows, const Matrix& matrix, float* c, int64_t ldc, bool accumulate);
  // activated_ = silu(gate) * up. What is not yet multiplied stays in a thread's cache.
  void MultiplyGated(int64_t rows, const Matrix& gate_up);
  // work(first panel, panels, thread) for all panels, at most `most` at a time.
  template <typename Work>
  void ForPanels(const Matrix& matrix, int64_t most, const Work& work);
  // work(first row, rows, thread) for all rows, at most `most` at a time.
  template <typename Work>
  void ForRows(int64_t rows, const Work& work, int64_t most = kPieceRows);
  // Norms the heads, and writes keys and values to the cache.
  void Store(absl::Span<const Row> rows, int64_t layer);
  void Attend(absl::Span<const Row> rows, int64_t layer);
  void FindSpans(absl::Span<const Row> rows);
  // Leaves the chosen ones of the rows, of x_ and of qkv_.
  absl::Span<const Row> Choose(absl::Span<const Row> rows, absl::Span<const int32_t> outputs);

  int64_t Grow() override;
  void Copy(int32_t from, int32_t to) override;
  void Clear(int32_t block) override;
  std::byte* Block(int32_t block, int64_t layer) {
    return slabs_[block / slab_blocks_].data() +
           (block % slab_blocks_ * static_cast<int64_t>(layers_.size()) + layer) * block_bytes_;
  }

  const Kernels& kernels_;
  const FormatKernels& products_;
  const WeightFormat format_;
  const ModelConfig config_;
  const RotaryTable angles_;
  const AttentionShape shape_;
  ThreadPool& pool_;
  std::vector<Layer> layers_;
  const int64_t block_bytes_;  // of one layer's part of a cache block
  const int64_t slab_blocks_;  // blocks whose memory is taken together
  std::vector<Bytes> slabs_;
  std::vector<float> embedding_, final_norm_;
  Matrix unembedding_;
  // Activations of one pass, [max_rows, ...]; `x_` is the residual stream. Rows are padded to
  // panels. `input_` is what the next product reads.
  std::vector<float> x_, qkv_, attended_, activated_, logits_;
  Bytes input_;
  std::vector<Span> spans_;
  std::vector<Row> chosen_;
  struct Scratch {
    std::vector<float> rows;     // a few rows of activations
    std::vector<float> gate_up;  // a few panels of all rows
    Bytes attention;
    std::vector<const std::byte*> blocks;
  };
  std::vector<Scratch> scratch_;  // per thread
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_ENGINE_MODEL_H_
