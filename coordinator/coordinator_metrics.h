// What the coordinator shows to Prometheus.
#ifndef SOJOURN_COORDINATOR_COORDINATOR_METRICS_H_
#define SOJOURN_COORDINATOR_COORDINATOR_METRICS_H_

#include <cstdint>
#include <map>
#include <string>

#include "common/metrics.h"
#include "sojourn/v1/fleet.pb.h"
#include "sojourn/v1/job.pb.h"

namespace sojourn::coordinator {

class CoordinatorMetrics {
 public:
  struct Gauges {
    uint64_t actors = 0, learners = 0;
    std::map<v1::JobState, uint64_t> jobs;
    uint64_t queued = 0, leased = 0;    // groups
    uint64_t version = 0, planned = 0;  // updates of the arm
    uint64_t row_left = 0;              // episodes that the row under way still needs
    std::string waiting_for;            // "actor", "learner", ...; empty: nobody
  };

  explicit CoordinatorMetrics(Metrics& metrics) : metrics_(metrics) {}

  void OnUpdate(const v1::UpdateRecord& record);
  void OnGroup(const v1::GroupConsumed& group);
  void OnRow(const v1::MatrixRow& row);
  // `seconds` since the last tick count as waited for `gauges.waiting_for`.
  void OnTick(const Gauges& gauges, double seconds);

 private:
  Metrics& metrics_;
};

}  // namespace sojourn::coordinator

#endif  // SOJOURN_COORDINATOR_COORDINATOR_METRICS_H_
