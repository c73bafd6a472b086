// The learning rate of each update.
#ifndef SOJOURN_LEARNER_SCHEDULE_H_
#define SOJOURN_LEARNER_SCHEDULE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "sojourn/v1/job.pb.h"

namespace sojourn::learner {

// Warms up linearly (update u < warmup: peak * (u + 1) / warmup), then is constant, or falls to 0
// at `total` updates, linearly or along half a cosine. With total = 0 (unknown) it stays constant.
class Schedule {
 public:
  // InvalidArgument: an unknown kind (known: constant, linear, cosine), or a peak that is not
  // finite or negative.
  static absl::StatusOr<Schedule> Create(const v1::Algorithm& algorithm, uint64_t total);
  double Rate(uint64_t update) const;  // update from 0

 private:
  enum class Kind { kConstant, kLinear, kCosine };
  Schedule(Kind kind, double peak, uint64_t warmup, uint64_t total)
      : kind_(kind), peak_(peak), warmup_(warmup), total_(total) {}
  Kind kind_;
  double peak_;
  uint64_t warmup_;
  uint64_t total_;
};

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_SCHEDULE_H_
