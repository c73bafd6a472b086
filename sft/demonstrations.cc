#include "sft/demonstrations.h"

#include "absl/strings/str_cat.h"
#include "sft/recorded.h"

namespace sojourn::sft {
namespace {

absl::Status At(size_t i, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("demonstrations[", i, "]: ", status.message()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Demonstrator>> Demonstrator::Create(const v1::SftConfig& config) {
  std::unique_ptr<Demonstrator> demonstrator(new Demonstrator());
  demonstrator->key_ = RandomKey(config.seed()).With("demonstrations");
  demonstrator->instructions_ = config.instructions();
  double total = 0;
  for (const v1::DemonstrationConfig& d : config.demonstrations()) total += d.weight();
  if (total <= 0) return absl::InvalidArgumentError("demonstrations: give at least one with a weight above 0");
  double sum = 0;
  for (int i = 0; i < config.demonstrations_size(); ++i) {
    const v1::DemonstrationConfig& d = config.demonstrations(i);
    sum += d.weight();
    if (!d.recordings().empty()) {
      auto recorded = ReadRecorded(d.recordings());
      if (!recorded.ok()) return At(i, recorded.status());
      demonstrator->sources_.push_back({.config = d, .recorded = *std::move(recorded), .until = sum / total});
      continue;
    }
    const envs::Options options(d.environment().options().begin(), d.environment().options().end());
    auto environment = envs::Make(d.environment().type(), options);
    if (!environment.ok()) return At(i, environment.status());
    for (int difficulty = d.min_difficulty(); difficulty <= std::max(d.min_difficulty(), d.max_difficulty()); ++difficulty) {
      const auto count = (*environment)->TaskCount(envs::Split::kTrain, difficulty);
      if (!count.ok()) return At(i, count.status());
    }
    Source source{.config = d, .environment = *std::move(environment)};
    source.instance = source.environment->NewInstance();
    source.until = sum / total;
    demonstrator->sources_.push_back(std::move(source));
  }
  return demonstrator;
}

absl::StatusOr<Demonstration> Demonstrator::Play(uint64_t n) {
  Random random(key_.With(n));
  const double share = random.Uniform();
  size_t s = 0;
  while (s + 1 < sources_.size() && share >= sources_[s].until) ++s;
  Source& source = sources_[s];
  const v1::DemonstrationConfig& config = source.config;
  if (!source.recorded.empty()) {
    Demonstration recorded = source.recorded[random.Below(source.recorded.size())];
    if (!instructions_) recorded.instructions.clear(), recorded.acceptance.clear();
    return recorded;
  }

  const int span = std::max(1, config.max_difficulty() - config.min_difficulty() + 1);
  envs::TaskId task{.split = envs::Split::kTrain,
                    .difficulty = config.min_difficulty() + static_cast<int>(random.Below(span))};
  const auto count = source.environment->TaskCount(task.split, task.difficulty);
  if (!count.ok()) return count.status();
  task.index = static_cast<int64_t>(random.Below(*count));
  const bool goal_blind = random.Uniform() < config.goal_blind();

  auto turn = source.instance->Reset(task);
  if (!turn.ok()) return turn.status();
  Demonstration demonstration;
  if (instructions_) {
    const std::string_view own = source.instance->Instructions();
    demonstration.instructions = own.empty() ? source.environment->spec().instructions : std::string(own);
    demonstration.acceptance = source.environment->spec().acceptance;
  }
  for (uint32_t t = 0; t < config.max_turns() && !turn->done; ++t) {
    auto advice = goal_blind ? source.instance->GoalBlind() : source.instance->Expert();
    if (absl::IsNotFound(advice.status())) break;   // this player knows no way on
    if (!advice.ok()) return advice.status();
    std::vector<std::string> actions;
    if (!goal_blind && random.Uniform() < config.noise()) actions = source.instance->ValidActions();
    const bool noise = !actions.empty();
    if (noise) {
      advice->action = actions[random.Below(actions.size())];
      advice->thought = "try something";
    }
    const std::string response = source.environment->spec().write_response(advice->thought, advice->action);
    demonstration.turns.push_back({turn->observation, response, !noise});
    turn = source.instance->Step(advice->action);
    if (!turn.ok()) return turn.status();
  }
  demonstration.success = turn->success;
  return demonstration;
}

}  // namespace sojourn::sft
