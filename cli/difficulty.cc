// sojourn difficulty: how often a policy solves each task, as a file that makes easy and hard tasks
// of them.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/command.h"
#include "cli/eval.h"
#include "cli/play_session.h"
#include "cli/progress.h"
#include "cli/tables.h"
#include "common/files.h"
#include "common/sha256.h"
#include "envs/measured_tasks.h"

namespace sojourn::cli {
namespace {

namespace fs = std::filesystem;
using envs::MeasuredTask;
using envs::TaskFile;

struct Arguments {
  std::shared_ptr<EvalArguments> eval = std::make_shared<EvalArguments>();
  std::string out;
  bool random = false, expert = false;
};

// Of a model's weights, in the order of the files' names.
std::string WeightsSha256(const fs::path& model) {
  std::vector<fs::path> files;
  std::error_code ignored;
  if (fs::is_directory(model, ignored)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(model, ignored)) {
      if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
    }
  } else {
    files = {model};
  }
  std::sort(files.begin(), files.end());
  Sha256 sum;
  std::vector<char> part(1 << 20);
  for (const fs::path& file : files) {
    std::ifstream in(file, std::ios::binary);
    while (in.read(part.data(), part.size()) || in.gcount() > 0) {
      sum.Add({part.data(), static_cast<size_t>(in.gcount())});
    }
  }
  return sum.Hex();
}

// What a task of a column is called, before it is played.
MeasuredTask TaskOf(const v1::JobConfig& config, const v1::EvaluationCell& cell, int64_t index) {
  MeasuredTask task;
  for (const v1::Environment& environment : config.environments()) {
    if (environment.name() != cell.environment()) continue;
    task.environment = environment.type();
    task.options = envs::Options(environment.options().begin(), environment.options().end());
  }
  task.task = {cell.split() == "train" ? envs::Split::kTrain : envs::Split::kTest,
               cell.difficulty(), index};
  task.max_turns = cell.max_turns();
  return task;
}

std::map<std::string, std::string> Settings(const Arguments& a, const v1::JobConfig& config) {
  std::map<std::string, std::string> settings = {
      {"samples", absl::StrCat(a.expert ? 1 : a.eval->samples)},
      {"seed", absl::StrCat(a.eval->seed)}};
  if (a.expert || a.random) {
    settings["policy"] = a.expert ? "expert" : "random";
    return settings;
  }
  const v1::Policy& policy = config.policy();
  settings["policy"] = policy.has_endpoint() ? absl::StrCat(policy.endpoint().model(), " at ",
                                                            policy.endpoint().url())
                                             : policy.model();
  if (!policy.has_endpoint()) settings["policy_sha256"] = WeightsSha256(policy.model());
  settings["temperature"] = absl::StrCat(config.rollout().temperature());
  settings["top_p"] = absl::StrCat(config.rollout().top_p());
  settings["max_turn_tokens"] = absl::StrCat(config.rollout().max_turn_tokens());
  settings["max_context_tokens"] = absl::StrCat(policy.max_context_tokens());
  settings["instructions"] = policy.instructions() ? "true" : "false";
  settings["weights"] = policy.rollout_weights();
  return settings;
}

// Writes the file, and says what it holds.
int Keep(const Arguments& a, const v1::JobConfig& config, std::vector<MeasuredTask> tasks) {
  TaskFile file{Settings(a, config), std::move(tasks)};
  if (absl::Status written = WriteFileAtomically(a.out, envs::FormatTaskFile(file)); !written.ok())
    return Fail(written);
  struct Count {
    int tasks = 0, never = 0, always = 0;
    double rate = 0;
  };
  std::vector<std::pair<std::string, Count>> columns;
  for (const MeasuredTask& task : file.tasks) {
    const std::string name = absl::StrCat(task.environment, "/", task.task.difficulty,
                                          task.task.split == envs::Split::kTrain ? " (train)" : "");
    if (columns.empty() || columns.back().first != name) columns.push_back({name, {}});
    Count& count = columns.back().second;
    ++count.tasks;
    count.never += task.successes == 0;
    count.always += task.successes == task.episodes;
    count.rate += task.rate();
  }
  std::vector<std::vector<std::string>> rows = {
      {"tasks", "measured", "solved never", "sometimes", "always", "success"}};
  for (const auto& [name, count] : columns) {
    rows.push_back({name, absl::StrCat(count.tasks), absl::StrCat(count.never),
                    absl::StrCat(count.tasks - count.never - count.always),
                    absl::StrCat(count.always),
                    absl::StrFormat("%.1f%%", 100 * count.rate / count.tasks)});
  }
  std::printf("%s\nwritten to %s; use it as an option of the environment: tasks_by=%s\n",
              Table(rows, IsTerminal(stdout)).c_str(), a.out.c_str(), a.out.c_str());
  return 0;
}

// The model's: one row of a job without stages.
int MeasureModel(const Arguments& a) {
  return RunEval(*a.eval, [&](const v1::Results& results) {
    const v1::JobConfig& config = results.status().config();
    std::vector<MeasuredTask> tasks;
    for (const v1::MatrixCell& cell : results.arms(0).rows(0).cells()) {
      for (const v1::TaskOutcome& outcome : cell.tasks()) {
        MeasuredTask& task = tasks.emplace_back(TaskOf(config, cell.cell(), outcome.index()));
        task.episodes = outcome.episodes();
        task.successes = outcome.successes();
        task.turns = static_cast<double>(outcome.turns()) / std::max(1u, outcome.episodes());
      }
    }
    return Keep(a, config, std::move(tasks));
  });
}

// The expert's or chance's: they need no processes.
int MeasurePlayer(const Arguments& a) {
  v1::JobConfig config;
  if (absl::Status set = SetColumns(*a.eval, &config); !set.ok()) return Fail(set);
  std::vector<MeasuredTask> tasks;
  for (const v1::EvaluationCell& cell : config.evaluation().cells()) {
    const MeasuredTask first = TaskOf(config, cell, 0);
    const auto environment = envs::Make(first.environment, first.options);
    if (!environment.ok()) return Fail(environment.status());
    const auto instance = (*environment)->NewInstance();
    for (int64_t index = 0; index < a.eval->tasks; ++index) {
      MeasuredTask& task = tasks.emplace_back(TaskOf(config, cell, index));
      const auto player =
          a.expert ? NewExpert() : NewRandomPlayer(RandomKey(a.eval->seed).With(index).value());
      task.episodes = a.expert ? 1 : a.eval->samples;
      for (uint32_t episode = 0; episode < task.episodes; ++episode) {
        const auto outcome =
            PlayEpisode((*environment)->spec(), *instance, task.task, *player,
                        static_cast<int>(cell.max_turns()), [](const Exchange&) {});
        if (!outcome.ok()) return Fail(outcome.status());
        task.successes += outcome->success;
        task.turns += static_cast<double>(outcome->turns) / task.episodes;
      }
    }
  }
  return Keep(a, config, std::move(tasks));
}

int Measure(const Arguments& a) {
  for (const std::string& column : a.eval->columns) {
    if (!absl::StrContains(column, "tasks_by=")) continue;
    return Fail(absl::InvalidArgumentError(absl::StrCat(
        "--env ", column,
        ": an environment's own tasks are measured; leave out tasks_by and tasks_cut")));
  }
  return a.expert || a.random ? MeasurePlayer(a) : MeasureModel(a);
}

}  // namespace

void AddDifficulty(CLI::App& app, Action& action) {
  auto a = std::make_shared<Arguments>();
  a->eval->split = "both";
  a->eval->samples = 8;
  a->eval->no_greedy = true;
  CLI::App* command = app.add_subcommand(
      "difficulty",
      "Measure how often a policy solves each task, for easy and hard tasks by what it can do");
  AddEvalOptions(command, a->eval);
  command->add_option("--out", a->out, "the file to write, JSON lines")->required();
  CLI::Option* expert = command->add_flag("--expert", a->expert,
                                          "the expert plays each task once, instead of a model");
  command->add_flag("--random", a->random, "random valid actions are played, instead of a model")
      ->excludes(expert);
  command->footer(
      "Examples:\n"
      "  sojourn difficulty models/base --env textcraft:1-4 --tasks 100 --out textcraft.jsonl\n"
      "  sojourn eval models/base --env textcraft:all,tasks_by=textcraft.jsonl,tasks_cut=0.5 "
      "--tasks 20\n"
      "  sojourn difficulty --random --env babyai:1-20 --max-turns 5 --out babyai.jsonl");
  command->callback([a, &action] { action = [a] { return Measure(*a); }; });
}

}  // namespace sojourn::cli
