#include "coordinator/progress.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "coordinator/evaluation.h"

namespace sojourn::coordinator {
namespace {

constexpr double kUnknownUpdates = 10;  // a stage's length when nothing can be said about it

double StageEpisodes(const JobPlan& plan, const CurriculumState& state, const v1::Stage& stage) {
  const double per_update = static_cast<double>(plan.config.rollout().groups_per_update()) *
                            plan.config.rollout().group_size();
  const uint64_t planned = PlannedUpdates(plan.config, stage);
  if (planned > 0) return static_cast<double>(planned) * per_update;
  if (stage.advance().tokens() > 0 && state.tokens() > 0) {
    return static_cast<double>(stage.advance().tokens()) * static_cast<double>(state.episodes()) /
           static_cast<double>(state.tokens());
  }
  return kUnknownUpdates * per_update;
}

}  // namespace

double WorkDone(const JobPlan& plan, const CurriculumState& state, uint64_t row_results) {
  using State = CurriculumState;
  double done = 0, total = 0;
  const auto add = [&](bool behind, double whole, double part) {
    total += whole;
    done += behind ? whole : std::min(whole, part);
  };
  const auto row = RowUnderWay(state);
  const auto add_row = [&](bool behind, bool present, uint32_t number) {
    add(behind, static_cast<double>(RowEpisodes(plan, number)),
        present && row == number ? static_cast<double>(row_results) : 0);
  };
  if (HasEvaluation(plan.config)) {
    if (plan.config.evaluation().random_row())
      add_row(state.phase() > State::RANDOM_ROW, true, kRandomRow);
    add_row(state.phase() > State::BEFORE_ROW, true, kBeforeRow);
  }
  for (uint32_t arm = 0; arm < plan.config.arms_size(); ++arm) {
    const v1::Arm& config = plan.config.arms(static_cast<int>(arm));
    for (uint32_t stage = 0; stage < config.stages_size(); ++stage) {
      const bool present =
          arm == state.arm() && stage == state.stage() && state.phase() >= State::TRAIN;
      const bool behind =
          state.phase() == State::DONE || arm < state.arm() ||
          (arm == state.arm() && state.phase() >= State::TRAIN && stage < state.stage());
      add(behind || (present && state.phase() > State::TRAIN),
          StageEpisodes(plan, state, config.stages(static_cast<int>(stage))),
          present ? static_cast<double>(state.stage_episodes()) : 0);
      if (HasEvaluation(plan.config)) add_row(behind, present, StageRow(stage));
    }
  }
  return total == 0 ? 0 : done / total;
}

uint64_t PlannedArmUpdates(const JobPlan& plan, const CurriculumState& state) {
  const v1::Arm& arm = plan.config.arms(static_cast<int>(state.arm()));
  uint64_t updates = state.first_version();
  for (uint32_t stage = state.stage(); stage < arm.stages_size(); ++stage) {
    uint64_t planned = PlannedUpdates(plan.config, arm.stages(static_cast<int>(stage)));
    if (stage == state.stage()) {
      const uint64_t known = state.planned() - state.first_version();
      const bool ended = state.ending() || state.phase() > CurriculumState::TRAIN;
      planned = ended ? known : std::max(planned, known);
    }
    updates += planned;
  }
  return updates;
}

void AddRecent(const std::deque<v1::UpdateRecord>& recent, uint32_t stage, v1::Progress& progress) {
  if (recent.empty()) return;
  *progress.mutable_last_update() = recent.back().metrics();
  // The first record only says when the interval begins.
  const double seconds = recent.back().seconds() - recent.front().seconds();
  double episodes = 0, tokens = 0;
  for (size_t i = 1; i < recent.size(); ++i) {
    episodes += static_cast<double>(recent[i].metrics().episodes());
    tokens += static_cast<double>(recent[i].metrics().tokens());
  }
  if (seconds > 0) {
    progress.set_episodes_per_second(episodes / seconds);
    progress.set_tokens_per_second(tokens / seconds);
  }
  std::map<std::pair<std::string, int32_t>, v1::EnvironmentSuccess> sums;
  for (const v1::UpdateRecord& record : recent) {
    if (record.stage() != stage) continue;
    for (const v1::EnvironmentSuccess& s : record.success()) {
      v1::EnvironmentSuccess& sum = sums[{s.environment(), s.difficulty()}];
      const double weight = static_cast<double>(s.episodes());
      sum.set_success(sum.success() + weight * s.success());
      sum.set_reward(sum.reward() + weight * s.reward());
      sum.set_turns(sum.turns() + weight * s.turns());
      sum.set_episodes(sum.episodes() + s.episodes());
      sum.set_failed_episodes(sum.failed_episodes() + s.failed_episodes());
    }
  }
  for (auto& [name, sum] : sums) {
    const double weight = static_cast<double>(std::max<uint64_t>(1, sum.episodes()));
    sum.set_environment(name.first);
    sum.set_difficulty(name.second);
    sum.set_success(sum.success() / weight);
    sum.set_reward(sum.reward() / weight);
    sum.set_turns(sum.turns() / weight);
    *progress.add_success() = std::move(sum);
  }
}

}  // namespace sojourn::coordinator
