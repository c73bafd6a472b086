#include "coordinator/task_counts.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "envs/environment.h"

namespace sojourn::coordinator {

absl::StatusOr<TaskCounts> CountTasks(const v1::JobConfig& config) {
  TaskCounts counts;
  for (int i = 0; i < config.environments_size(); ++i) {
    const v1::Environment& named = config.environments(i);
    const auto fault = [&](const absl::Status& status) {
      return absl::InvalidArgumentError(absl::StrCat("environments[", i, "]: ", status.message()));
    };
    auto environment =
        envs::Make(named.type(), envs::Options(named.options().begin(), named.options().end()));
    if (!environment.ok()) return fault(environment.status());
    for (const envs::DifficultySpec& difficulty : (*environment)->spec().difficulties) {
      const auto train = (*environment)->TaskCount(envs::Split::kTrain, difficulty.difficulty);
      const auto test = (*environment)->TaskCount(envs::Split::kTest, difficulty.difficulty);
      if (!train.ok()) return fault(train.status());
      if (!test.ok()) return fault(test.status());
      TaskCounts::Count& count = *counts.add_counts();
      count.set_environment(named.name());
      count.set_difficulty(difficulty.difficulty);
      count.set_train(*train);
      count.set_test(*test);
    }
  }
  return counts;
}

}  // namespace sojourn::coordinator
