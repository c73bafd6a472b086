// The users' side of the coordinator: what can be asked of jobs, and what they say about
// themselves.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/suggest.h"
#include "coordinator/coordinator.h"
#include "coordinator/evaluation.h"
#include "coordinator/progress.h"

namespace sojourn::coordinator {
namespace {

constexpr double kLongWait = 10;  // seconds
constexpr absl::Duration kStalled =
    absl::Seconds(2);  // without any progress: worth naming who is waited for

bool HasEnded(v1::JobState state) {
  return state == v1::SUCCEEDED || state == v1::FAILED || state == v1::CANCELLED;
}

// "groups 12, 13", at most a handful of them.
std::string GroupList(const std::vector<uint64_t>& groups) {
  constexpr size_t kShown = 6;
  const std::vector<uint64_t> shown(groups.begin(),
                                    groups.begin() + std::min(groups.size(), kShown));
  return absl::StrCat(
      groups.size() == 1 ? "group " : "groups ", absl::StrJoin(shown, ", "),
      groups.size() > kShown ? absl::StrCat(" and ", groups.size() - kShown, " more") : "");
}

std::string InOwnWords(const v1::Heartbeat& heartbeat) {
  if (heartbeat.waiting_for().empty()) return "";
  return absl::StrCat(" (waiting for ", heartbeat.waiting_for(), ")");
}

std::string PhaseName(CurriculumState::Phase phase) {
  switch (phase) {
    case CurriculumState::RANDOM_ROW:
    case CurriculumState::BEFORE_ROW:
    case CurriculumState::STAGE_ROW:
      return "evaluating";
    case CurriculumState::SAVE_BEFORE:
    case CurriculumState::SAVE_STAGE:
      return "checkpointing";
    case CurriculumState::DONE:
      return "done";
    default:
      return "training";
  }
}

}  // namespace

absl::StatusOr<StoredJob*> Coordinator::Find(const std::string& job_id) {
  if (job_id.empty() && !jobs_.empty()) return &jobs_.back();
  std::vector<std::string> known;
  for (StoredJob& job : jobs_) {
    if (job.plan.job_id == job_id) return &job;
    known.push_back(job.plan.job_id);
  }
  if (known.empty()) return absl::NotFoundError("there are no jobs yet");
  return absl::NotFoundError(absl::StrCat(
      "unknown job \"", job_id, "\"; known: ", absl::StrJoin(known, ", "), Suggest(job_id, known)));
}

absl::StatusOr<std::string> Coordinator::Submit(const v1::JobConfig& config,
                                                const std::string& request_id) {
  if (!request_id.empty()) {
    std::lock_guard lock(mu_);
    auto found = store_->FindRequest(request_id);
    if (!found.ok()) return found.status();
    if (found->has_value()) return **found;
  }
  // Reading models and making environments takes time: not under the lock.
  if (absl::Status valid = options_.validate(config); !valid.ok()) return valid;
  auto counts = options_.count_tasks(config);
  if (!counts.ok()) return counts.status();

  std::lock_guard lock(mu_);
  if (!request_id.empty()) {  // the same request may have come twice at once
    auto found = store_->FindRequest(request_id);
    if (!found.ok()) return found.status();
    if (found->has_value()) return **found;
  }
  std::set<std::string> taken;
  for (const StoredJob& job : jobs_) taken.insert(job.plan.job_id);
  StoredJob job;
  job.plan.job_id = config.name();
  for (int i = 2; taken.contains(job.plan.job_id); ++i)
    job.plan.job_id = absl::StrCat(config.name(), "-", i);
  job.plan.config = config;
  job.plan.counts = *std::move(counts);
  job.run_directory = absl::StrCat(options_.runs_directory, "/", job.plan.job_id);
  if (absl::Status added = store_->AddJob(job, request_id); !added.ok()) return added;
  const std::string id = job.plan.job_id;
  spdlog::info("job {} submitted", id);
  jobs_.push_back(std::move(job));
  StartNext();
  return id;
}

absl::StatusOr<v1::JobStatus> Coordinator::Get(const std::string& job_id) {
  std::lock_guard lock(mu_);
  auto job = Find(job_id);
  if (!job.ok()) return job.status();
  return StatusOf(**job);
}

std::vector<v1::JobStatus> Coordinator::List() {
  std::lock_guard lock(mu_);
  std::vector<v1::JobStatus> statuses;
  for (const StoredJob& job : jobs_) statuses.push_back(StatusOf(job));
  return statuses;
}

absl::StatusOr<v1::JobStatus> Coordinator::Cancel(const std::string& job_id) {
  std::lock_guard lock(mu_);
  auto found = Find(job_id);
  if (!found.ok()) return found.status();
  StoredJob& job = **found;
  if (job.state == v1::CANCELLED) return StatusOf(job);
  if (HasEnded(job.state)) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", job.plan.job_id, " is over: ", v1::JobState_Name(job.state)));
  }
  const bool active = active_.has_value() && active_->job == &job;
  absl::Status stored =
      store_->SetState(job.plan.job_id, v1::CANCELLED, "", active ? RunningSeconds() : job.seconds);
  if (!stored.ok()) return stored;
  if (active) {
    EndJob(v1::CANCELLED, "");
  } else {
    job.state = v1::CANCELLED;
  }
  return StatusOf(job);
}

