#include "coordinator/curriculum.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/random.h"
#include "coordinator/evaluation.h"

namespace sojourn::coordinator {
namespace {

const v1::Stage& StageOf(const JobPlan& plan, const CurriculumState& state) {
  return plan.config.arms(state.arm()).stages(state.stage());
}

uint64_t EpisodesPerUpdate(const v1::JobConfig& config) {
  return uint64_t{config.rollout().groups_per_update()} * config.rollout().group_size();
}

// Whether the stage has a `stage_update`-th update, as far as is known now. Once false, it stays
// false.
bool MayPlan(const JobPlan& plan, const CurriculumState& state, uint64_t stage_update) {
  const uint64_t limit = PlannedUpdates(plan.config, StageOf(plan, state));
  return !state.ending() && (limit == 0 || stage_update < limit);
}

// The entry that is furthest behind its share of the groups; the first of equals.
int NeediestEntry(const v1::Stage& stage, const CurriculumState& state) {
  double total_weight = 0;
  uint64_t groups = 0;
  for (const v1::MixtureEntry& entry : stage.mixture()) total_weight += entry.weight();
  for (const uint64_t count : state.entry_groups()) groups += count;
  int best = 0;
  double best_deficit = 0;
  for (int i = 0; i < stage.mixture_size(); ++i) {
    const double share = stage.mixture(i).weight() / total_weight;
    const double deficit =
        share * static_cast<double>(groups + 1) - static_cast<double>(state.entry_groups(i));
    // Shares such as 1/3 are not exact: what differs by less than rounding does not differ.
    if (i == 0 || deficit > best_deficit + 1e-9) {
      best = i;
      best_deficit = deficit;
    }
  }
  return best;
}

uint32_t MaxTurns(const v1::Stage& stage, const v1::MixtureEntry& entry, uint64_t stage_update) {
  uint32_t turns = entry.max_turns();
  for (const v1::HorizonStep& step : stage.horizon()) {
    if (step.from_update() <= stage_update) turns = step.max_turns();
  }
  return turns;
}

absl::Status DrawTask(const JobPlan& plan, const v1::MixtureEntry& entry, RandomKey key,
                      v1::Assignment& assignment) {
  std::vector<const TaskCounts::Count*> candidates;
  for (const TaskCounts::Count& count : plan.counts.counts()) {
    if (count.environment() == entry.environment() &&
        count.difficulty() >= entry.min_difficulty() &&
        count.difficulty() <= entry.max_difficulty() && count.train() > 0) {
      candidates.push_back(&count);
    }
  }
  if (candidates.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "environment \"", entry.environment(), "\" has no training tasks of difficulty ",
        entry.min_difficulty(), " to ", entry.max_difficulty()));
  }
  Random random(key);
  const TaskCounts::Count& chosen = *candidates[random.Below(candidates.size())];
  assignment.set_environment(entry.environment());
  assignment.set_difficulty(chosen.difficulty());
  assignment.set_task_index(static_cast<int64_t>(random.Below(chosen.train())));
  assignment.set_split("train");
  return absl::OkStatus();
}

