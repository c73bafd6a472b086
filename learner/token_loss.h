// The loss that all algorithms share, on one micro-batch's generated tokens.
//
// Per token, with r = p(token) / p_actor(token) and advantage A:
//   policy    -min(r A, clip(r, 1 - clip_low, 1 + clip_high) A)      (PPO, 1707.06347, eq. 7)
//   KL        kl_coefficient (q - log q - 1), q = p_starting policy / p   (k3; DeepSeekMath, eq. 4)
//   entropy   -entropy_coefficient H(p)
// The loss is the sum over tokens times their weights. The weights hold the normalization (1 /
// tokens of the whole minibatch on all ranks, say), so that sums over micro-batches and ranks are
// the exact loss and gradient of the minibatch.
#ifndef SOJOURN_LEARNER_TOKEN_LOSS_H_
#define SOJOURN_LEARNER_TOKEN_LOSS_H_

#include <torch/types.h>

namespace sojourn::learner {

struct TokenLossOptions {
  double clip_low = 0;
  double clip_high = 0;
  double kl_coefficient = 0;  // 0: `reference` is not read
  double entropy_coefficient = 0;
};

struct TokenLossInputs {              // all [tokens], fp32
  torch::Tensor logprobs, entropies;  // of the policy in training: differentiable
  torch::Tensor behavior_logprobs, reference_logprobs;
  torch::Tensor advantages, weights;
};

struct TokenLoss {
  torch::Tensor total;     // [], to be minimized
  double policy_loss = 0;  // weighted, as in `total`
  // Plain sums over the tokens:
  double kl = 0, entropy = 0, clipped = 0;
  double difference = 0;  // |log p - log p_actor|
};

TokenLoss ComputeTokenLoss(const TokenLossInputs& inputs, const TokenLossOptions& options);

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_TOKEN_LOSS_H_