absl::StatusOr<v1::JobStatus> Coordinator::Pause(const std::string& job_id) {
  std::lock_guard lock(mu_);
  auto found = Find(job_id);
  if (!found.ok()) return found.status();
  StoredJob& job = **found;
  if (job.state == v1::PAUSED) return StatusOf(job);
  if (HasEnded(job.state)) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", job.plan.job_id, " is over: ", v1::JobState_Name(job.state)));
  }
  const bool active = active_.has_value() && active_->job == &job;
  const double seconds = active ? RunningSeconds() : job.seconds;
  if (absl::Status stored = store_->SetState(job.plan.job_id, v1::PAUSED, "", seconds);
      !stored.ok())
    return stored;
  job.state = v1::PAUSED;
  job.seconds = seconds;
  return StatusOf(job);
}

absl::StatusOr<v1::JobStatus> Coordinator::Resume(const std::string& job_id) {
  std::lock_guard lock(mu_);
  auto found = Find(job_id);
  if (!found.ok()) return found.status();
  StoredJob& job = **found;
  if (job.state == v1::RUNNING || job.state == v1::QUEUED) return StatusOf(job);
  if (job.state != v1::PAUSED) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", job.plan.job_id, " is over: ", v1::JobState_Name(job.state)));
  }
  const bool active = active_.has_value() && active_->job == &job;
  const v1::JobState state = active ? v1::RUNNING : v1::QUEUED;
  if (absl::Status stored = store_->SetState(job.plan.job_id, state, "", job.seconds); !stored.ok())
    return stored;
  job.state = state;
  if (active) active_->running_since = active_->last_progress = options_.now();
  StartNext();
  IssueWork();
  return StatusOf(job);
}

absl::StatusOr<v1::Results> Coordinator::Report(const std::string& job_id) {
  std::lock_guard lock(mu_);
  auto job = Find(job_id);
  if (!job.ok()) return job.status();
  return CollectResults(**job);
}

v1::JobStatus Coordinator::StatusOf(const StoredJob& job) {
  v1::JobStatus status;
  status.set_job_id(job.plan.job_id);
  status.set_state(job.state);
  status.set_error(job.error);
  *status.mutable_config() = job.plan.config;
  status.set_run_directory(job.run_directory);

  const CurriculumState& state = job.curriculum;
  const v1::Arm& arm = job.plan.config.arms(static_cast<int>(state.arm()));
  v1::Progress& progress = *status.mutable_progress();
  progress.set_arm(arm.name());
  progress.set_arm_index(state.arm());
  progress.set_arms(job.plan.config.arms_size());
  progress.set_stage(state.stage());
  progress.set_stages(arm.stages_size());
  progress.set_update(state.version());
  progress.set_planned_updates(PlannedArmUpdates(job.plan, state));
  progress.set_episodes(state.episodes());
  progress.set_tokens(state.tokens());
  const bool active = active_.has_value() && active_->job == &job;
  progress.set_work_done(
      WorkDone(job.plan, state, active ? active_->row_episodes - active_->row_left : 0));
  if (active) {
    FillProgress(progress);
  } else if (job.state == v1::QUEUED) {
    progress.set_phase("queued");
    if (active_.has_value()) {
      progress.set_waiting_for(absl::StrCat("job ", active_->job->plan.job_id, " to end"));
    }
  } else {
    progress.set_phase(job.state == v1::PAUSED ? "paused" : "done");
  }
  return status;
}

