// What an actor tells Prometheus.
#ifndef SOJOURN_ACTOR_ACTOR_METRICS_H_
#define SOJOURN_ACTOR_ACTOR_METRICS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/metrics.h"
#include "policy/engine.h"

namespace sojourn::actor {

class ActorMetrics {
 public:
  explicit ActorMetrics(Metrics& metrics);

  struct EpisodeCounts {
    uint32_t turns = 0, tokens = 0, invalid_actions = 0;
    double reward = 0;
    bool success = false, truncated = false;
  };
  void CountEpisode(const std::string& environment, int32_t difficulty,
                    const EpisodeCounts& counts);
  void CountEngine(const policy::EngineStats& before, const policy::EngineStats& now);
  void CountEnvironmentError(const std::string& environment, const absl::Status& status);
  void CountFailedEpisode(const std::string& environment);
  void CountWait(const std::string& for_whom,
                 absl::Duration wait);  // "assignments", "weights", ...

  // Where the rollout's time goes.
  prometheus::Counter &model_seconds, &environment_seconds, &other_seconds;
  prometheus::Gauge &live_episodes, &queued_groups, &policy_version, &unacknowledged;
  prometheus::Histogram &manifest_seconds, &chunks_seconds, &acknowledge_seconds;
  prometheus::Counter &weight_bytes, &resent_trajectories;

 private:
  Metrics& metrics_;
  prometheus::Counter &decode_steps_, &decoded_tokens_, &prompt_tokens_, &shared_prompt_tokens_;
};

}  // namespace sojourn::actor

#endif  // SOJOURN_ACTOR_ACTOR_METRICS_H_
