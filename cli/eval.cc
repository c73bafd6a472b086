// sojourn eval: measures a model on environments' test tasks. It is a job that has no stages.
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "cli/run_job.h"
#include "cli/tables.h"
#include "common/files.h"
#include "config/job_config.h"
#include "coordinator/results.h"

namespace sojourn::cli {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string model, weights;
  std::vector<std::string> columns;
  uint32_t tasks = 100, samples = 1, max_turns = 20, max_turn_tokens = 64, context = 0, slots = 64;
  uint32_t threads = std::max(1u, std::thread::hardware_concurrency());
  uint64_t seed = 1;
  double temperature = 1, top_p = 1;
  bool no_greedy = false, random = false, instructions = false, json = false;
};

// "TYPE:DIFFICULTY[,OPTION=VALUE...]" as an environment and a column of the matrix.
absl::Status AddColumn(const std::string& text, uint32_t max_turns, v1::JobConfig* config) {
  const auto fault = [&](const std::string& why) {
    return absl::InvalidArgumentError(
        absl::StrCat("--env ", text, ": ", why, "; expected TYPE:DIFFICULTY[,OPTION=VALUE...], such as babyai:5"));
  };
  const std::vector<std::string> parts = absl::StrSplit(text, ',');
  const std::vector<std::string> place = absl::StrSplit(parts[0], ':');
  int difficulty = 0;
  if (place.size() != 2 || place[0].empty() || !absl::SimpleAtoi(place[1], &difficulty)) return fault("no difficulty");
  v1::Environment environment;
  environment.set_type(place[0]);
  std::string name = place[0];
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::vector<std::string> option = absl::StrSplit(parts[i], absl::MaxSplits('=', 1));
    if (option.size() != 2 || option[0].empty()) return fault(absl::StrCat("\"", parts[i], "\" is no OPTION=VALUE"));
    (*environment.mutable_options())[option[0]] = option[1];
    absl::StrAppend(&name, ",", parts[i]);
  }
  environment.set_name(name);
  bool known = false;
  for (const v1::Environment& other : config->environments()) known = known || other.name() == name;
  if (!known) *config->add_environments() = environment;
  v1::EvaluationCell& cell = *config->mutable_evaluation()->add_cells();
  cell.set_environment(name);
  cell.set_difficulty(difficulty);
  cell.set_max_turns(max_turns);
  return absl::OkStatus();
}

absl::StatusOr<v1::JobConfig> MakeConfig(const Arguments& a) {
  const std::string model = fs::absolute(a.model).lexically_normal().string();
  const auto text = ReadFile(model + "/config.json");
  if (!text.ok()) return text.status();
  const auto described = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!described.is_object()) return absl::InvalidArgumentError(absl::StrCat(model, "/config.json: expected a JSON object"));
  const auto text_of = [&](const char* name) {
    const auto found = described.find(name);
    return found != described.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  const std::string stored = text_of("torch_dtype").empty() ? text_of("dtype") : text_of("torch_dtype");
  const bool single = stored.empty() || stored == "float32";
  v1::JobConfig config = config::DefaultJobConfig();
  config.set_name("eval");
  config.set_seed(a.seed);
  config.mutable_policy()->set_model(model);
  config.mutable_policy()->set_dtype(single ? "float32" : "bfloat16");
  config.mutable_policy()->set_rollout_weights(a.weights.empty() ? config.policy().dtype() : a.weights);
  config.mutable_policy()->set_instructions(a.instructions);
  const auto longest = described.find("max_position_embeddings");
  const uint32_t positions =
      longest != described.end() && longest->is_number_unsigned() ? longest->get<uint32_t>() : 2048;
  config.mutable_policy()->set_max_context_tokens(a.context > 0 ? a.context : std::min(positions, 4096u));
  v1::Rollout& rollout = *config.mutable_rollout();
  rollout.set_group_size(2);
  rollout.set_groups_per_update(1);
  rollout.set_max_turn_tokens(a.max_turn_tokens);
  rollout.set_temperature(a.temperature);
  rollout.set_top_p(a.top_p);
  config.mutable_algorithm()->set_microbatch_tokens(config.policy().max_context_tokens());
  config.add_arms()->set_name("model");
  v1::Evaluation& evaluation = *config.mutable_evaluation();
  evaluation.set_tasks(a.tasks);
  evaluation.set_episodes_per_task(a.samples);
  evaluation.set_greedy(!a.no_greedy);
  evaluation.set_random_row(a.random);
  for (const std::string& column : a.columns) {
    if (absl::Status added = AddColumn(column, a.max_turns, &config); !added.ok()) return added;
  }
  v1::Resources& resources = *config.mutable_resources();
  resources.set_actors(1);
  resources.set_learner_ranks(1);
  resources.set_threads(a.threads);
  resources.set_slots(a.slots);
  return config::ResolveJobConfig(std::move(config), "sojourn eval");
}

