#include "learner/learner_metrics.h"

#include "absl/time/clock.h"

namespace sojourn::learner {

LearnerMetrics::LearnerMetrics(Metrics& metrics) : metrics_(metrics) { SetActivity("starting"); }

void LearnerMetrics::AddSeconds(const std::string& part, double seconds) {
  metrics_
      .Counter("sojourn_learner_seconds_total", "Where the learner's time goes.", {{"part", part}})
      .Increment(seconds);
}

void LearnerMetrics::SetVersion(uint64_t version) {
  metrics_.Gauge("sojourn_learner_version", "Policy version: updates so far.")
      .Set(static_cast<double>(version));
}

void LearnerMetrics::SetUpdate(const v1::UpdateMetrics& update) {
  SetVersion(update.version());
  metrics_
      .Counter("sojourn_learner_updates_total",
               "Updates made by this process, replayed ones included.")
      .Increment();
  metrics_.Counter("sojourn_learner_episodes_total", "Episodes trained on, all ranks.")
      .Increment(static_cast<double>(update.episodes()));
  metrics_
      .Counter("sojourn_learner_generated_tokens_total", "Generated tokens trained on, all ranks.")
      .Increment(static_cast<double>(update.tokens()));
  metrics_
      .Counter("sojourn_learner_trained_tokens_total",
               "Tokens that the model read in training, all ranks.")
      .Increment(static_cast<double>(update.trained_tokens()));
  const auto set = [&](const char* name, const char* help, double value) {
    metrics_.Gauge(name, help).Set(value);
  };
  set("sojourn_learner_loss", "Loss of the last update.", update.loss());
  set("sojourn_learner_kl_nats", "KL to the starting policy (k3) in the last update.", update.kl());
  set("sojourn_learner_entropy_nats", "Entropy per generated token in the last update.",
      update.entropy());
  set("sojourn_learner_clip_fraction", "Share of tokens whose ratio was clipped.",
      update.clip_fraction());
  set("sojourn_learner_gradient_norm", "Gradient norm before clipping.", update.gradient_norm());
  set("sojourn_learner_learning_rate", "Learning rate of the last update.", update.learning_rate());
  set("sojourn_learner_logprob_difference",
      "Mean |log p_learner - log p_actor| at the version that played.",
      update.logprob_difference());
  set("sojourn_learner_active_groups_ratio", "Share of groups with a non-zero advantage.",
      update.active_groups());
  set("sojourn_learner_staleness_updates", "Mean staleness of the last update's tokens.",
      update.staleness());
  set("sojourn_learner_reward", "Mean reward of the last update's episodes.", update.reward());
  set("sojourn_learner_success_ratio", "Mean success of the last update's episodes.",
      update.success());
  AddSeconds("wait", update.wait_seconds());
  AddSeconds("train", update.train_seconds());
  AddSeconds("reduce", update.reduce_seconds());
}

void LearnerMetrics::SetQueues(const Ingest& ingest, const Journal& journal) {
  const Journal::Stats now = journal.stats();
  Journal::Stats last;
  {
    std::lock_guard lock(mu_);
    last = journal_;
    journal_ = now;
  }
  const auto set = [&](const char* name, const char* help, double value) {
    metrics_.Gauge(name, help).Set(value);
  };
  const auto add = [&](const char* name, const char* help, double value) {
    metrics_.Counter(name, help).Increment(value);
  };
  set("sojourn_learner_waiting_trajectories", "Trajectories taken in and not yet used.",
      static_cast<double>(ingest.waiting_trajectories()));
  set("sojourn_learner_journal_queued_records", "Records waiting to be written.",
      static_cast<double>(now.queued_records));
  set("sojourn_learner_journal_queued_bytes", "Bytes waiting to be written.",
      static_cast<double>(now.queued_bytes));
  set("sojourn_learner_journal_segments", "Files of the journal.",
      static_cast<double>(now.segments));
  add("sojourn_learner_journal_records_total", "Records written.",
      static_cast<double>(now.records - last.records));
  add("sojourn_learner_journal_bytes_total", "Bytes written.",
      static_cast<double>(now.bytes - last.bytes));
  add("sojourn_learner_journal_syncs_total", "Syncs of its files.",
      static_cast<double>(now.syncs - last.syncs));
  add("sojourn_learner_journal_sync_seconds_total", "Time in syncs, on a thread of their own.",
      now.sync_seconds - last.sync_seconds);
  AddSeconds("journal", now.write_seconds - last.write_seconds);
}

void LearnerMetrics::ForgetJournal() {
  std::lock_guard lock(mu_);
  journal_ = {};
}

void LearnerMetrics::SetActivity(const std::string& activity, const std::string& kind,
                                 const std::string& text) {
  const absl::Time now = absl::Now();
  std::lock_guard lock(mu_);
  if (!waiting_kind_.empty()) {
    metrics_
        .Counter("sojourn_learner_waiting_seconds_total", "Time spent waiting for others.",
                 {{"for", waiting_kind_}})
        .Increment(absl::ToDoubleSeconds(std::max(now - counted_until_, absl::ZeroDuration())));
  }
  if (kind != waiting_kind_) waiting_since_ = now;
  counted_until_ = now;
  activity_ = activity;
  waiting_kind_ = kind;
  waiting_for_ = text;
}

v1::Heartbeat LearnerMetrics::Heartbeat() const {
  std::lock_guard lock(mu_);
  v1::Heartbeat beat;
  beat.set_activity(activity_);
  if (!waiting_kind_.empty()) {
    beat.set_waiting_for(waiting_for_);
    beat.set_waiting_seconds(absl::ToDoubleSeconds(absl::Now() - waiting_since_));
  }
  return beat;
}

}  // namespace sojourn::learner
