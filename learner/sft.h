// Supervised training from scratch: the warm start that gives a small policy something to improve.
#ifndef SOJOURN_LEARNER_SFT_H_
#define SOJOURN_LEARNER_SFT_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "policy/model.h"

namespace sojourn::learner {

// weights[i] is the cross-entropy's weight at predicting tokens[i] from those before it: 1 on what
// the policy should say, 0 elsewhere (where lm_weight counts instead). The first token is never
// predicted.
struct SupervisedSequence {
  std::vector<int32_t> tokens;
  std::vector<float> weights;
};

struct SupervisedOptions {
  uint32_t steps = 1600;
  uint32_t tokens_per_step = 2560;    // a step takes whole sequences until it has this many
  double muon_learning_rate = 0.02;   // of matrices
  double adamw_learning_rate = 3e-3;  // of embeddings and norms
  double lm_weight = 0.5;  // least weight of any token: learns the language of observations too
  double decay_fraction = 0.4;     // of the steps: the last ones, over which the rates fall to 0
  double max_gradient_norm = 1.0;  // 0: no clipping
  uint64_t seed = 0;               // keys the order of the sequences
};

struct SupervisedProgress {
  uint32_t step = 0;    // done so far
  double loss = 0;      // of this step: weighted mean, nats per token
  uint64_t tokens = 0;  // read so far
};

// Trains `model`'s weights (fp32) in place. Every epoch shuffles the data anew; the same inputs
// give the same weights at one thread. InvalidArgument names the sequence at fault.
absl::Status TrainSupervised(policy::Model& model, absl::Span<const SupervisedSequence> data,
                             const SupervisedOptions& options,
                             const std::function<void(const SupervisedProgress&)>& progress);

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_SFT_H_
