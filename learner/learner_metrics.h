// What a learner tells Prometheus, and what it says in heartbeats.
#ifndef SOJOURN_LEARNER_LEARNER_METRICS_H_
#define SOJOURN_LEARNER_LEARNER_METRICS_H_

#include <mutex>
#include <string>

#include "absl/time/time.h"
#include "common/metrics.h"
#include "learner/ingest.h"
#include "learner/journal.h"
#include "sojourn/v1/fleet.pb.h"
#include "sojourn/v1/job.pb.h"

namespace sojourn::learner {

// Thread-safe.
class LearnerMetrics {
 public:
  explicit LearnerMetrics(Metrics& metrics);
  Metrics& registry() { return metrics_; }

  // Where the time goes: train, wait, reduce, checkpoint, publish, journal, load.
  void AddSeconds(const std::string& part, double seconds);
  void SetUpdate(const v1::UpdateMetrics& update);
  void SetVersion(uint64_t version);
  void SetQueues(const Ingest& ingest, const Journal& journal);  // of one journal at a time
  void ForgetJournal();                                          // the next one counts from 0

  // What the learner is doing, and for whom it waits (kind: "trajectories", "ranks", "coordinator",
  // or
  // ""; text: who exactly). The time since a kind began to be waited for is counted.
  void SetActivity(const std::string& activity, const std::string& kind = "",
                   const std::string& text = "");
  v1::Heartbeat Heartbeat() const;

 private:
  Metrics& metrics_;
  mutable std::mutex mu_;  // guards what follows
  std::string activity_, waiting_kind_, waiting_for_;
  absl::Time waiting_since_, counted_until_;
  Journal::Stats journal_;
};

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_LEARNER_METRICS_H_
