#include "learner/trainable.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/autograd.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/files.h"
#include "common/random.h"
#include "learner/optimizer_kernels.h"
#include "policy/safetensors.h"

namespace sojourn::learner {
namespace {

constexpr const char* kA = ".lora_a";
constexpr const char* kB = ".lora_b";
constexpr const char* kProjections[] = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"};

policy::Weights As(const policy::Weights& weights, const torch::Device& device, torch::ScalarType type, bool copy) {
  policy::Weights result;
  for (const auto& [name, weight] : weights) {
    result[name] = weight.detach().to(device, type, /*non_blocking=*/false, copy).contiguous();
  }
  return result;
}

// Kaiming's uniform initialization with a = sqrt(5), as PEFT draws A: within 1 / sqrt(in).
torch::Tensor RandomA(int64_t rank, int64_t in, RandomKey key) {
  Random random(key);
  torch::Tensor a = torch::empty({rank, in}, torch::kFloat);
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  float* values = a.data_ptr<float>();
  for (int64_t i = 0; i < a.numel(); ++i) {
    values[i] = static_cast<float>((2 * random.Uniform() - 1) * bound);
  }
  return a;
}

// The weights whose module is one of the targets: "q_proj" names "model.layers.3.self_attn.q_proj.weight".
bool IsTarget(const std::string& name, const std::vector<std::string>& targets) {
  return std::any_of(targets.begin(), targets.end(), [&](const std::string& target) {
    return absl::EndsWith(name, absl::StrCat(".", target, ".weight"));
  });
}

// The parameter in 16 bits. Its gradient goes straight into the parameter's fp32 one, without a fp32 copy of its own.
struct RoundedParameter : torch::autograd::Function<RoundedParameter> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& parameter,
                               torch::ScalarType type) {
    context->saved_data["gradient"] = parameter.grad();
    return parameter.to(type);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const torch::Tensor sum = context->saved_data["gradient"].toTensor(), rounded = gradients[0].contiguous();
    if (!sum.defined() || rounded.scalar_type() != torch::kBFloat16 || !sum.is_cpu()) {
      return {rounded.to(torch::kFloat), torch::Tensor()};
    }
    const auto* from = static_cast<const uint16_t*>(rounded.const_data_ptr());
    float* const to = sum.mutable_data_ptr<float>();
    at::parallel_for(0, sum.numel(), 1 << 14, [&](int64_t begin, int64_t end) {
      AddBFloat16(end - begin, from + begin, to + begin);
    });
    return {torch::Tensor(), torch::Tensor()};
  }
};

}  // namespace

absl::StatusOr<torch::ScalarType> PolicyType(const v1::Policy& policy) {
  if (policy.dtype().empty() || policy.dtype() == "float32") return torch::kFloat;
  if (policy.dtype() == "bfloat16") return torch::kBFloat16;
  return absl::InvalidArgumentError(
      absl::StrCat("policy.dtype: unknown \"", policy.dtype(), "\"; known: float32, bfloat16"));
}

absl::StatusOr<Trainable> Trainable::Create(const policy::Model& start, const v1::Policy& policy, uint64_t seed,
                                            const torch::Device& device) {
  const auto type = PolicyType(policy);
  if (!type.ok()) return type.status();
  const bool lora = policy.lora().rank() > 0;
  // What is trained in place is a copy: the start is the reference too.
  auto base = policy::Model::Create(start.config(), As(start.weights(), device, *type, /*copy=*/!lora && *type == torch::kFloat));
  if (!base.ok()) return base.status();
  Trainable made(*std::move(base), *type);
  if (!lora) {
    made.parameters_ = *type == torch::kFloat ? made.base_.weights() : As(start.weights(), device, torch::kFloat, true);
    return made;
  }
  made.rank_ = policy.lora().rank();
  made.alpha_ = policy.lora().alpha() > 0 ? policy.lora().alpha() : 2.0 * made.rank_;
  made.targets_.assign(policy.lora().targets().begin(), policy.lora().targets().end());
  if (made.targets_.empty()) {
    made.targets_.assign(std::begin(kProjections), std::end(kProjections));
  }
  for (const std::string& target : made.targets_) {
    if (std::find(std::begin(kProjections), std::end(kProjections), target) != std::end(kProjections)) continue;
    return absl::InvalidArgumentError(absl::StrCat("policy.lora.targets: \"", target,
                                                   "\" is no projection; known: ", absl::StrJoin(kProjections, ", ")));
  }
  for (const auto& [name, weight] : start.weights()) {
    if (weight.dim() != 2 || !IsTarget(name, made.targets_)) continue;
    made.parameters_[name + kA] = RandomA(made.rank_, weight.size(1), RandomKey(seed).With("lora").With(name)).to(device);
    made.parameters_[name + kB] = torch::zeros({weight.size(0), made.rank_}, torch::TensorOptions(device).dtype(torch::kFloat));
  }
  return made;
}

policy::Model Trainable::Compute() const {
  if (!lora()) {
    if (type_ == torch::kFloat) return base_;
    policy::Weights rounded;
    for (const auto& [name, parameter] : parameters_) rounded[name] = RoundedParameter::apply(parameter, type_);
    return *policy::Model::Create(base_.config(), std::move(rounded));
  }
  policy::Model model = base_;
  policy::Adapters adapters;
  for (const auto& [name, a] : parameters_) {
    if (!absl::EndsWith(name, kA)) continue;
    const std::string weight = name.substr(0, name.size() - std::string(kA).size());
    adapters[weight] = {a.to(type_), parameters_.at(weight + kB).to(type_), alpha_ / static_cast<double>(rank_)};
  }
  const absl::Status fits = model.SetAdapters(std::move(adapters));
  TORCH_CHECK(fits.ok(), fits.ToString());
  return model;
}

policy::Model Trainable::Policy() const {
  at::NoGradGuard no_gradients;
  return *policy::Model::Create(base_.config(), As(Compute().MergedWeights(), torch::kCPU, type_, false));
}

absl::Status Trainable::SaveAdapter(const std::string& directory, const std::string& base_model) const {
  if (!lora()) return absl::FailedPreconditionError("there is no adapter: all weights are trained");
  const nlohmann::ordered_json config = {{"peft_type", "LORA"},
                                         {"task_type", "CAUSAL_LM"},
                                         {"base_model_name_or_path", base_model},
                                         {"r", rank_},
                                         {"lora_alpha", alpha_},
                                         {"lora_dropout", 0.0},
                                         {"target_modules", targets_},
                                         {"bias", "none"},
                                         {"fan_in_fan_out", false},
                                         {"inference_mode", true}};
  if (absl::Status written = WriteFileAtomically(directory + "/adapter_config.json", config.dump(2) + "\n");
      !written.ok()) {
    return written;
  }
  policy::Weights tensors;
  for (const auto& [name, parameter] : parameters_) {
    const bool is_a = absl::EndsWith(name, kA);
    std::string module = name.substr(0, name.size() - std::string(kA).size());
    module.resize(module.size() - std::string(".weight").size());
    tensors[absl::StrCat("base_model.model.", module, is_a ? ".lora_A.weight" : ".lora_B.weight")] =
        parameter.detach().to(torch::kCPU);
  }
  return policy::WriteSafetensors(directory + "/adapter_model.safetensors", tensors);
}

}  // namespace sojourn::learner
