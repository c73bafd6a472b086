#include "coordinator/coordinator.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "coordinator/evaluation.h"
#include "coordinator/results.h"
#include "coordinator/tensorboard.h"

namespace sojourn::coordinator {
namespace {

constexpr size_t kRecentUpdates = 8;  // what success and speed are shown over

// The update as a record: success by environment and difficulty, in that order.
v1::UpdateRecord MakeRecord(const std::map<uint32_t, v1::RankUpdate>& ranks, uint32_t stage,
                            double seconds) {
  struct Sum {
    uint64_t episodes = 0, successes = 0, turns = 0, failed = 0;
    double reward = 0;
  };
  std::map<std::pair<std::string, int32_t>, Sum> sums;
  for (const auto& [rank, update] : ranks) {
    for (const v1::GroupConsumed& group : update.groups()) {
      Sum& sum = sums[{group.environment(), group.difficulty()}];
      sum.episodes += group.episodes();
      sum.successes += group.successes();
      sum.turns += group.turns();
      sum.failed += group.failed_episodes();
      sum.reward += group.reward();
    }
  }
  v1::UpdateRecord record;
  record.set_update(ranks.begin()->second.update());
  record.set_stage(stage);
  record.set_seconds(seconds);
  *record.mutable_metrics() = ranks.begin()->second.metrics();
  for (const auto& [name, sum] : sums) {
    if (sum.episodes == 0) continue;
    v1::EnvironmentSuccess& success = *record.add_success();
    const double episodes = static_cast<double>(sum.episodes);
    success.set_environment(name.first);
    success.set_difficulty(name.second);
    success.set_success(static_cast<double>(sum.successes) / episodes);
    success.set_reward(sum.reward / episodes);
    success.set_turns(static_cast<double>(sum.turns) / episodes);
    success.set_episodes(sum.episodes);
    success.set_failed_episodes(sum.failed);
  }
  return record;
}

std::string MetricsLine(const v1::Arm& arm, const v1::UpdateRecord& record) {
  nlohmann::json line = UpdateJson(record);
  line["arm"] = arm.name();
  return line.dump() + "\n";
}

}  // namespace

absl::Time MonotonicNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

Coordinator::Coordinator(std::unique_ptr<Store> store, CoordinatorOptions options, Metrics& metrics)
    : options_(std::move(options)), metrics_(metrics), store_(std::move(store)) {
  last_tick_ = options_.now();
}

absl::StatusOr<std::unique_ptr<Coordinator>> Coordinator::Open(std::unique_ptr<Store> store,
                                                               CoordinatorOptions options,
                                                               Metrics& metrics) {
  std::unique_ptr<Coordinator> coordinator(
      new Coordinator(std::move(store), std::move(options), metrics));
  std::lock_guard lock(coordinator->mu_);
  if (absl::Status restored = coordinator->Restore(); !restored.ok()) return restored;
  return coordinator;
}

absl::Status Coordinator::Restore() {
  auto jobs = store_->LoadJobs();
  if (!jobs.ok()) return jobs.status();
  jobs_.assign(jobs->begin(), jobs->end());
  for (StoredJob& job : jobs_) {  // the folder may have been moved meanwhile
    job.run_directory = absl::StrCat(options_.runs_directory, "/", job.plan.job_id);
  }
  for (StoredJob& job : jobs_) {
    const bool paused =
        job.state == v1::PAUSED && job.curriculum.phase() != CurriculumState::NOT_STARTED;
    if (job.state == v1::RUNNING || paused) return Activate(job);
  }
  StartNext();
  return absl::OkStatus();
}

void Coordinator::StartNext() {
  if (active_.has_value()) return;
  for (StoredJob& job : jobs_) {
    if (job.state != v1::QUEUED) continue;
    absl::Status started = store_->SetState(job.plan.job_id, v1::RUNNING, "", job.seconds);
    if (started.ok()) {
      job.state = v1::RUNNING;
      started = Activate(job);
    }
    // The store refused: the next tick tries again.
    if (!started.ok())
      spdlog::error("job {} cannot start: {}", job.plan.job_id, started.ToString());
    return;
  }
}

absl::Status Coordinator::Activate(StoredJob& job) {
  active_.emplace();
  active_->job = &job;
  active_->running_since = active_->last_progress = options_.now();
  std::error_code error;
  std::filesystem::create_directories(job.run_directory, error);
  if (error) {
    EndJob(v1::FAILED,
           absl::StrCat("cannot make the run's folder ", job.run_directory, ": ", error.message()));
    return absl::OkStatus();
  }
  spdlog::info("job {} {}", job.plan.job_id,
               job.curriculum.phase() == CurriculumState::NOT_STARTED ? "starts" : "goes on");
  if (job.curriculum.phase() == CurriculumState::NOT_STARTED) {
    Event event;
    event.mutable_started();
    if (absl::Status started = Advance(event, {}); !started.ok()) return started;
  } else if (absl::Status loaded = LoadWork(); !loaded.ok()) {
    return loaded;
  }
  if (!active_.has_value() || active_->job != &job) return absl::OkStatus();
  RestoreUpdates();
  WelcomeAll();
  Rendezvous();
  MeasureRow();
  IssueWork();
  return absl::OkStatus();
}

absl::Status Coordinator::LoadWork() {
  Active& active = *active_;
  const JobPlan& plan = active.job->plan;
  active.loaded = false;
  active.training.Clear();
  active.evaluation.Clear();
  active.row_members.clear();
  active.row_results.clear();
  active.row_left = active.row_episodes = 0;
  auto groups = store_->LoadGroups(plan.job_id, State().arm(),
                                   State().version() * plan.config.rollout().groups_per_update());
  if (!groups.ok()) return groups.status();
  for (const v1::Assignment& assignment : *groups) active.training.Add(assignment);
  if (const auto row = RowUnderWay(State()); row.has_value()) {
    for (const v1::Assignment& assignment : PlanRow(plan, State().arm(), *row, State().version())) {
      active.evaluation.Add(assignment);
      active.row_members.push_back(assignment.episodes());
      active.row_episodes += assignment.episodes();
    }
    active.row_results.resize(active.row_members.size());
    active.row_left = active.row_episodes;
    auto results = store_->LoadResults(plan.job_id, State().arm(), *row);
    if (!results.ok()) return results.status();
    for (const v1::EpisodeResult& result : *results) {
      const uint64_t group = result.name().group();
      if (group >= active.row_members.size()) continue;
      active.row_left -= active.row_results[group].insert(result.member()).second ? 1 : 0;
      if (active.row_results[group].size() == active.row_members[group])
        active.evaluation.Deliver(group);
    }
  }
  active.loaded = true;
  return absl::OkStatus();
}

// Moves the job on: store, then act. An error means that nothing happened; the caller may try
// again. The job may be over afterwards, and another one active.
absl::Status Coordinator::Advance(Event event, EventRecord record) {
  StoredJob& job = *active_->job;
  const CurriculumState old = job.curriculum;
  auto step = Next(job.plan, old, event);
  if (!step.ok()) {
    EndJob(v1::FAILED, std::string(step.status().message()));
    return absl::OkStatus();
  }
  record.event = std::move(event);
  record.state = step->state;
  record.planned = std::move(step->planned);
  record.seconds = RunningSeconds();
  record.succeeded = step->state.phase() == CurriculumState::DONE;
  absl::Status stored = store_->Append(job.plan.job_id, old.arm(), record);
  if (!stored.ok()) return stored;
  job.curriculum = record.state;
  active_->last_progress = options_.now();

  const uint64_t groups = job.plan.config.rollout().groups_per_update();
  if (record.update.has_value()) {
    for (uint64_t i = 0; i < groups; ++i) active_->training.Erase(old.version() * groups + i);
    for (const v1::Assignment& assignment : record.planned) active_->training.Add(assignment);
  }
  if (record.state.arm() != old.arm()) {
    v1::CoordinatorToActor revoke;
    revoke.mutable_revoke()->set_job_id(job.plan.job_id);
    revoke.mutable_revoke()->set_arm(old.arm());
    for (auto& [name, actor] : actors_) actor.link->Send(revoke);
    active_->formed = false;
    active_->recent.clear();
    active_->reports.clear();
  }
  if (record.state.phase() != old.phase() || record.state.arm() != old.arm()) {
    spdlog::info("job {}: arm {}, stage {}, {} at version {}", job.plan.job_id, record.state.arm(),
                 record.state.stage(), CurriculumState::Phase_Name(record.state.phase()),
                 record.state.version());
    if (absl::Status loaded = LoadWork(); !loaded.ok()) {
      spdlog::error("{}; trying again", loaded.ToString());  // in Tick
    }
  }
  if (record.event.has_row_measured()) WriteReport();
  if (record.succeeded) {
    EndJob(v1::SUCCEEDED, "");
    return absl::OkStatus();
  }
  if (!CheckpointLabel(State()).empty() && record.state.phase() != old.phase()) {
    for (const uint32_t rank : std::set<uint32_t>(active_->ready)) AskForCheckpoint(rank);
  }
  Rendezvous();
  return absl::OkStatus();
}

// Moves on when every result of the row is stored.
void Coordinator::MeasureRow() {
  while (active_.has_value() && active_->loaded && active_->row_left == 0) {
    const auto row = RowUnderWay(State());
    if (!row.has_value()) return;
    Event event;
    event.mutable_row_measured()->set_row(*row);
    if (absl::Status advanced = Advance(event, {}); !advanced.ok()) {
      spdlog::error("{}; trying again", advanced.ToString());  // in Tick
      return;
    }
  }
}

// Counts every update that all ranks have reported, in order.
void Coordinator::ConsumeUpdates() {
  while (active_.has_value()) {
    const auto reported = active_->reports.find(State().version());
    if (State().phase() != CurriculumState::TRAIN || reported == active_->reports.end() ||
        reported->second.size() < Ranks()) {
      return;
    }
    const uint32_t arm = State().arm();
    const std::string job_id = active_->job->plan.job_id;
    const std::string run_directory = active_->job->run_directory;
    const std::map<uint32_t, v1::RankUpdate> parts = reported->second;
    Event event;
    UpdateConsumed& consumed = *event.mutable_update_consumed();
    consumed.set_update(State().version());
    for (const auto& [rank, part] : parts) {
      for (const v1::GroupConsumed& group : part.groups()) {
        consumed.set_episodes(consumed.episodes() + group.episodes());
        consumed.set_successes(consumed.successes() + group.successes());
        consumed.set_tokens(consumed.tokens() + group.tokens());
      }
    }
    EventRecord record;
    record.update = MakeRecord(parts, State().stage(), RunningSeconds());
    const v1::UpdateRecord update = *record.update;
    if (absl::Status advanced = Advance(event, std::move(record)); !advanced.ok()) {
      spdlog::error("{}; trying again", advanced.ToString());  // in Tick
      return;
    }
    v1::CoordinatorToLearner ack;
    ack.mutable_update_ack()->set_job_id(job_id);
    ack.mutable_update_ack()->set_arm(arm);
    ack.mutable_update_ack()->set_update(update.update());
    for (auto& [rank, learner] : learners_) learner.link->Send(ack);
    metrics_.OnUpdate(update);
    for (const auto& [rank, part] : parts) {
      for (const v1::GroupConsumed& group : part.groups()) metrics_.OnGroup(group);
    }
    if (!active_.has_value() || active_->job->plan.job_id != job_id) return;
    active_->reports.erase(update.update());
    active_->recent.push_back(update);
    if (active_->recent.size() > kRecentUpdates) active_->recent.pop_front();
    const v1::Arm& config = active_->job->plan.config.arms(arm);
    std::ofstream(run_directory + "/metrics.jsonl", std::ios::app) << MetricsLine(config, update);
    const std::string events = TensorboardPath(run_directory, config.name());
    const absl::Status begun = std::filesystem::exists(events)
                                   ? absl::OkStatus()
                                   : WriteFileAtomically(events, TensorboardHeader());
    if (!begun.ok()) spdlog::error("{}", begun.ToString());
    std::ofstream(events, std::ios::app | std::ios::binary) << TensorboardRecord(update);
  }
}

// The active job is over; the next one starts.
void Coordinator::EndJob(v1::JobState state, const std::string& error) {
  StoredJob& job = *active_->job;
  const double seconds = RunningSeconds();
  if (absl::Status stored = store_->SetState(job.plan.job_id, state, error, seconds);
      !stored.ok()) {
    // Not lost: a job that failed fails again when it goes on, and one that was cancelled is told
    // so.
    spdlog::error("job {}: cannot store its end: {}", job.plan.job_id, stored.ToString());
  }
  job.state = state;
  job.error = error;
  job.seconds = seconds;
  if (error.empty()) {
    spdlog::info("job {}: {}", job.plan.job_id, v1::JobState_Name(state));
  } else {
    spdlog::error("job {}: {}: {}", job.plan.job_id, v1::JobState_Name(state), error);
  }
  v1::CoordinatorToActor revoke;
  revoke.mutable_revoke()->set_job_id(job.plan.job_id);
  revoke.mutable_revoke()->set_arm(State().arm());
  for (auto& [name, actor] : actors_) actor.link->Send(revoke);
  v1::CoordinatorToLearner stop;
  stop.mutable_stop()->set_job_id(job.plan.job_id);
  for (auto& [rank, learner] : learners_) learner.link->Send(stop);
  WriteReport();
  active_.reset();
  StartNext();
  if (!active_.has_value()) WelcomeAll();
}

double Coordinator::RunningSeconds() const {
  const StoredJob& job = *active_->job;
  if (job.state != v1::RUNNING) return job.seconds;
  return job.seconds + absl::ToDoubleSeconds(options_.now() - active_->running_since);
}

v1::Results Coordinator::CollectResults(const StoredJob& job) {
  const CurriculumState& state = job.curriculum;
  const bool evaluates = HasEvaluation(job.plan.config);
  v1::Results results;
  *results.mutable_status() = StatusOf(job);
  const auto add_row = [&](v1::ArmResults& arm, uint32_t index, uint32_t measured_in,
                           uint32_t row) {
    auto found = store_->LoadResults(job.plan.job_id, measured_in, row);
    if (!found.ok()) {
      spdlog::error("{}", found.status().ToString());
      return;
    }
    *arm.add_rows() = CollectRow(job.plan, index, row, *found);
  };
  for (uint32_t i = 0; i <= state.arm() && i < job.plan.config.arms_size(); ++i) {
    const v1::Arm& config = job.plan.config.arms(i);
    const bool ended = i < state.arm() || state.phase() == CurriculumState::DONE;
    v1::ArmResults& arm = *results.add_arms();
    arm.set_name(config.name());
    if (evaluates && state.phase() > CurriculumState::RANDOM_ROW &&
        job.plan.config.evaluation().random_row()) {
      add_row(arm, i, 0, kRandomRow);
    }
    if (evaluates && state.phase() > CurriculumState::BEFORE_ROW) add_row(arm, i, 0, kBeforeRow);
    for (uint32_t stage = 0; stage < config.stages_size(); ++stage) {
      if (!ended && (state.phase() < CurriculumState::TRAIN || stage > state.stage())) break;
      for (const v1::MixtureEntry& entry : config.stages(stage).mixture()) {
        if (std::find(arm.trained().begin(), arm.trained().end(), entry.environment()) ==
            arm.trained().end()) {
          arm.add_trained(entry.environment());
        }
      }
      if (evaluates && (ended || stage < state.stage())) add_row(arm, i, i, StageRow(stage));
    }
    auto checkpoints = store_->LoadCheckpoints(job.plan.job_id, i);
    auto updates = store_->LoadUpdates(job.plan.job_id, i);
    for (const absl::Status& read : {checkpoints.status(), updates.status()}) {
      if (!read.ok()) spdlog::error("{}", read.ToString());
    }
    if (checkpoints.ok()) {
      for (const v1::CheckpointSaved& saved : *checkpoints) {
        if (saved.label() != absl::StrCat("stage-", config.stages_size())) continue;
        arm.set_final_weights_sha256(saved.weights_sha256());
        arm.set_final_model(saved.path());
      }
    }
    if (updates.ok()) {
      for (v1::UpdateRecord& record : *updates) *arm.add_updates() = std::move(record);
    }
  }
  return results;
}

void Coordinator::WriteReport() {
  const StoredJob& job = *active_->job;
  const v1::Results results = CollectResults(job);
  if (results.arms_size() > 0 && !results.arms().rbegin()->rows().empty()) {
    metrics_.OnRow(*results.arms().rbegin()->rows().rbegin());
  }
  const std::string report =
      BuildReport(results).dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
  absl::Status written = WriteFileAtomically(job.run_directory + "/report.json", report + "\n");
  if (!written.ok()) spdlog::error("{}", written.ToString());
}

// Writes metrics.jsonl and the event files from the store, so that lines are neither lost nor doubled when the process
// was killed in between, and remembers the newest updates.
void Coordinator::RestoreUpdates() {
  const StoredJob& job = *active_->job;
  std::string lines;
  for (uint32_t arm = 0; arm <= State().arm(); ++arm) {
    auto updates = store_->LoadUpdates(job.plan.job_id, arm);
    if (!updates.ok()) return spdlog::error("{}", updates.status().ToString());
    active_->recent.clear();
    const v1::Arm& config = job.plan.config.arms(static_cast<int>(arm));
    std::string events = TensorboardHeader();
    for (const v1::UpdateRecord& record : *updates) {
      lines += MetricsLine(config, record);
      events += TensorboardRecord(record);
      active_->recent.push_back(record);
      if (active_->recent.size() > kRecentUpdates) active_->recent.pop_front();
    }
    absl::Status written =
        WriteFileAtomically(TensorboardPath(job.run_directory, config.name()), events);
    if (!written.ok()) spdlog::error("{}", written.ToString());
  }
  absl::Status written = WriteFileAtomically(job.run_directory + "/metrics.jsonl", lines);
  if (!written.ok()) spdlog::error("{}", written.ToString());
}

}  // namespace sojourn::coordinator