int Show(const v1::Results& results, const Arguments& a) {
  const nlohmann::json matrix = coordinator::BuildReport(results).at("arms").at(0).at("matrix");
  if (a.json) {
    std::printf("%s\n", nlohmann::json({{"model", a.model}, {"samples_per_task", a.samples}, {"rows", matrix}}).dump(2).c_str());
    return 0;
  }
  std::vector<std::vector<std::string>> table = {
      {"environment", absl::StrCat("avg@", a.samples), "95% interval", "greedy", "turns", "tokens", "episodes"}};
  for (const nlohmann::json& row : matrix) {
    const bool chance = row.at("row") == "random";
    for (const nlohmann::json& cell : row.at("cells")) {
      const auto percent = [](const nlohmann::json& share) {
        return share.is_number() ? absl::StrFormat("%.1f%%", 100 * share.get<double>()) : std::string("-");
      };
      table.push_back({absl::StrCat(cell.at("environment").get<std::string>(), ":", cell.at("difficulty").get<int>(),
                                    chance ? " (random actions)" : ""),
                       percent(cell.at("success")),
                       absl::StrCat(percent(cell.at("ci95")[0]), " to ", percent(cell.at("ci95")[1])),
                       percent(cell.value("greedy_success", nlohmann::json())),
                       absl::StrFormat("%.1f", cell.at("turns").get<double>()),
                       absl::StrFormat("%.0f", cell.at("tokens").get<double>()),
                       absl::StrCat(cell.at("episodes").get<int64_t>())});
    }
  }
  std::printf("%s", Table(table, IsTerminal(stdout)).c_str());
  return 0;
}

int Eval(const Arguments& a) {
  const auto config = MakeConfig(a);
  if (!config.ok()) return Fail(config.status());
  std::string folder = (fs::temp_directory_path() / "sojourn-eval-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return Fail(absl::ErrnoToStatus(errno, absl::StrCat("making ", folder)));
  const int status = RunJob(*config, folder, /*fresh=*/false,
                            [&](const v1::Results& results, const std::string&) { return Show(results, a); },
                            "stopped; nothing is kept of it");
  std::error_code ignored;
  if (status == 0 || status == 130) fs::remove_all(folder, ignored);   // else its logs may say why
  return status;
}

}  // namespace

void AddEval(CLI::App& app, Action& action) {
  auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("eval", "Measure a model on environments' test tasks");
  command->add_option("MODEL", a->model, "a model directory, or a run's arms/ARM/models/LABEL")->required();
  command->add_option("--env", a->columns, "TYPE:DIFFICULTY[,OPTION=VALUE...]; repeatable")->required();
  command->add_option("--tasks", a->tasks, "test tasks of each")->capture_default_str()->check(CLI::PositiveNumber);
  command->add_option("--samples", a->samples, "sampled episodes of each task, the k of avg@k")
      ->capture_default_str()->check(CLI::PositiveNumber);
  command->add_flag("--no-greedy", a->no_greedy, "leave out the greedy episode of each task");
  command->add_flag("--random", a->random, "also measure uniformly random valid actions");
  command->add_option("--max-turns", a->max_turns, "turns of an episode")->capture_default_str()->check(CLI::PositiveNumber);
  command->add_option("--max-turn-tokens", a->max_turn_tokens, "tokens of a response")
      ->capture_default_str()->check(CLI::PositiveNumber);
  command->add_option("--max-context-tokens", a->context, "tokens of a conversation; default: the model's, to 4096");
  command->add_flag("--instructions", a->instructions, "begin with the environment's instructions");
  command->add_option("--temperature", a->temperature, "of the sampled episodes")->capture_default_str();
  command->add_option("--top-p", a->top_p, "of the sampled episodes")->capture_default_str();
  command->add_option("--weights", a->weights, "float32, bfloat16 or int8; default: as the model is stored");
  command->add_option("--threads", a->threads, "of the model's arithmetic")->capture_default_str();
  command->add_option("--slots", a->slots, "episodes decoded at once")->capture_default_str();
  command->add_option("--seed", a->seed, "of all random choices; the same gives the same result")->capture_default_str();
  command->add_flag("--json", a->json, "print JSON");
  command->footer(
      "Examples:\n"
      "  sojourn eval models/base --env babyai:5 --env babyai:19 --max-turns 3 --tasks 400\n"
      "  sojourn eval models/base --env textcraft:1,recipes=fresh,distractors=1,counts=1 --max-turns 3\n"
      "  sojourn eval runs/quickstart/arms/mixture/models/stage-1 --env babyai:5 --max-turns 3 --samples 4 --json");
  command->callback([a, &action] { action = [a] { return Eval(*a); }; });
}

}  // namespace sojourn::cli
