#include "policy/device.h"

#include <ATen/Context.h>
#include <dlfcn.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace sojourn::policy {

absl::StatusOr<torch::Device> OpenDevice(const std::string& name) {
  if (name.empty() || name == "cpu") return torch::Device(torch::kCPU);
  int index = 0;
  absl::string_view number = name;
  const bool known = absl::ConsumePrefix(&number, "cuda") &&
                     (number.empty() || (absl::ConsumePrefix(&number, ":") && absl::SimpleAtoi(number, &index)));
  if (!known || index < 0 || index > 1023) {
    return absl::InvalidArgumentError(absl::StrCat("device: unknown \"", name, "\"; known: cpu, cuda, cuda:N"));
  }
  static const std::string* const fault = [] {  // loaded once; it stays
    const char* const library = "libtorch_cuda.so";
    return dlopen(library, RTLD_NOW | RTLD_GLOBAL) != nullptr ? nullptr : new std::string(dlerror());
  }();
  if (fault != nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("device ", name, ": LibTorch's CUDA half does not load: ", *fault));
  }
  try {
    const int64_t count = at::globalContext().hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0;
    if (index >= count) {
      return absl::FailedPreconditionError(absl::StrCat("device ", name, ": this machine has ", count, " GPUs that CUDA can use"));
    }
    return torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(index));
  } catch (const std::exception& error) {
    return absl::FailedPreconditionError(absl::StrCat("device ", name, ": ", error.what()));
  }
}

}  // namespace sojourn::policy
