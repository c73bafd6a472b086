// Gradients between GPUs, by NCCL. Built where the CUDA toolkit and NCCL are installed; elsewhere
// nccl_absent.cc stands in.
#ifndef SOJOURN_LEARNER_NCCL_COLLECTIVE_H_
#define SOJOURN_LEARNER_NCCL_COLLECTIVE_H_

#include <memory>

#include "learner/collective.h"

namespace sojourn::learner {

bool HasNccl();  // whether this program was built with it

// Sums of floats go through GPU number `device` and NCCL; everything else through `control` (TCP),
// which also carries NCCL's identifier and knows who is at fault when NCCL only stands still. NCCL
// is never blocked on: it is polled, and aborted at a deadline. Unavailable: no such GPU, or NCCL's
// error. DeadlineExceeded: as control's. Unimplemented without HasNccl().
absl::StatusOr<std::unique_ptr<Collective>> ConnectNccl(std::unique_ptr<Collective> control,
                                                        int device, absl::Duration timeout);

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_NCCL_COLLECTIVE_H_
