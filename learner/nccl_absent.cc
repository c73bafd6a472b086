// Where the CUDA toolkit or NCCL was missing at build time.
#include "learner/nccl_collective.h"

namespace sojourn::learner {

bool HasNccl() { return false; }

absl::StatusOr<std::unique_ptr<Collective>> ConnectNccl(std::unique_ptr<Collective>, int,
                                                        absl::Duration) {
  return absl::UnimplementedError(
      "this program was built without NCCL; install the CUDA toolkit and NCCL, build again, or use "
      "--collective tcp");
}

}  // namespace sojourn::learner