absl::Status PlanUpdate(const JobPlan& plan, Step& step) {
  CurriculumState& state = step.state;
  const v1::Rollout& rollout = plan.config.rollout();
  const v1::Arm& arm = plan.config.arms(state.arm());
  const v1::Stage& stage = StageOf(plan, state);
  const uint64_t update = state.planned();
  const uint64_t staleness = rollout.max_staleness();
  const uint64_t version =
      std::max(state.first_version(), update > staleness ? update - staleness : 0);
  for (uint64_t i = 0; i < rollout.groups_per_update(); ++i) {
    const uint64_t group = update * rollout.groups_per_update() + i;
    const int chosen = NeediestEntry(stage, state);
    const v1::MixtureEntry& entry = stage.mixture(chosen);
    state.set_entry_groups(chosen, state.entry_groups(chosen) + 1);
    // The arm's name, not its place: adding or reordering arms changes nothing in this one.
    const RandomKey key = RandomKey(arm.seed() != 0 ? arm.seed() : plan.config.seed())
                              .With("arm")
                              .With(arm.name())
                              .With("stage")
                              .With(state.stage())
                              .With("group")
                              .With(group);
    v1::Assignment assignment;
    assignment.mutable_name()->set_job_id(plan.job_id);
    assignment.mutable_name()->set_arm(state.arm());
    assignment.mutable_name()->set_group(group);
    if (absl::Status drawn = DrawTask(plan, entry, key.With("task"), assignment); !drawn.ok()) {
      return drawn;
    }
    assignment.set_max_turns(MaxTurns(stage, entry, update - state.first_version()));
    assignment.set_episodes(rollout.group_size());
    assignment.set_policy_version(version);
    assignment.set_mode(v1::SAMPLE);
    assignment.set_learner_rank(static_cast<uint32_t>(group % LearnerRanks(plan.config)));
    assignment.set_random_key(key.With("play").value());
    step.planned.push_back(std::move(assignment));
  }
  state.set_planned(update + 1);
  return absl::OkStatus();
}

absl::Status BeginStage(const JobPlan& plan, uint32_t stage, Step& step) {
  CurriculumState& state = step.state;
  state.set_phase(CurriculumState::TRAIN);
  state.set_stage(stage);
  state.set_first_version(state.version());
  state.clear_entry_groups();
  for (int i = 0; i < StageOf(plan, state).mixture_size(); ++i) state.add_entry_groups(0);
  state.set_stage_episodes(0);
  state.set_stage_tokens(0);
  state.set_successes_in_a_row(0);
  state.set_ending(false);
  for (uint64_t i = 0; i <= plan.config.rollout().max_staleness() && MayPlan(plan, state, i); ++i) {
    if (absl::Status planned = PlanUpdate(plan, step); !planned.ok()) return planned;
  }
  return absl::OkStatus();
}

absl::Status EndStage(const JobPlan& plan, Step& step) {
  CurriculumState& state = step.state;
  const v1::Arm& arm = plan.config.arms(state.arm());
  if (state.stage() + 1 < arm.stages_size()) return BeginStage(plan, state.stage() + 1, step);
  if (state.arm() + 1 < plan.config.arms_size()) {
    state.set_arm(state.arm() + 1);
    state.set_version(0);
    state.set_planned(0);
    return BeginStage(plan, 0, step);
  }
  state.set_phase(CurriculumState::DONE);
  return absl::OkStatus();
}

absl::Status OnUpdate(const JobPlan& plan, const UpdateConsumed& event, Step& step) {
  CurriculumState& state = step.state;
  const v1::Advance& advance = StageOf(plan, state).advance();
  state.set_version(state.version() + 1);
  state.set_stage_episodes(state.stage_episodes() + event.episodes());
  state.set_stage_tokens(state.stage_tokens() + event.tokens());
  state.set_episodes(state.episodes() + event.episodes());
  state.set_tokens(state.tokens() + event.tokens());
  if (advance.success_threshold() > 0) {
    const bool reached = event.episodes() > 0 &&
                         static_cast<double>(event.successes()) >=
                             advance.success_threshold() * static_cast<double>(event.episodes());
    state.set_successes_in_a_row(reached ? state.successes_in_a_row() + 1 : 0);
    if (state.successes_in_a_row() >= std::max(1u, advance.success_patience())) {
      state.set_ending(true);
    }
  }
  if (advance.tokens() > 0 && state.stage_tokens() >= advance.tokens()) state.set_ending(true);
  // The limits on updates and episodes need no draining: MayPlan stops exactly at them.
  if (MayPlan(plan, state, state.planned() - state.first_version())) return PlanUpdate(plan, step);
  if (state.version() == state.planned()) state.set_phase(CurriculumState::SAVE_STAGE);
  return absl::OkStatus();
}

// The starting policy is saved before it is measured, where it is ours.
CurriculumState::Phase MeasureStart(const JobPlan& plan) {
  return plan.config.policy().has_endpoint() ? CurriculumState::BEFORE_ROW
                                             : CurriculumState::SAVE_BEFORE;
}

