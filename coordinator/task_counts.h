#ifndef SOJOURN_COORDINATOR_TASK_COUNTS_H_
#define SOJOURN_COORDINATOR_TASK_COUNTS_H_

#include "absl/status/statusor.h"
#include "coordinator/state.pb.h"
#include "sojourn/v1/job.pb.h"

namespace sojourn::coordinator {

// Asks every environment of the configuration how many tasks it has, at each of its difficulties.
// InvalidArgument names the environment that cannot be made.
absl::StatusOr<TaskCounts> CountTasks(const v1::JobConfig& config);

}  // namespace sojourn::coordinator

#endif  // SOJOURN_COORDINATOR_TASK_COUNTS_H_
