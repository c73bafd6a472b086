#include "coordinator/evaluation.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/random.h"

namespace sojourn::coordinator {
namespace {

bool IsTrain(const v1::EvaluationCell& cell) { return cell.split() == "train"; }

int64_t Tasks(const JobPlan& plan, const v1::EvaluationCell& cell) {
  for (const TaskCounts::Count& count : plan.counts.counts()) {
    if (count.environment() == cell.environment() && count.difficulty() == cell.difficulty()) {
      return std::min<int64_t>(IsTrain(cell) ? count.train() : count.test(),
                               plan.config.evaluation().tasks());
    }
  }
  return 0;
}

// Calls visit(cell, task, mode) for every assignment of the row, in order.
template <typename Visit>
void ForEachAssignment(const JobPlan& plan, uint32_t row, Visit visit) {
  const v1::Evaluation& evaluation = plan.config.evaluation();
  for (int cell = 0; cell < evaluation.cells_size(); ++cell) {
    const int64_t tasks = Tasks(plan, evaluation.cells(cell));
    for (int64_t task = 0; task < tasks; ++task) {
      if (evaluation.episodes_per_task() > 0) {
        visit(cell, task, row == kRandomRow ? v1::RANDOM_VALID : v1::SAMPLE);
      }
      if (evaluation.greedy() && row != kRandomRow) visit(cell, task, v1::GREEDY);
    }
  }
}

void AddResult(const v1::EpisodeResult& result, bool greedy, v1::TaskOutcome& outcome) {
  if (!result.error().empty()) {
    outcome.set_failed_episodes(outcome.failed_episodes() + 1);
    if (outcome.error().empty()) outcome.set_error(result.error());
  }
  if (greedy) {
    outcome.set_greedy_played(true);
    outcome.set_greedy_success(result.success());
    return;
  }
  outcome.set_episodes(outcome.episodes() + 1);
  outcome.set_successes(outcome.successes() + (result.success() ? 1 : 0));
  outcome.set_turns(outcome.turns() + result.turns());
  outcome.set_tokens(outcome.tokens() + result.tokens());
  outcome.set_invalid_actions(outcome.invalid_actions() + result.invalid_actions());
  outcome.set_repeated_failures(outcome.repeated_failures() + result.repeated_failures());
  outcome.set_progress(outcome.progress() + result.progress());
  outcome.set_truncated(outcome.truncated() + (result.truncated() ? 1 : 0));
}

}  // namespace

std::optional<uint32_t> RowUnderWay(const CurriculumState& state) {
  switch (state.phase()) {
    case CurriculumState::RANDOM_ROW:
      return kRandomRow;
    case CurriculumState::BEFORE_ROW:
      return kBeforeRow;
    case CurriculumState::STAGE_ROW:
      return StageRow(state.stage());
    default:
      return std::nullopt;
  }
}

std::string RowName(const v1::Arm& arm, uint32_t row) {
  if (row == kRandomRow) return "random";
  if (row == kBeforeRow) return "before";
  const uint32_t stage = row - StageRow(0);
  std::vector<std::string> environments;
  for (const v1::MixtureEntry& entry : arm.stages(stage).mixture()) {
    if (std::find(environments.begin(), environments.end(), entry.environment()) ==
        environments.end()) {
      environments.push_back(entry.environment());
    }
  }
  return absl::StrCat("after ", stage + 1, ": ", absl::StrJoin(environments, ", "));
}

std::vector<v1::Assignment> PlanRow(const JobPlan& plan, uint32_t arm, uint32_t row,
                                    uint64_t policy_version) {
  const v1::Evaluation& evaluation = plan.config.evaluation();
  std::vector<v1::Assignment> assignments;
  ForEachAssignment(plan, row, [&](int index, int64_t task, v1::PlayMode mode) {
    const v1::EvaluationCell& cell = evaluation.cells(index);
    v1::Assignment assignment;
    assignment.mutable_name()->set_job_id(plan.job_id);
    assignment.mutable_name()->set_arm(arm);
    assignment.mutable_name()->set_group(assignments.size());
    assignment.set_evaluation(true);
    assignment.set_row(row);
    assignment.set_environment(cell.environment());
    assignment.set_difficulty(cell.difficulty());
    assignment.set_task_index(task);
    assignment.set_split(IsTrain(cell) ? "train" : "test");
    assignment.set_variant(cell.variant());
    assignment.set_max_turns(cell.max_turns());
    assignment.set_episodes(mode == v1::GREEDY ? 1 : evaluation.episodes_per_task());
    assignment.set_policy_version(policy_version);
    assignment.set_mode(mode);
    assignment.set_want_transcript(mode != v1::GREEDY && task < evaluation.sample_trajectories());
    assignment.set_random_key(RandomKey(plan.config.seed())
                                  .With(IsTrain(cell) ? "evaluation, train" : "evaluation")
                                  .With(cell.environment())
                                  .With(static_cast<uint64_t>(cell.difficulty()))
                                  .With(static_cast<uint64_t>(task))
                                  .With(static_cast<uint64_t>(mode))
                                  .value());
    assignments.push_back(std::move(assignment));
  });
  return assignments;
}

uint64_t RowEpisodes(const JobPlan& plan, uint32_t row) {
  uint64_t episodes = 0;
  ForEachAssignment(plan, row, [&](int, int64_t, v1::PlayMode mode) {
    episodes += mode == v1::GREEDY ? 1 : plan.config.evaluation().episodes_per_task();
  });
  return episodes;
}

v1::MatrixRow CollectRow(const JobPlan& plan, uint32_t arm, uint32_t row,
                         const std::vector<v1::EpisodeResult>& results) {
  struct Place {
    int cell;
    int64_t task;
    bool greedy;
  };
  std::vector<Place> places;
  ForEachAssignment(plan, row, [&](int cell, int64_t task, v1::PlayMode mode) {
    places.push_back({cell, task, mode == v1::GREEDY});
  });
  std::map<std::pair<int, int64_t>, v1::TaskOutcome> outcomes;  // in cell and task order
  std::map<std::pair<int, int64_t>, v1::TranscriptSample> samples;
  for (const v1::EpisodeResult& result : results) {
    if (result.name().group() >= places.size()) continue;
    const Place& place = places[result.name().group()];
    v1::TaskOutcome& outcome = outcomes[{place.cell, place.task}];
    outcome.set_index(place.task);
    AddResult(result, place.greedy, outcome);
    if (result.transcript_size() == 0) continue;
    v1::TranscriptSample& sample = samples[{place.cell, place.task}];
    sample.set_index(place.task);
    sample.set_greedy(place.greedy);
    sample.set_success(result.success());
    *sample.mutable_turns() = result.transcript();
  }
  v1::MatrixRow matrix_row;
  matrix_row.set_row(RowName(plan.config.arms(arm), row));
  for (const v1::EvaluationCell& cell : plan.config.evaluation().cells()) {
    *matrix_row.add_cells()->mutable_cell() = cell;
  }
  for (auto& [place, outcome] : outcomes) {
    *matrix_row.mutable_cells(place.first)->add_tasks() = std::move(outcome);
  }
  for (auto& [place, sample] : samples) {
    *matrix_row.mutable_cells(place.first)->add_samples() = std::move(sample);
  }
  return matrix_row;
}

}  // namespace sojourn::coordinator
