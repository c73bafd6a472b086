// Gradients and what makes steps of them. All state is fp32, kept by weight name, and saved and
// restored bit for bit.
#ifndef SOJOURN_LEARNER_OPTIMIZER_H_
#define SOJOURN_LEARNER_OPTIMIZER_H_

#include <torch/types.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "learner/collective.h"
#include "learner/optimizer_kernels.h"
#include "policy/model.h"

namespace sojourn::learner {

// The gradients of all weights in one buffer, in the weights' order: ranks add it up in one call.
class Gradients {
 public:
  // Makes `weights` (fp32 leaves) require gradients, which backward passes then add up in the
  // buffer.
  explicit Gradients(policy::Weights& weights);

  void Zero();
  absl::Span<float> values();  // on the CPU
  // Adds up all ranks' gradients; from a GPU by way of the host's memory.
  absl::Status Reduce(Collective& collective, absl::Duration timeout);
  // Scales the gradients so that their norm over all weights is at most `max_norm` (0: no limit).
  // Returns the norm before; a norm that is not finite is returned without scaling.
  double ClipNorm(double max_norm);

 private:
  torch::Tensor flat_;
};

// One step of one weight by LibTorch's operations, where the kernel does not reach: the same formula.
void TakeAdamWStep(const AdamWStep& step, const torch::Tensor& gradient, torch::Tensor weight, torch::Tensor first,
                   torch::Tensor second);

// Weight decay is for matrices that mix features; norms' vectors and embedding tables are left
// alone.
bool Decays(const std::string& name, const torch::Tensor& weight);

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;  // where Decays()
};

// AdamW, Loshchilov and Hutter, 1711.05101, algorithm 2: with bias correction, decay decoupled from
// the gradient and scaled by the learning rate.
class AdamW {
 public:
  AdamW(policy::Weights weights, AdamWOptions options);  // shares the weights' tensors
  void Step(double learning_rate);                       // along the weights' present gradients

  uint64_t steps() const { return steps_; }
  policy::Weights Export() const;  // copies: "exp_avg/NAME", "exp_avg_sq/NAME"
  absl::Status Restore(const policy::Weights& state,
                       uint64_t steps);  // InvalidArgument: of other weights

 private:
  policy::Weights weights_;
  AdamWOptions options_;
  policy::Weights first_, second_;  // moments
  uint64_t steps_ = 0;
};

// Muon (Keller Jordan, 2024, kellerjordan.github.io/posts/muon), for matrices only: the step is the
// Nesterov momentum of the gradient with its singular values pushed towards 1 by five Newton-Schulz
// steps, times sqrt(max(1, rows / columns)).
class Muon {
 public:
  explicit Muon(policy::Weights matrices, double momentum = 0.95);
  void Step(double learning_rate);

 private:
  policy::Weights weights_;
  double momentum_;
  policy::Weights momenta_;
};

// X such that X ~ U V^T for matrix = U S V^T: singular values end between about 0.7 and 1.2.
torch::Tensor Orthogonalize(const torch::Tensor& matrix);

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_OPTIMIZER_H_
