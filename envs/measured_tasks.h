// Tasks by measured difficulty: how often a policy solved each, as a file, and environments whose
// difficulties are made of it.
#ifndef SOJOURN_ENVS_MEASURED_TASKS_H_
#define SOJOURN_ENVS_MEASURED_TASKS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/environment.h"

namespace sojourn::envs {

struct MeasuredTask {
  std::string environment;
  Options options;  // that the environment was made with
  TaskId task;
  uint32_t max_turns = 0;                // of an episode
  uint32_t episodes = 0, successes = 0;  // episodes > 0
  double turns = 0;                      // mean
  double rate() const { return static_cast<double>(successes) / episodes; }
};

// The file: JSON lines. The first tells the policy and the settings; every other is a task:
// {"environment", "options", "split", "difficulty", "index", "max_turns", "episodes", "successes",
// "success", "turns"}.
struct TaskFile {
  std::map<std::string, std::string> settings;
  std::vector<MeasuredTask> tasks;
};
std::string FormatTaskFile(const TaskFile& file);
// InvalidArgument names the line that is wrong or repeats another.
absl::StatusOr<TaskFile> ParseTaskFile(std::string_view text, const std::string& path);

// Where tasks are divided by their rate of success: below `hard_below` they are hard, from
// `easy_from` on easy.
struct TaskCut {
  double hard_below = 0, easy_from = 0;
};
// "0.5": tasks below are hard, the others easy. "0.25-0.75": those between are medium. In percent
// the numbers are shares of the tasks, the hardest first: "50%", "30%-70%"; tasks of one rate stay
// together, so a share is met as nearly as they allow. InvalidArgument says what is wrong.
absl::StatusOr<TaskCut> ParseTaskCut(std::string_view text, const std::vector<MeasuredTask>& tasks);

// The difficulties of such an environment.
inline constexpr int kEasy = 1, kMedium = 2, kHard = 3;

// The environment with the tasks of `file` that were measured in it, with the same options of its
// own: difficulty 1 easy, 2 medium, 3 hard, as far as there are any; a split has the tasks of its
// own split, in the file's order. So easy and hard tasks are disjoint, and so are training and test
// tasks. Errors name the file.
absl::StatusOr<std::unique_ptr<Environment>> ByMeasuredDifficulty(
    std::shared_ptr<const Environment> environment, const Options& options, const std::string& file,
    std::string_view cut);

}  // namespace sojourn::envs

#endif  // SOJOURN_ENVS_MEASURED_TASKS_H_
