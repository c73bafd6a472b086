#include "learner/optimizer.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "learner/optimizer_kernels.h"

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

absl::Status Gradients::Reduce(Collective& collective, absl::Duration timeout) {
  if (collective.size() == 1) return absl::OkStatus();
  torch::Tensor host = flat_.to(torch::kCPU);
  const absl::Status status = collective.AllReduceSum(
      absl::MakeSpan(host.data_ptr<float>(), static_cast<size_t>(host.numel())), timeout);
  if (status.ok() && !flat_.is_cpu()) flat_.copy_(host);
  return status;
}

double Gradients::ClipNorm(double max_norm) {
  if (!flat_.is_cpu()) {
    const double whole = flat_.norm().item<double>();
    if (std::isfinite(whole) && max_norm > 0 && whole > max_norm) flat_.mul_(max_norm / whole);
    return whole;
  }
  // Sums of fixed pieces, added in order: the same bits with any number of threads.
  constexpr int64_t kPiece = 1 << 14;
  const int64_t pieces = (flat_.numel() + kPiece - 1) / kPiece;
  std::vector<double> sums(pieces);
  const float* values = flat_.const_data_ptr<float>();
  at::parallel_for(0, pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t first = piece * kPiece;
      sums[piece] = SumOfSquares(std::min(kPiece, flat_.numel() - first), values + first);
    }
  });
  const double norm = std::sqrt(std::accumulate(sums.begin(), sums.end(), 0.0));
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

void TakeAdamWStep(const AdamWStep& step, const torch::Tensor& gradient, torch::Tensor weight, torch::Tensor first,
                   torch::Tensor second) {
  first.mul_(step.beta1).add_(gradient, 1 - step.beta1);
  second.mul_(step.beta2).addcmul_(gradient, gradient, 1 - step.beta2);
  weight.mul_(step.keep).addcdiv_(first, (second * step.inverse2).sqrt_().add_(step.epsilon), -step.rate);
}

void AdamW::Step(double learning_rate) {
  at::NoGradGuard no_gradients;
  ++steps_;
  const double correction1 = 1 - std::pow(options_.beta1, steps_);
  const double correction2 = 1 - std::pow(options_.beta2, steps_);
  AdamWStep step{.beta1 = static_cast<float>(options_.beta1),
                 .beta2 = static_cast<float>(options_.beta2),
                 .epsilon = static_cast<float>(options_.epsilon),
                 .rate = static_cast<float>(learning_rate / correction1),
                 .inverse2 = static_cast<float>(1 / correction2)};
  for (auto& [name, weight] : weights_) {
    const bool decays = options_.weight_decay != 0 && Decays(name, weight);
    step.keep = static_cast<float>(decays ? 1 - learning_rate * options_.weight_decay : 1);
    const torch::Tensor gradient = weight.grad().contiguous();
    if (!weight.is_cpu()) {
      TakeAdamWStep(step, gradient, weight, first_[name], second_[name]);
      continue;
    }
    const float* g = gradient.const_data_ptr<float>();
    float* const w = weight.mutable_data_ptr<float>();
    float* const m = first_[name].mutable_data_ptr<float>();
    float* const v = second_[name].mutable_data_ptr<float>();
    at::parallel_for(0, weight.numel(), 1 << 14, [&](int64_t begin, int64_t end) {
      TakeAdamWStep(step, end - begin, g + begin, w + begin, m + begin, v + begin);
    });
  }
}

policy::Weights AdamW::Export() const {
  policy::Weights state;
  for (const auto& [name, tensor] : first_) state["exp_avg/" + name] = tensor.to(torch::kCPU, torch::kFloat, false, /*copy=*/true);
  for (const auto& [name, tensor] : second_) state["exp_avg_sq/" + name] = tensor.to(torch::kCPU, torch::kFloat, false, /*copy=*/true);
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
