// What training changes, and the model that comes of it.
//
// The optimizer steps fp32 parameters. In fp32 these are the model's weights themselves; in bfloat16 the model
// computes with rounded copies of them (master weights: Micikevicius et al., "Mixed Precision Training",
// 1710.03740); with LoRA they are low-rank adapters (Hu et al., 2106.09685) beside frozen weights.
#ifndef SOJOURN_LEARNER_TRAINABLE_H_
#define SOJOURN_LEARNER_TRAINABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "policy/model.h"
#include "sojourn/v1/job.pb.h"

namespace sojourn::learner {

class Trainable {
 public:
  // InvalidArgument: an unknown dtype, or LoRA targets that name no projection. `seed` draws LoRA's A; B is 0,
  // so that training starts from the starting policy. The start's tensors are shared where nothing changes
  // them, else copied.
  static absl::StatusOr<Trainable> Create(const policy::Model& start, const v1::Policy& policy, uint64_t seed,
                                          const torch::Device& device = torch::kCPU);

  torch::Device device() const { return base_.weights().begin()->second.device(); }

  const policy::ModelConfig& config() const { return base_.config(); }

  // fp32 leaves by name: the weights', or with LoRA "WEIGHT.lora_a" [rank, in] and "WEIGHT.lora_b" [out, rank].
  policy::Weights& parameters() { return parameters_; }
  const policy::Weights& parameters() const { return parameters_; }

  // The model of the parameters' present values, differentiable with respect to them.
  policy::Model Compute() const;

  // The same as plain weights on the CPU, adapters merged, in the model's dtype: what actors play and what is saved.
  policy::Model Policy() const;

  // Writes the adapters as PEFT's LoraConfig and safetensors (adapter_config.json, adapter_model.safetensors).
  // FailedPrecondition without LoRA.
  absl::Status SaveAdapter(const std::string& directory, const std::string& base_model) const;
  bool lora() const { return rank_ > 0; }

 private:
  Trainable(policy::Model base, torch::ScalarType type) : base_(std::move(base)), type_(type) {}

  policy::Model base_;  // of the parameters' own tensors in fp32 without LoRA, else frozen
  torch::ScalarType type_;
  policy::Weights parameters_;
  int64_t rank_ = 0;  // 0: all weights are trained
  double alpha_ = 0;
  std::vector<std::string> targets_;
};

// In fp32 or bfloat16, as a job's policy says.
absl::StatusOr<torch::ScalarType> PolicyType(const v1::Policy& policy);

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_TRAINABLE_H_
