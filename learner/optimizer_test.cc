#include "learner/optimizer.h"

#include <gtest/gtest.h>
#include <torch/autograd.h>

#include <cmath>

#include "common/random.h"

namespace sojourn::learner {
namespace {

policy::Weights SomeWeights() {
  return {{"model.layers.0.mlp.up_proj.weight", torch::tensor({{1.0f, -2.0f}, {0.5f, 3.0f}})},
          {"model.norm.weight", torch::tensor({1.0f, 0.25f})}};
}
void SetGradient(policy::Weights& weights, float scale) {
  float next = scale;
  for (auto& [name, weight] : weights) {
    weight.mutable_grad().copy_(
        torch::arange(weight.numel()).view_as(weight).mul(0.3f * scale).add(next));
    next = -next;
  }
}

// The textbook's recurrence for one number, in double.
struct ScalarAdamW {
  double w, m = 0, v = 0;
  void Step(double g, double rate, double decay, int t) {
    m = 0.9 * m + 0.1 * g;
    v = 0.95 * v + 0.05 * g * g;
    const double m_hat = m / (1 - std::pow(0.9, t)), v_hat = v / (1 - std::pow(0.95, t));
    w -= rate * (m_hat / (std::sqrt(v_hat) + 1e-8) + decay * w);
  }
};

TEST(AdamW, FollowsTheRecurrenceAndDecaysMatricesOnly) {
  policy::Weights weights = SomeWeights();
  Gradients gradients(weights);
  AdamW adamw(weights, {.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1});
  std::vector<ScalarAdamW> expected;
  for (const auto& [name, weight] : weights) {
    for (int i = 0; i < weight.numel(); ++i)
      expected.push_back({weight.detach().flatten()[i].item<float>()});
  }
  for (int t = 1; t <= 5; ++t) {
    SetGradient(weights, t % 2 == 0 ? -0.7f : 1.1f);
    adamw.Step(0.05);
    size_t k = 0;
    for (const auto& [name, weight] : weights) {
      for (int i = 0; i < weight.numel(); ++i, ++k) {
        expected[k].Step(weight.grad().flatten()[i].item<float>(), 0.05,
                         weight.dim() == 2 ? 0.1 : 0, t);
        EXPECT_NEAR(weight.detach().flatten()[i].item<float>(), expected[k].w, 2e-6)
            << name << " step " << t;
      }
    }
  }
}

TEST(AdamW, OperationsOnTensorsStepAsTheKernelDoes) {
  Random random(RandomKey(4));
  std::vector<torch::Tensor> by_kernel, by_tensors;  // gradient, weight, moments
  for (int i = 0; i < 4; ++i) {
    torch::Tensor values = torch::empty({100});
    for (int64_t k = 0; k < 100; ++k) values[k] = (i == 3 ? 0 : -0.5) + random.Uniform();
    by_kernel.push_back(values);
    by_tensors.push_back(values.clone());
  }
  const AdamWStep step{.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .rate = 0.02, .inverse2 = 3, .keep = 0.99};
  const auto data = [&](int i) { return by_kernel[i].data_ptr<float>(); };
  TakeAdamWStep(step, 100, data(0), data(1), data(2), data(3));
  TakeAdamWStep(step, by_tensors[0], by_tensors[1], by_tensors[2], by_tensors[3]);
  for (int i = 1; i < 4; ++i) EXPECT_LT((by_kernel[i] - by_tensors[i]).abs().max().item<float>(), 1e-6) << i;
}

TEST(AdamW, TheFirstStepIsTheLearningRateAgainstTheGradientsSign) {
  policy::Weights weights = {{"model.norm.weight", torch::tensor({1.0f, 1.0f})}};
  Gradients gradients(weights);
  gradients.values()[0] = 1e-3f;
  gradients.values()[1] = -50;
  AdamW(weights, {}).Step(0.01);
  EXPECT_NEAR(weights["model.norm.weight"][0].item<float>(), 0.99, 1e-6);
  EXPECT_NEAR(weights["model.norm.weight"][1].item<float>(), 1.01, 1e-6);
}

TEST(AdamW, RestoredStateGoesOnBitForBit) {
  policy::Weights one = SomeWeights(), two = SomeWeights();
  Gradients gradients_one(one), gradients_two(two);
  AdamW first(one, {}), second(two, {});
  for (int t = 0; t < 3; ++t) {
    SetGradient(one, 1.0f + t);
    first.Step(0.01);
  }
  {
    at::NoGradGuard no_gradients;
    for (auto& [name, weight] : two) weight.copy_(one[name]);
  }
  ASSERT_TRUE(second.Restore(first.Export(), first.steps()).ok());
  SetGradient(one, -2);
  SetGradient(two, -2);
  first.Step(0.01);
  second.Step(0.01);
  for (const auto& [name, weight] : one) EXPECT_TRUE(torch::equal(weight, two[name])) << name;
}

TEST(AdamW, RefusesTheStateOfOtherWeights) {
  policy::Weights weights = SomeWeights(),
                  other = {{"x", torch::zeros({2, 2})}, {"y", torch::zeros({2})}};
  AdamW adamw(weights, {});
  EXPECT_EQ(adamw.Restore(AdamW(other, {}).Export(), 1).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(adamw.Restore({}, 1).code(), absl::StatusCode::kInvalidArgument);
}

TEST(Gradients, BackwardAddsUpInOneBuffer) {
  policy::Weights weights = SomeWeights();
  Gradients gradients(weights);
  for (int pass = 0; pass < 2; ++pass) {
    torch::Tensor loss = torch::zeros({});
    for (const auto& [name, weight] : weights) loss = loss + weight.square().sum();
    loss.backward();
  }
  const std::vector<float> expected = {4, -8, 2, 12, 4, 1};  // two times 2 w, in the weights' order
  EXPECT_EQ(std::vector<float>(gradients.values().begin(), gradients.values().end()), expected);
  gradients.Zero();
  EXPECT_EQ(weights["model.norm.weight"].grad().abs().sum().item<float>(), 0);
}

TEST(Gradients, AreClippedByTheNormOverAllWeights) {
  policy::Weights weights = {{"a", torch::zeros({2})}, {"b", torch::zeros({1})}};
  Gradients gradients(weights);
  const float values[] = {3, 0, 4};
  std::copy_n(values, 3, gradients.values().begin());
  EXPECT_DOUBLE_EQ(gradients.ClipNorm(10), 5);
  EXPECT_EQ(gradients.values()[2], 4);
  EXPECT_DOUBLE_EQ(gradients.ClipNorm(0), 5);
  EXPECT_DOUBLE_EQ(gradients.ClipNorm(1), 5);
  EXPECT_FLOAT_EQ(gradients.values()[0], 0.6);
  EXPECT_FLOAT_EQ(gradients.values()[2], 0.8);
  gradients.values()[1] = INFINITY;
  EXPECT_FALSE(std::isfinite(gradients.ClipNorm(1)));
}

TEST(Muon, SingularValuesArePushedTowardsOne) {
  for (const auto& [rows, columns] : {std::pair{6, 10}, std::pair{10, 6}}) {
    const torch::Tensor m =
        torch::sin(torch::arange(rows * columns).to(torch::kFloat)).view({rows, columns});
    const torch::Tensor x = Orthogonalize(m);
    ASSERT_EQ(x.sizes(), m.sizes());
    // Singular values that are not tiny beside the largest end near 1; the directions stay.
    const auto [u, s, v] = torch::linalg_svd(m, false);
    const torch::Tensor spectrum = u.t().mm(x).mm(v.t()).diagonal();
    for (int i = 0; i < spectrum.numel(); ++i) {
      if (s[i].item<float>() < 0.1f * s[0].item<float>()) continue;
      EXPECT_GT(spectrum[i].item<float>(), 0.6);
      EXPECT_LT(spectrum[i].item<float>(), 1.3);
    }
  }
}

TEST(Muon, DescendsAQuadraticToItsMinimum) {
  const torch::Tensor target = torch::cos(torch::arange(12).to(torch::kFloat)).view({4, 3});
  policy::Weights weights = {{"w", torch::zeros({4, 3})}};
  Gradients gradients(weights);
  Muon muon(weights);
  for (int i = 0; i < 200; ++i) {
    gradients.Zero();
    (weights["w"] - target).square().sum().backward();
    muon.Step(0.05 * (1 - i / 200.0));
  }
  EXPECT_LT((weights["w"] - target).square().sum().item<float>(), 0.01);
}

}  // namespace
}  // namespace sojourn::learner