void Coordinator::FillProgress(v1::Progress& progress) {
  AddRecent(active_->recent, State().stage(), progress);
  if (active_->job->state == v1::PAUSED) return progress.set_phase("paused");
  const Waiting waiting = WaitingFor();
  progress.set_waiting_for(waiting.text);
  progress.set_phase(waiting.blocked ? absl::StrCat("waiting for ", waiting.text)
                                     : PhaseName(State().phase()));
  const double done = progress.work_done();
  if (done > 0.01) progress.set_seconds_left(RunningSeconds() * (1 - done) / done);
}

Coordinator::Waiting Coordinator::WaitingFor() const {
  if (!active_.has_value() || active_->job->state != v1::RUNNING) return {};
  const absl::Time now = options_.now();
  // Beats come at least three times per lease: one that is overdue is worth a word.
  const absl::Duration overdue = std::max(kStalled, options_.lease * 0.4);
  const auto silence = [&](absl::Time heard) -> std::string {
    if (now - heard < overdue) return "";
    return absl::StrCat(" (no heartbeat for ", std::lround(absl::ToDoubleSeconds(now - heard)),
                        " s)");
  };
  const bool stalled = now - active_->last_progress >= kStalled;
  const CurriculumState& state = State();

  if (state.phase() != CurriculumState::RANDOM_ROW) {
    std::vector<std::string> absent, silent, loading;
    for (uint32_t rank = 0; rank < Ranks(); ++rank) {
      const auto learner = learners_.find(rank);
      const std::string name = absl::StrCat("learner rank ", rank);
      if (learner == learners_.end()) {
        absent.push_back(absl::StrCat(name, " to join"));
      } else if (const std::string text = silence(learner->second.heard); !text.empty()) {
        silent.push_back(name + text);
      } else if (!active_->ready.contains(rank)) {
        loading.push_back(
            absl::StrCat(name, " to load the arm", InOwnWords(learner->second.heartbeat)));
      }
    }
    for (const auto* names : {&absent, &silent, &loading}) {
      if (!names->empty()) return {"learner", absl::StrJoin(*names, ", "), true};
    }
    if (!CheckpointLabel(state).empty() && !RowUnderWay(state).has_value()) {
      if (!stalled) return {};
      return {"learner",
              absl::StrCat("learner rank 0 to write the checkpoint of version ", state.version()),
              false};
    }
  }
  const uint64_t groups = active_->job->plan.config.rollout().groups_per_update();
  const bool training = state.phase() == CurriculumState::TRAIN;
  const uint64_t first = training ? state.version() * groups : 0;
  const uint64_t end = training ? first + groups : active_->row_members.size();
  const auto outstanding =
      (training ? active_->training : active_->evaluation).Outstanding(first, end);
  if (!outstanding.empty() && actors_.empty()) return {"actor", "an actor to join", true};
  for (const auto& [name, held] : outstanding) {
    const auto actor = actors_.find(name);
    if (actor == actors_.end()) continue;
    if (const std::string text = silence(actor->second.heard); !text.empty())
      return {"actor", name + text, false};
  }
  std::vector<std::string> parts;
  for (const auto& [name, held] : outstanding) {
    const auto actor = actors_.find(name);
    // An actor that waits long is told of even while the job crawls on.
    const bool waits =
        actor != actors_.end() && actor->second.heartbeat.waiting_seconds() >= kLongWait;
    if (!stalled && !waits) continue;
    parts.push_back(actor == actors_.end()
                        ? absl::StrCat(GroupList(held), ", for which no actor has room")
                        : absl::StrCat(GroupList(held), " played by ", name,
                                       InOwnWords(actor->second.heartbeat)));
  }
  if (!parts.empty()) return {"groups", absl::StrJoin(parts, "; "), false};
  if (!training || !stalled) return {};
  const auto reports = active_->reports.find(state.version());
  for (uint32_t rank = 0; rank < Ranks(); ++rank) {
    if (reports != active_->reports.end() && reports->second.contains(rank)) continue;
    parts.push_back(absl::StrCat("learner rank ", rank, " to report update ", state.version(),
                                 InOwnWords(learners_.at(rank).heartbeat)));
  }
  return {"learner", absl::StrJoin(parts, ", "), false};
}

}  // namespace sojourn::coordinator
