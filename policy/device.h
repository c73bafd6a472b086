// Where tensors live: the CPU, or a GPU by CUDA.
#ifndef SOJOURN_POLICY_DEVICE_H_
#define SOJOURN_POLICY_DEVICE_H_

#include <torch/types.h>

#include <string>

#include "absl/status/statusor.h"

namespace sojourn::policy {

// "cpu", "cuda" or "cuda:N". LibTorch's CUDA half is loaded when it is first asked for, so that programs start on
// machines without it. InvalidArgument for another name, FailedPrecondition with the reason when there is no such
// GPU or its libraries do not load.
absl::StatusOr<torch::Device> OpenDevice(const std::string& name);

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_DEVICE_H_
