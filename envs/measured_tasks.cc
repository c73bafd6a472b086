#include "envs/measured_tasks.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/files.h"

namespace sojourn::envs {
namespace {

using nlohmann::json;

constexpr const char* kMark =
    "sojourn_task_difficulty";  // the first line has it, with the format's version
constexpr std::array<const char*, 3> kNames = {"easy", "medium", "hard"};

std::string Dump(const json& line) {
  return line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

absl::StatusOr<MeasuredTask> ParseTask(const json& line) {
  MeasuredTask task;
  try {
    task.environment = line.at("environment").get<std::string>();
    task.options = line.at("options").get<Options>();
    const auto split = ParseSplit(line.at("split").get<std::string>());
    if (!split.ok()) return split.status();
    task.task = {*split, line.at("difficulty").get<int>(), line.at("index").get<int64_t>()};
    task.max_turns = line.value("max_turns", 0u);
    task.episodes = line.at("episodes").get<uint32_t>();
    task.successes = line.at("successes").get<uint32_t>();
    task.turns = line.value("turns", 0.0);
  } catch (const json::exception& fault) {
    return absl::InvalidArgumentError(fault.what());
  }
  if (task.episodes == 0 || task.successes > task.episodes) {
    return absl::InvalidArgumentError(
        absl::StrCat(task.successes, " successes of ", task.episodes, " episodes"));
  }
  return task;
}

// Every option of the environment's own, with its default where it is not given.
Options OwnOptions(const Spec& spec, const Options& given) {
  Options own;
  for (const OptionSpec& option : spec.options) {
    const auto found = given.find(option.name);
    own[option.name] = found == given.end() ? option.default_value : found->second;
  }
  return own;
}

std::string OptionsText(const Options& options) {
  return absl::StrJoin(options, ",", absl::PairFormatter("="));
}

// "0.125 (20), 1 (3)": how many tasks have each rate.
std::string RatesText(const std::vector<MeasuredTask>& tasks) {
  std::map<double, int> counts;
  for (const MeasuredTask& task : tasks) ++counts[task.rate()];
  std::vector<std::string> parts;
  for (const auto& [rate, count] : counts)
    parts.push_back(absl::StrFormat("%.3g (%d)", rate, count));
  if (parts.size() > 12) {
    parts.erase(parts.begin() + 6, parts.end() - 5);
    parts.insert(parts.begin() + 6, "...");
  }
  return absl::StrJoin(parts, ", ");
}

// What all instances share.
struct Shared {
  std::shared_ptr<const Environment> environment;
  Spec spec;
  std::array<std::array<std::vector<TaskId>, 3>, 2> tasks;  // [split][difficulty - 1]

  absl::StatusOr<const std::vector<TaskId>*> Find(Split split, int difficulty) const {
    for (const DifficultySpec& known : spec.difficulties) {
      if (known.difficulty == difficulty) return &tasks[static_cast<int>(split)][difficulty - 1];
    }
    return absl::InvalidArgumentError(absl::StrCat(
        spec.name, " by measured difficulty has no difficulty ", difficulty, "; known: ",
        absl::StrJoin(spec.difficulties, ", ", [](std::string* out, const DifficultySpec& d) {
          absl::StrAppend(out, d.difficulty, " (", d.name, ")");
        })));
  }
};

class MeasuredInstance : public Instance {
 public:
  explicit MeasuredInstance(std::shared_ptr<const Shared> shared)
      : shared_(std::move(shared)), instance_(shared_->environment->NewInstance()) {}

  absl::StatusOr<Turn> Reset(const TaskId& task) override {
    const auto tasks = shared_->Find(task.split, task.difficulty);
    if (!tasks.ok()) return tasks.status();
    if (task.index < 0 || task.index >= static_cast<int64_t>((*tasks)->size())) {
      return absl::OutOfRangeError(absl::StrCat("no ", SplitName(task.split), " task ", task.index,
                                                " of difficulty ", task.difficulty, "; there are ",
                                                (*tasks)->size()));
    }
    return instance_->Reset((**tasks)[task.index]);
  }
  absl::StatusOr<Turn> Step(std::string_view action) override { return instance_->Step(action); }
  std::vector<std::string> ValidActions() const override { return instance_->ValidActions(); }
  absl::StatusOr<Advice> Expert() override { return instance_->Expert(); }
  absl::StatusOr<Advice> GoalBlind() override { return instance_->GoalBlind(); }
  std::string_view Instructions() const override { return instance_->Instructions(); }

 private:
  const std::shared_ptr<const Shared> shared_;
  const std::unique_ptr<Instance> instance_;
};

class Measured : public Environment {
 public:
  explicit Measured(std::shared_ptr<const Shared> shared) : shared_(std::move(shared)) {}
  const Spec& spec() const override { return shared_->spec; }
  absl::StatusOr<int64_t> TaskCount(Split split, int difficulty) const override {
    const auto tasks = shared_->Find(split, difficulty);
    if (!tasks.ok()) return tasks.status();
    return (*tasks)->size();
  }
  std::unique_ptr<Instance> NewInstance() const override {
    return std::make_unique<MeasuredInstance>(shared_);
  }

 private:
  const std::shared_ptr<const Shared> shared_;
};

// Those of the file's tasks that were measured in the environment as it is now.
absl::StatusOr<std::vector<MeasuredTask>> TasksOf(const Environment& environment,
                                                  const Options& options, TaskFile file) {
  const Spec& spec = environment.spec();
  const Options own = OwnOptions(spec, options);
  std::vector<MeasuredTask> tasks;
  std::set<std::string> others;
  for (MeasuredTask& task : file.tasks) {
    if (task.environment != spec.name) {
      others.insert(task.environment);
    } else if (const Options measured = OwnOptions(spec, task.options); measured != own) {
      others.insert(absl::StrCat(spec.name, " with ", OptionsText(measured)));
    } else {
      const auto count = environment.TaskCount(task.task.split, task.task.difficulty);
      if (!count.ok()) return count.status();
      if (task.task.index < 0 || task.task.index >= *count) {
        return absl::InvalidArgumentError(
            absl::StrCat("has ", SplitName(task.task.split), " task ", task.task.index,
                         " of difficulty ", task.task.difficulty, ", but there are ", *count));
      }
      tasks.push_back(std::move(task));
    }
  }
  if (!tasks.empty()) return tasks;
  return absl::InvalidArgumentError(
      absl::StrCat("has no task of ", spec.name, " with ", OptionsText(own), "; it has tasks of ",
                   others.empty() ? "nothing" : absl::StrJoin(others, "; ")));
}

}  // namespace

std::string FormatTaskFile(const TaskFile& file) {
  json first(file.settings);
  first[kMark] = 1;
  std::string text = Dump(first);
  for (const MeasuredTask& task : file.tasks) {
    text += Dump({{"environment", task.environment},
                  {"options", task.options},
                  {"split", std::string(SplitName(task.task.split))},
                  {"difficulty", task.task.difficulty},
                  {"index", task.task.index},
                  {"max_turns", task.max_turns},
                  {"episodes", task.episodes},
                  {"successes", task.successes},
                  {"success", task.rate()},
                  {"turns", task.turns}});
  }
  return text;
}

absl::StatusOr<TaskFile> ParseTaskFile(std::string_view text, const std::string& path) {
  TaskFile file;
  int number = 0;
  std::set<std::tuple<std::string, Options, Split, int, int64_t>> seen;
  for (const std::string_view line_text : absl::StrSplit(text, '\n')) {
    ++number;
    if (line_text.empty()) continue;
    const auto fault = [&](std::string_view why) {
      return absl::InvalidArgumentError(absl::StrCat(path, ":", number, ": ", why));
    };
    const json line = json::parse(line_text, nullptr, false);
    if (!line.is_object()) return fault("is no JSON object");
    if (number == 1) {
      if (line.value(kMark, json()) != 1) return fault("is not what `sojourn difficulty` writes");
      for (const auto& [name, value] : line.items()) {
        if (name != kMark)
          file.settings[name] = value.is_string() ? value.get<std::string>() : value.dump();
      }
      continue;
    }
    auto task = ParseTask(line);
    if (!task.ok()) return fault(task.status().message());
    if (!seen.insert({task->environment, task->options, task->task.split, task->task.difficulty,
                      task->task.index})
             .second) {
      return fault("is a task that an earlier line has");
    }
    file.tasks.push_back(*std::move(task));
  }
  if (number < 2) return absl::InvalidArgumentError(absl::StrCat(path, ": holds no tasks"));
  return file;
}

absl::StatusOr<TaskCut> ParseTaskCut(std::string_view text,
                                     const std::vector<MeasuredTask>& tasks) {
  const auto fault = [&] {
    return absl::InvalidArgumentError(
        absl::StrCat("tasks_cut: \"", text,
                     "\" is no cut; expected a rate of success such as "
                     "0.5, a share of the tasks such as 50%, or two, as in 0.25-0.75"));
  };
  std::vector<double> rates;
  for (const MeasuredTask& task : tasks) rates.push_back(task.rate());
  std::sort(rates.begin(), rates.end());
  // The rate below which the share of tasks is nearest to the one that is asked for.
  const auto rate_at = [&](double share) {
    double best = 0, best_difference = 2;
    for (size_t below = 0; below <= rates.size(); ++below) {
      if (below > 0 && below < rates.size() && rates[below] == rates[below - 1]) continue;
      const double difference = std::abs(static_cast<double>(below) / rates.size() - share);
      if (difference >= best_difference) continue;
      best_difference = difference;
      best = below < rates.size() ? rates[below] : std::numeric_limits<double>::infinity();
    }
    return best;
  };
  std::vector<double> cuts;
  for (std::string_view part : absl::StrSplit(text, '-')) {
    const bool percent = part.ends_with('%');
    if (percent) part.remove_suffix(1);
    double value = 0;
    if (!absl::SimpleAtod(part, &value) || !(value >= 0 && value <= (percent ? 100 : 1)))
      return fault();
    cuts.push_back(percent ? rate_at(value / 100) : value);
  }
  if (cuts.size() > 2 || cuts.front() > cuts.back()) return fault();
  return TaskCut{cuts.front(), cuts.back()};
}

absl::StatusOr<std::unique_ptr<Environment>> ByMeasuredDifficulty(
    std::shared_ptr<const Environment> environment, const Options& options, const std::string& path,
    std::string_view cut_text) {
  const auto fault = [&](std::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("tasks_by: ", path, " ", why));
  };
  const auto text = ReadFile(path);
  if (!text.ok())
    return absl::Status(text.status().code(), absl::StrCat("tasks_by: ", text.status().message()));
  auto file = ParseTaskFile(*text, path);
  if (!file.ok())
    return absl::InvalidArgumentError(absl::StrCat("tasks_by: ", file.status().message()));
  const auto tasks = TasksOf(*environment, options, *std::move(file));
  if (!tasks.ok()) return fault(tasks.status().message());
  const auto cut = ParseTaskCut(cut_text, *tasks);
  if (!cut.ok()) return cut.status();

  auto shared = std::make_shared<Shared>();
  shared->spec = environment->spec();
  shared->environment = std::move(environment);
  std::array<int, 3> counts{};
  for (const MeasuredTask& task : *tasks) {
    const int difficulty = task.rate() >= cut->easy_from   ? kEasy
                           : task.rate() < cut->hard_below ? kHard
                                                           : kMedium;
    shared->tasks[static_cast<int>(task.task.split)][difficulty - 1].push_back(task.task);
    ++counts[difficulty - 1];
  }
  shared->spec.difficulties.clear();
  for (int difficulty = kEasy; difficulty <= kHard; ++difficulty) {
    const bool is_empty = counts[difficulty - 1] == 0;
    if (!is_empty) shared->spec.difficulties.push_back({difficulty, kNames[difficulty - 1]});
    if (is_empty && difficulty != kMedium) {
      return absl::InvalidArgumentError(absl::StrCat(
          "tasks_cut: with ", cut_text, " no task of ", path, " is ", kNames[difficulty - 1],
          "; rates of success, and how many tasks have them: ", RatesText(*tasks)));
    }
  }
  return std::make_unique<Measured>(std::move(shared));
}

}  // namespace sojourn::envs