absl::Status Apply(const JobPlan& plan, const Event& event, Step& step) {
  CurriculumState& state = step.state;
  const bool evaluates = HasEvaluation(plan.config);
  switch (event.event_case()) {
    case Event::kStarted:
      if (state.phase() != CurriculumState::NOT_STARTED) break;
      if (!evaluates) return BeginStage(plan, 0, step);
      state.set_phase(plan.config.evaluation().random_row() ? CurriculumState::RANDOM_ROW
                                                            : MeasureStart(plan));
      return absl::OkStatus();
    case Event::kRowMeasured:
      if (RowUnderWay(state) != event.row_measured().row()) break;
      if (state.phase() == CurriculumState::RANDOM_ROW) {
        state.set_phase(MeasureStart(plan));
        return absl::OkStatus();
      }
      // A job whose one arm has no stages only measures its starting policy.
      if (state.phase() == CurriculumState::BEFORE_ROW && plan.config.arms(state.arm()).stages_size() > 0) {
        return BeginStage(plan, 0, step);
      }
      return EndStage(plan, step);
    case Event::kCheckpointWritten:
      if (event.checkpoint_written().version() != state.version() ||
          event.checkpoint_written().label() != CheckpointLabel(state)) {
        break;
      }
      if (state.phase() == CurriculumState::SAVE_BEFORE) {
        state.set_phase(CurriculumState::BEFORE_ROW);
        return absl::OkStatus();
      }
      if (state.phase() != CurriculumState::SAVE_STAGE) break;
      if (!evaluates) return EndStage(plan, step);
      state.set_phase(CurriculumState::STAGE_ROW);
      return absl::OkStatus();
    case Event::kUpdateConsumed:
      if (state.phase() != CurriculumState::TRAIN ||
          event.update_consumed().update() != state.version()) {
        break;
      }
      return OnUpdate(plan, event.update_consumed(), step);
    case Event::EVENT_NOT_SET:
      break;
  }
  return absl::FailedPreconditionError(absl::StrCat("event {", event.ShortDebugString(),
                                                    "} does not fit the state {",
                                                    state.ShortDebugString(), "}"));
}

}  // namespace

uint32_t LearnerRanks(const v1::JobConfig& config) {
  if (config.policy().has_endpoint()) return 0;  // nothing is learned, and no weights are served
  return std::max(1u, config.resources().learner_ranks());
}

bool HasEvaluation(const v1::JobConfig& config) {
  return config.evaluation().cells_size() > 0 && config.evaluation().tasks() > 0;
}

uint64_t PlannedUpdates(const v1::JobConfig& config, const v1::Stage& stage) {
  const uint64_t per_update = std::max<uint64_t>(1, EpisodesPerUpdate(config));
  const uint64_t by_episodes = (stage.advance().episodes() + per_update - 1) / per_update;
  const uint64_t by_updates = stage.advance().updates();
  if (by_updates == 0 || by_episodes == 0) return std::max(by_updates, by_episodes);
  return std::min(by_updates, by_episodes);
}

uint64_t PlannedUpdates(const v1::JobConfig& config, const v1::Arm& arm) {
  uint64_t total = 0;
  for (const v1::Stage& stage : arm.stages()) {
    const uint64_t planned = PlannedUpdates(config, stage);
    if (planned == 0) return 0;
    total += planned;
  }
  return total;
}

std::string CheckpointLabel(const CurriculumState& state) {
  switch (state.phase()) {
    case CurriculumState::SAVE_BEFORE:
    case CurriculumState::BEFORE_ROW:
      return "before";
    case CurriculumState::SAVE_STAGE:
    case CurriculumState::STAGE_ROW:
      return absl::StrCat("stage-", state.stage() + 1);
    default:
      return "";
  }
}

absl::StatusOr<Step> Next(const JobPlan& plan, const CurriculumState& state, const Event& event) {
  Step step;
  step.state = state;
  if (absl::Status applied = Apply(plan, event, step); !applied.ok()) return applied;
  return step;
}

}  // namespace sojourn::coordinator
