#include "actor/actor_metrics.h"

#include "absl/strings/str_cat.h"

namespace sojourn::actor {
namespace {

prometheus::Counter& Seconds(Metrics& metrics, const char* part) {
  return metrics.Counter("sojourn_actor_seconds_total", "Seconds of the rollout, by part",
                         {{"part", part}});
}

prometheus::Histogram& RpcSeconds(Metrics& metrics, const char* method) {
  return metrics.Histogram("sojourn_actor_rpc_seconds", "Duration of calls", SecondsBuckets(),
                           {{"method", method}});
}

}  // namespace

ActorMetrics::ActorMetrics(Metrics& metrics)
    : model_seconds(Seconds(metrics, "model")),
      environment_seconds(Seconds(metrics, "environment")),
      other_seconds(Seconds(metrics, "other")),
      live_episodes(metrics.Gauge("sojourn_actor_live_episodes", "Episodes that the engine holds")),
      queued_groups(
          metrics.Gauge("sojourn_actor_queued_groups", "Groups that wait for a slot or a policy")),
      policy_version(metrics.Gauge("sojourn_actor_policy_version", "Policy version of the engine")),
      unacknowledged(metrics.Gauge("sojourn_actor_unacknowledged_trajectories",
                                   "Trajectories that no learner has acknowledged yet")),
      manifest_seconds(RpcSeconds(metrics, "GetManifest")),
      chunks_seconds(RpcSeconds(metrics, "GetChunks")),
      acknowledge_seconds(metrics.Histogram("sojourn_actor_acknowledge_seconds",
                                            "From a trajectory's end to its acknowledgement",
                                            SecondsBuckets())),
      weight_bytes(metrics.Counter("sojourn_actor_weights_received_bytes_total",
                                   "Bytes of weights received")),
      resent_trajectories(metrics.Counter("sojourn_actor_resent_trajectories_total",
                                          "Trajectories sent again after a broken stream")),
      metrics_(metrics),
      decode_steps_(
          metrics.Counter("sojourn_actor_decode_steps_total", "Decoding steps of all slots")),
      decoded_tokens_(metrics.Counter("sojourn_actor_decoded_tokens_total", "Tokens sampled")),
      prompt_tokens_(metrics.Counter("sojourn_actor_prompt_tokens_total", "Prompt tokens read")),
      shared_prompt_tokens_(
          metrics.Counter("sojourn_actor_shared_prompt_tokens_total",
                          "Prompt tokens not read again, because a group shares its prompt")) {}

void ActorMetrics::CountEpisode(const std::string& environment, int32_t difficulty,
                                const EpisodeCounts& counts) {
  const MetricLabels labels = {{"environment", environment},
                               {"difficulty", absl::StrCat(difficulty)}};
  const auto add = [&](const char* name, const char* help, double value) {
    metrics_.Counter(name, help, labels).Increment(value);
  };
  add("sojourn_actor_episodes_total", "Episodes played", 1);
  add("sojourn_actor_successes_total", "Episodes that reached their goal", counts.success);
  add("sojourn_actor_truncated_episodes_total", "Episodes ended by a limit", counts.truncated);
  add("sojourn_actor_turns_total", "Turns played", counts.turns);
  add("sojourn_actor_invalid_actions_total", "Actions that were not understood or not possible",
      counts.invalid_actions);
  add("sojourn_actor_generated_tokens_total", "Tokens of responses", counts.tokens);
  metrics_
      .Histogram("sojourn_actor_episode_reward", "The environment's reward of an episode",
                 {-0.5, 0, 0.25, 0.5, 0.75, 0.9, 1}, labels)
      .Observe(counts.reward);
}

void ActorMetrics::CountEngine(const policy::EngineStats& before, const policy::EngineStats& now) {
  decode_steps_.Increment(now.decode_steps - before.decode_steps);
  decoded_tokens_.Increment(now.decoded_tokens - before.decoded_tokens);
  prompt_tokens_.Increment(now.prompt_tokens - before.prompt_tokens);
  shared_prompt_tokens_.Increment(now.shared_prompt_tokens - before.shared_prompt_tokens);
}

void ActorMetrics::CountEnvironmentError(const std::string& environment,
                                         const absl::Status& status) {
  metrics_
      .Counter("sojourn_actor_environment_errors_total",
               "Resets and steps that failed in an environment that blocks",
               {{"environment", environment}, {"error", absl::StatusCodeToString(status.code())}})
      .Increment();
}

void ActorMetrics::CountFailedEpisode(const std::string& environment) {
  metrics_
      .Counter("sojourn_actor_failed_episodes_total",
               "Episodes given up because their environment failed again and again",
               {{"environment", environment}})
      .Increment();
}

void ActorMetrics::CountWait(const std::string& for_whom, absl::Duration wait) {
  metrics_
      .Counter("sojourn_actor_waiting_seconds_total",
               "Seconds without work, by what was waited for", {{"for", for_whom}})
      .Increment(absl::ToDoubleSeconds(wait));
}

}  // namespace sojourn::actor
