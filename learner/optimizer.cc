#include "learner/optimizer.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sojourn::learner {
namespace {

policy::Weights ZerosLike(const policy::Weights& weights) {
  policy::Weights zeros;
  for (const auto& [name, weight] : weights) zeros[name] = torch::zeros_like(weight.detach());
  return zeros;
}

}  // namespace

Gradients::Gradients(policy::Weights& weights) {
  int64_t count = 0;
  for (const auto& [name, weight] : weights) count += weight.numel();
  flat_ = torch::zeros({count});
  int64_t offset = 0;
  for (auto& [name, weight] : weights) {
    weight.set_requires_grad(true);
    weight.mutable_grad() = flat_.narrow(0, offset, weight.numel()).view_as(weight);
    offset += weight.numel();
  }
}

void Gradients::Zero() { flat_.zero_(); }

absl::Span<float> Gradients::values() {
  return absl::MakeSpan(flat_.data_ptr<float>(), static_cast<size_t>(flat_.numel()));
}

double Gradients::ClipNorm(double max_norm) {
  const double norm = torch::norm(flat_, 2, torch::kDouble).item<double>();
  if (std::isfinite(norm) && max_norm > 0 && norm > max_norm) flat_.mul_(max_norm / norm);
  return norm;
}

bool Decays(const std::string& name, const torch::Tensor& weight) {
  return weight.dim() == 2 && name != "model.embed_tokens.weight" && name != "lm_head.weight";
}

AdamW::AdamW(policy::Weights weights, AdamWOptions options)
    : weights_(std::move(weights)),
      options_(options),
      first_(ZerosLike(weights_)),
      second_(ZerosLike(weights_)) {}

void AdamW::Step(double learning_rate) {
  at::NoGradGuard no_gradients;
  ++steps_;
  const double correction1 = 1 - std::pow(options_.beta1, steps_);
  const double correction2 = 1 - std::pow(options_.beta2, steps_);
  for (auto& [name, weight] : weights_) {
    const torch::Tensor& gradient = weight.grad();
    torch::Tensor& first = first_[name];
    torch::Tensor& second = second_[name];
    first.mul_(options_.beta1).add_(gradient, 1 - options_.beta1);
    second.mul_(options_.beta2).addcmul_(gradient, gradient, 1 - options_.beta2);
    if (options_.weight_decay != 0 && Decays(name, weight)) {
      weight.mul_(1 - learning_rate * options_.weight_decay);
    }
    const torch::Tensor divisor = second.div(correction2).sqrt_().add_(options_.epsilon);
    weight.addcdiv_(first, divisor, -learning_rate / correction1);
  }
}

policy::Weights AdamW::Export() const {
  policy::Weights state;
  for (const auto& [name, tensor] : first_) state["exp_avg/" + name] = tensor.clone();
  for (const auto& [name, tensor] : second_) state["exp_avg_sq/" + name] = tensor.clone();
  return state;
}

absl::Status AdamW::Restore(const policy::Weights& state, uint64_t steps) {
  if (state.size() != 2 * weights_.size()) {
    return absl::InvalidArgumentError(absl::StrCat("optimizer state has ", state.size(),
                                                   " tensors, expected ", 2 * weights_.size(),
                                                   ", two per weight"));
  }
  policy::Weights restored[2];
  const char* prefixes[2] = {"exp_avg/", "exp_avg_sq/"};
  for (int i = 0; i < 2; ++i) {
    for (const auto& [name, weight] : weights_) {
      const auto found = state.find(prefixes[i] + name);
      if (found == state.end() || found->second.sizes() != weight.sizes() ||
          found->second.scalar_type() != torch::kFloat) {
        return absl::InvalidArgumentError(
            absl::StrCat("optimizer state: ", prefixes[i], name,
                         " is missing, or not fp32 of its weight's shape"));
      }
      restored[i][name] = found->second.clone();
    }
  }
  first_ = std::move(restored[0]);
  second_ = std::move(restored[1]);
  steps_ = steps;
  return absl::OkStatus();
}

Muon::Muon(policy::Weights matrices, double momentum)
    : weights_(std::move(matrices)), momentum_(momentum), momenta_(ZerosLike(weights_)) {}

void Muon::Step(double learning_rate) {
  at::NoGradGuard no_gradients;
  for (auto& [name, weight] : weights_) {
    const torch::Tensor& gradient = weight.grad();
    torch::Tensor& momentum = momenta_[name];
    momentum.lerp_(gradient, 1 - momentum_);
    const torch::Tensor direction = Orthogonalize(gradient.lerp(momentum, momentum_));
    const double shape = std::max(1.0, static_cast<double>(weight.size(0)) / weight.size(1));
    weight.add_(direction, -learning_rate * std::sqrt(shape));
  }
}

torch::Tensor Orthogonalize(const torch::Tensor& matrix) {
  constexpr double kA = 3.4445, kB = -4.7750, kC = 2.0315;  // Jordan's quintic
  const bool tall = matrix.size(0) > matrix.size(1);
  torch::Tensor x = tall ? matrix.t() : matrix;
  x = x / (x.norm() + 1e-7);
  for (int i = 0; i < 5; ++i) {
    const torch::Tensor a = x.mm(x.t());
    const torch::Tensor b = torch::addmm(a, a, a, kB, kC);
    x = torch::addmm(x, b, x, kA, 1);
  }
  return tall ? x.t() : x;
}

}  // namespace sojourn::learner
