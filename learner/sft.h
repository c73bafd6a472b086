// Supervised training: the warm start that gives a policy something to improve.
#ifndef SOJOURN_LEARNER_SFT_H_
#define SOJOURN_LEARNER_SFT_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "learner/trainable.h"

namespace sojourn::learner {

// weights[i] is the cross-entropy's weight at predicting tokens[i] from those before it. The first
// token is never predicted.
struct SupervisedSequence {
  std::vector<int32_t> tokens;
  std::vector<float> weights;
};

struct SupervisedOptions {
  uint32_t steps = 1600;
  uint32_t tokens_per_step = 2560;    // a step takes whole sequences until it has this many
  uint32_t microbatch_tokens = 8192;  // of a step, in one forward and backward pass
  double muon_learning_rate = 0.02;   // of matrices; 0: AdamW steps them too
  double adamw_learning_rate = 3e-3;  // of embeddings and norms
  uint32_t warmup_steps = 0;          // over which the rates rise from 0
  double decay_fraction = 0.4;     // of the steps: the last ones, over which the rates fall to 0
  double max_gradient_norm = 1.0;  // 0: no clipping
  bool recompute_activations = false;  // less memory, a third more work
  uint64_t seed = 0;               // keys the order of the sequences
};

struct SupervisedProgress {
  uint32_t step = 0;    // done so far
  double loss = 0;      // of this step: weighted mean, nats per token
  uint64_t tokens = 0;  // read so far
};

// Trains the parameters in place. Every epoch shuffles the data anew; the same inputs give the same
// parameters at one thread. What sequences of a pass begin with alike (instructions, say) is read
// once for all of them. InvalidArgument names the sequence at fault.
absl::Status TrainSupervised(Trainable& trainable, absl::Span<const SupervisedSequence> data,
                             const SupervisedOptions& options,
                             const std::function<void(const SupervisedProgress&)>& progress);

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_SFT_H_
