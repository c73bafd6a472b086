#include "policy/model_kernels.h"

#include <cstring>
#include <initializer_list>

namespace sojourn::policy {

namespace avx512 {
extern const Kernels kTable;
}
namespace avx2 {
extern const Kernels kTable;
}
namespace baseline {
extern const Kernels kTable;
}

const Kernels* KernelsFor(const char* instruction_set) {
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd");
  if (std::strcmp(instruction_set, "avx512") == 0) return has_avx512 ? &avx512::kTable : nullptr;
  if (std::strcmp(instruction_set, "avx2") == 0) return has_avx2 ? &avx2::kTable : nullptr;
  return &baseline::kTable;
}

const Kernels& CpuKernels() {
  static const Kernels* const best = [] {
    for (const char* set : {"avx512", "avx2"}) {
      if (const Kernels* kernels = KernelsFor(set); kernels != nullptr) return kernels;
    }
    return KernelsFor("baseline");
  }();
  return *best;
}

void PackPanels(const float* weight, int64_t n, int64_t k, float* packed) {
  for (int64_t column = 0; column < RoundUp(n, kPanel); ++column) {
    float* to = packed + column / kPanel * kPanel * k + column % kPanel;
    for (int64_t i = 0; i < k; ++i) to[i * kPanel] = column < n ? weight[column * k + i] : 0;
  }
}

}  // namespace sojourn::policy
