#include "learner/token_loss.h"

#include <torch/autograd.h>

namespace sojourn::learner {
namespace {

double Sum(const torch::Tensor& values) {
  return values.detach().to(torch::kDouble).sum().item<double>();
}

}  // namespace

TokenLoss ComputeTokenLoss(const TokenLossInputs& in, const TokenLossOptions& options) {
  const torch::Tensor log_ratio = in.logprobs - in.behavior_logprobs;
  const torch::Tensor ratio = log_ratio.exp();
  const torch::Tensor plain = ratio * in.advantages;
  const torch::Tensor clipped =
      ratio.clamp(1 - options.clip_low, 1 + options.clip_high) * in.advantages;
  const torch::Tensor policy = -torch::minimum(plain, clipped) * in.weights;

  TokenLoss loss;
  loss.total = policy.sum();
  loss.policy_loss = Sum(policy);
  loss.clipped = Sum(clipped.lt(plain));
  loss.difference = Sum(log_ratio.abs());
  loss.entropy = Sum(in.entropies);
  if (options.kl_coefficient != 0) {
    const torch::Tensor log_q = in.reference_logprobs - in.logprobs;
    const torch::Tensor kl =
        log_q.expm1() - log_q;  // expm1: exact also where the policies nearly agree
    loss.total = loss.total + options.kl_coefficient * (kl * in.weights).sum();
    loss.kl = Sum(kl);
  }
  if (options.entropy_coefficient != 0) {
    loss.total = loss.total - options.entropy_coefficient * (in.entropies * in.weights).sum();
  }
  return loss;
}

}  // namespace sojourn::learner
