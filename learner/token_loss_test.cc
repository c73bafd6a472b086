#include "learner/token_loss.h"

#include <gtest/gtest.h>
#include <torch/autograd.h>

#include <algorithm>
#include <cmath>

#include "common/random.h"

namespace sojourn::learner {
namespace {

torch::Tensor Doubles(const std::vector<double>& values) {
  return torch::tensor(values, torch::kDouble);
}

TokenLossInputs Inputs(std::vector<double> logprobs, std::vector<double> behavior,
                       std::vector<double> advantages) {
  const size_t n = logprobs.size();
  return {.logprobs = Doubles(logprobs),
          .entropies = Doubles(std::vector<double>(n, 0.5)),
          .behavior_logprobs = Doubles(behavior),
          .reference_logprobs = Doubles(std::vector<double>(n, -1)),
          .advantages = Doubles(advantages),
          .weights = Doubles(std::vector<double>(n, 1.0 / n))};
}

TEST(TokenLoss, AtRatioOneItIsMinusTheMeanAdvantage) {
  const TokenLoss loss =
      ComputeTokenLoss(Inputs({-1, -2}, {-1, -2}, {3, -1}), {.clip_low = .2, .clip_high = .2});
  EXPECT_DOUBLE_EQ(loss.total.item<double>(), -1);
  EXPECT_DOUBLE_EQ(loss.policy_loss, -1);
  EXPECT_DOUBLE_EQ(loss.clipped, 0);
  EXPECT_DOUBLE_EQ(loss.difference, 0);
}

TEST(TokenLoss, ClipsOnlyWhereTheRatioWentFurtherThanItShould) {
  const double up = std::log(1.5), down = std::log(0.5);
  const TokenLossOptions options{.clip_low = .2, .clip_high = .3};
  auto total = [&](double log_ratio, double advantage) {
    return ComputeTokenLoss(Inputs({log_ratio}, {0}, {advantage}), options).total.item<double>();
  };
  EXPECT_DOUBLE_EQ(total(up, 1), -1.3);
  EXPECT_DOUBLE_EQ(total(up, -1), 1.5);
  EXPECT_DOUBLE_EQ(total(down, 1), -0.5);
  EXPECT_DOUBLE_EQ(total(down, -1), 0.8);
  EXPECT_DOUBLE_EQ(ComputeTokenLoss(Inputs({up, up}, {0, 0}, {1, -1}), options).clipped, 1);
}

TEST(TokenLoss, KlIsTheLowVarianceEstimator) {
  const TokenLoss loss = ComputeTokenLoss(Inputs({-1.5}, {-1.5}, {0}), {.kl_coefficient = 2});
  EXPECT_NEAR(loss.kl, std::exp(0.5) - 0.5 - 1, 1e-12);
  EXPECT_NEAR(loss.total.item<double>(), 2 * loss.kl, 1e-12);
}

TEST(TokenLoss, TheEntropyBonusIsSubtracted) {
  const TokenLoss loss = ComputeTokenLoss(Inputs({-1}, {-1}, {0}), {.entropy_coefficient = 0.1});
  EXPECT_DOUBLE_EQ(loss.total.item<double>(), -0.05);
  EXPECT_DOUBLE_EQ(loss.entropy, 0.5);
}

TEST(TokenLoss, GradientIsTheClosedFormAndTheFiniteDifference) {
  constexpr int kTokens = 40;
  const uint64_t seed = 11;
  Random random{RandomKey(seed)};
  SCOPED_TRACE(seed);
  auto values = [&](double low, double high) {
    std::vector<double> v(kTokens);
    for (double& x : v) x = low + (high - low) * random.Uniform();
    return v;
  };
  const std::vector<double> logprobs = values(-2, -0.1), behavior = values(-2, -0.1),
                            a = values(-2, 2), reference = values(-2, -0.1),
                            weights = values(0, 0.1);
  const TokenLossOptions options{.clip_low = .2, .clip_high = .28, .kl_coefficient = .05};
  auto loss_at = [&](const torch::Tensor& p) {
    return ComputeTokenLoss({.logprobs = p,
                             .entropies = torch::zeros_like(p),
                             .behavior_logprobs = Doubles(behavior),
                             .reference_logprobs = Doubles(reference),
                             .advantages = Doubles(a),
                             .weights = Doubles(weights)},
                            options)
        .total;
  };
  torch::Tensor p = Doubles(logprobs).set_requires_grad(true);
  loss_at(p).backward();
  const double h = 1e-6;
  for (int i = 0; i < kTokens; ++i) {
    const double ratio = std::exp(logprobs[i] - behavior[i]);
    const bool flat = (a[i] > 0 && ratio > 1.28) || (a[i] < 0 && ratio < 0.8);
    const double closed = weights[i] * ((flat ? 0 : -ratio * a[i]) +
                                        0.05 * (1 - std::exp(reference[i] - logprobs[i])));
    std::vector<double> above = logprobs, below = logprobs;
    above[i] += h;
    below[i] -= h;
    const double difference =
        (loss_at(Doubles(above)).item<double>() - loss_at(Doubles(below)).item<double>()) / (2 * h);
    EXPECT_NEAR(p.grad()[i].item<double>(), closed, 1e-10);
    EXPECT_NEAR(difference, closed, 1e-7);
  }
}

}  // namespace
}  // namespace sojourn::learner
