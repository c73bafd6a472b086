#include "coordinator/coordinator_metrics.h"

namespace sojourn::coordinator {
namespace {

MetricLabels TaskLabels(const std::string& environment, int32_t difficulty) {
  return {{"environment", environment}, {"difficulty", std::to_string(difficulty)}};
}

}  // namespace

void CoordinatorMetrics::OnUpdate(const v1::UpdateRecord& record) {
  const auto set = [&](const char* name, const char* help, double value) {
    metrics_.Gauge(name, help).Set(value);
  };
  const v1::UpdateMetrics& m = record.metrics();
  set("sojourn_loss", "Loss of the newest update", m.loss());
  set("sojourn_kl", "KL to the starting policy (k3), newest update", m.kl());
  set("sojourn_entropy_nats", "Entropy per generated token, newest update", m.entropy());
  set("sojourn_clip_fraction", "Share of tokens whose ratio was clipped, newest update",
      m.clip_fraction());
  set("sojourn_gradient_norm", "Gradient norm before clipping, newest update", m.gradient_norm());
  set("sojourn_learning_rate", "Learning rate of the newest update", m.learning_rate());
  set("sojourn_logprob_difference", "Mean |log p_learner - log p_actor|, newest update",
      m.logprob_difference());
  set("sojourn_active_groups_share", "Share of groups with non-zero advantage, newest update",
      m.active_groups());
  set("sojourn_staleness_updates", "Mean staleness over tokens, newest update", m.staleness());
  metrics_.Counter("sojourn_updates_total", "Updates consumed").Increment();
  metrics_.Counter("sojourn_trained_tokens_total", "Tokens that learners read, prompts included")
      .Increment(static_cast<double>(m.trained_tokens()));
  const auto learner_seconds = [&](const char* doing, double seconds) {
    metrics_
        .Counter("sojourn_learner_seconds_total", "What learners spent consumed updates on",
                 {{"doing", doing}})
        .Increment(seconds);
  };
  learner_seconds("wait", m.wait_seconds());
  learner_seconds("train", m.train_seconds());
  learner_seconds("reduce", m.reduce_seconds());
  for (const v1::EnvironmentSuccess& s : record.success()) {
    const MetricLabels labels = TaskLabels(s.environment(), s.difficulty());
    metrics_.Gauge("sojourn_success", "Mean success in training, newest update", labels)
        .Set(s.success());
    metrics_.Gauge("sojourn_reward", "Mean return in training, newest update", labels)
        .Set(s.reward());
    metrics_.Gauge("sojourn_turns", "Mean turns per episode in training, newest update", labels)
        .Set(s.turns());
  }
}

void CoordinatorMetrics::OnGroup(const v1::GroupConsumed& group) {
  const MetricLabels labels = TaskLabels(group.environment(), group.difficulty());
  const auto count = [&](const char* name, const char* help, uint64_t value) {
    metrics_.Counter(name, help, labels).Increment(static_cast<double>(value));
  };
  count("sojourn_groups_total", "Groups consumed in training", 1);
  count("sojourn_active_groups_total", "Groups consumed that had non-zero advantage",
        group.active() ? 1 : 0);
  count("sojourn_episodes_total", "Episodes consumed in training", group.episodes());
  count("sojourn_turns_total", "Turns of consumed episodes", group.turns());
  count("sojourn_generated_tokens_total", "Tokens generated in consumed episodes", group.tokens());
  count("sojourn_invalid_actions_total", "Invalid actions in consumed episodes",
        group.invalid_actions());
  count("sojourn_failed_episodes_total",
        "Consumed episodes whose environment failed for good; nothing is learned from their groups",
        group.failed_episodes());
}

void CoordinatorMetrics::OnRow(const v1::MatrixRow& row) {
  for (const v1::MatrixCell& cell : row.cells()) {
    if (cell.cell().split() == "train") continue;
    double episodes = 0, successes = 0;
    for (const v1::TaskOutcome& task : cell.tasks()) {
      episodes += task.episodes();
      successes += task.successes();
    }
    if (episodes == 0) continue;
    MetricLabels labels = TaskLabels(cell.cell().environment(), cell.cell().difficulty());
    labels["variant"] = cell.cell().variant();
    metrics_.Gauge("sojourn_evaluation_success", "Mean success on test tasks, newest row", labels)
        .Set(successes / episodes);
  }
}

void CoordinatorMetrics::OnTick(const Gauges& gauges, double seconds) {
  const auto set = [&](const char* name, const char* help, uint64_t value) {
    metrics_.Gauge(name, help).Set(static_cast<double>(value));
  };
  set("sojourn_actors", "Actors that hold a stream", gauges.actors);
  set("sojourn_learners", "Learner ranks that hold a stream", gauges.learners);
  set("sojourn_groups_queued", "Groups that nobody plays yet", gauges.queued);
  set("sojourn_groups_leased", "Groups that actors play", gauges.leased);
  set("sojourn_policy_version", "Policy version of the arm", gauges.version);
  set("sojourn_updates_planned", "Updates of the arm whose groups exist", gauges.planned);
  set("sojourn_evaluation_episodes_left", "Episodes that the row under way still needs",
      gauges.row_left);
  for (int state = v1::QUEUED; state <= v1::CANCELLED; ++state) {
    const auto found = gauges.jobs.find(static_cast<v1::JobState>(state));
    metrics_.Gauge("sojourn_jobs", "Jobs by state", {{"state", v1::JobState_Name(state)}})
        .Set(found == gauges.jobs.end() ? 0 : static_cast<double>(found->second));
  }
  if (!gauges.waiting_for.empty()) {
    metrics_
        .Counter("sojourn_waiting_seconds_total",
                 "Time in which the job waited, by whom it waited for",
                 {{"for", gauges.waiting_for}})
        .Increment(seconds);
  }
}

}  // namespace sojourn::coordinator
