// TensorBoard event files: records of length | masked CRC-32C | Event message | masked CRC-32C (TFRecord),
// with the few fields of tensorflow's event.proto and summary.proto that scalars need.
#ifndef SOJOURN_COORDINATOR_TENSORBOARD_H_
#define SOJOURN_COORDINATOR_TENSORBOARD_H_

#include <string>

#include "sojourn/v1/job.pb.h"

namespace sojourn::coordinator {

// What an event file begins with.
std::string TensorboardHeader();

// One update's scalars as a record: update/NAME for each of UpdateMetrics' numbers, and
// success/ENVIRONMENT/DIFFICULTY. The step is the policy version, the time `record.seconds`.
std::string TensorboardRecord(const v1::UpdateRecord& record);

// RUN_DIRECTORY/tensorboard/ARM/events.out.tfevents.0.sojourn
std::string TensorboardPath(const std::string& run_directory, const std::string& arm);

}  // namespace sojourn::coordinator

#endif  // SOJOURN_COORDINATOR_TENSORBOARD_H_
