// sojourn eval: measures a model on environments' tasks. It is a job that has no stages.
#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/eval.h"
#include "cli/eval_columns.h"
#include "cli/model_path.h"
#include "cli/progress.h"
#include "cli/run_job.h"
#include "cli/tables.h"
#include "config/job_config.h"
#include "coordinator/results.h"
#include "endpoint/endpoint_engine.h"

namespace sojourn::cli {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kUsualContext = 4096;   // longer ones only when asked for

absl::Status UseModel(const EvalArguments& a, v1::Policy* policy) {
  if (a.model.empty()) {
    return absl::InvalidArgumentError(
        "no model; give a model directory, a .gguf file, a run's folder, or --endpoint URL");
  }
  const auto path = FindModelPath(a.model);
  if (!path.ok()) return path.status();
  const auto facts = ReadModelFacts(*path);
  if (!facts.ok()) return facts.status();
  policy->set_model(*path);
  policy->set_dtype(facts->dtype);
  policy->set_rollout_weights(a.weights.empty() ? facts->dtype : a.weights);
  const uint32_t longest = facts->positions > 0 ? facts->positions : 2048;
  policy->set_max_context_tokens(a.context > 0 ? a.context : std::min(longest, kUsualContext));
  return absl::OkStatus();
}

absl::Status UseEndpoint(const EvalArguments& a, v1::Policy* policy) {
  v1::Endpoint& endpoint = *policy->mutable_endpoint();
  endpoint.set_url(a.endpoint);
  endpoint.set_timeout_seconds(a.timeout);
  endpoint.set_patience_seconds(a.patience);
  endpoint.set_api_key_variable(a.key_variable);
  endpoint::HttpOptions http;
  http.timeout = absl::Seconds(std::min(a.timeout, 30.0));
  if (!a.key_variable.empty()) {
    const char* key = getenv(a.key_variable.c_str());
    if (key == nullptr || *key == 0) {
      return absl::FailedPreconditionError(absl::StrCat("--api-key-variable: the environment has no ", a.key_variable));
    }
    http.api_key = key;
  }
  const auto model = endpoint::FindModel(a.endpoint, a.model, http);
  if (!model.ok()) return model.status();
  endpoint.set_model(model->name);
  if (!a.tokenizer.empty()) {
    const auto path = FindModelPath(a.tokenizer);
    if (!path.ok()) return absl::Status(path.status().code(), absl::StrCat("--tokenizer: ", path.status().message()));
    endpoint.set_tokenizer(*path);
  }
  const auto longest = static_cast<uint32_t>(std::min<int64_t>(
      model->max_context_tokens > 0 ? model->max_context_tokens : kUsualContext, kUsualContext));
  policy->set_max_context_tokens(a.context > 0 ? a.context : longest);
  return absl::OkStatus();
}

}  // namespace

absl::Status SetColumns(const EvalArguments& a, v1::JobConfig* config) {
  v1::Evaluation& evaluation = *config->mutable_evaluation();
  evaluation.set_tasks(a.tasks);
  evaluation.set_episodes_per_task(a.samples);
  evaluation.set_greedy(!a.no_greedy);
  evaluation.set_random_row(a.random);
  ColumnOptions columns;
  columns.max_turns = a.max_turns;
  if (a.split == "both") {
    columns.splits = {"test", "train"};
  } else {
    columns.splits = {a.split};
  }
  if (!a.variants.empty()) columns.variants = a.variants;
  std::replace(columns.variants.begin(), columns.variants.end(), std::string("none"), std::string());
  for (const std::string& column : a.columns) {
    if (absl::Status added = AddColumns(column, columns, config); !added.ok()) return added;
  }
  return absl::OkStatus();
}

namespace {

absl::StatusOr<v1::JobConfig> MakeConfig(const EvalArguments& a) {
  v1::JobConfig config = config::DefaultJobConfig();
  config.set_name("eval");
  config.set_seed(a.seed);
  v1::Rollout& rollout = *config.mutable_rollout();
  rollout.set_group_size(2);
  rollout.set_groups_per_update(1);
  rollout.set_max_turn_tokens(a.max_turn_tokens);
  rollout.set_temperature(a.temperature);
  rollout.set_top_p(a.top_p);
  config.add_arms()->set_name("model");
  if (absl::Status set = SetColumns(a, &config); !set.ok()) return set;
  v1::Resources& resources = *config.mutable_resources();
  resources.set_actors(1);
  resources.set_learner_ranks(1);
  resources.set_threads(a.threads);
  resources.set_slots(a.slots);
  if (!a.device.empty()) resources.add_devices(a.device);
  const absl::Status used = a.endpoint.empty() ? UseModel(a, config.mutable_policy())
                                               : UseEndpoint(a, config.mutable_policy());
  if (!used.ok()) return used;
  config.mutable_policy()->set_instructions(a.instructions);
  config.mutable_algorithm()->set_microbatch_tokens(config.policy().max_context_tokens());
  return config::ResolveJobConfig(std::move(config), "sojourn eval");
}

int Show(const v1::Results& results, const EvalArguments& a) {
  const v1::JobConfig& config = results.status().config();
  const nlohmann::json matrix = coordinator::BuildReport(results).at("arms").at(0).at("matrix");
  if (!a.json) {
    std::printf("%s", EvalTables(matrix, IsTerminal(stdout)).c_str());
    return 0;
  }
  const bool endpoint = config.policy().has_endpoint();
  const nlohmann::json out = {
      {"model", endpoint ? config.policy().endpoint().model() : config.policy().model()},
      {"endpoint", endpoint ? nlohmann::json(config.policy().endpoint().url()) : nlohmann::json()},
      {"seed", config.seed()},
      {"samples_per_task", config.evaluation().episodes_per_task()},
      {"temperature", config.rollout().temperature()},
      {"top_p", config.rollout().top_p()},
      {"max_turn_tokens", config.rollout().max_turn_tokens()},
      {"max_context_tokens", config.policy().max_context_tokens()},
      {"instructions", config.policy().instructions()},
      {"rows", matrix}};
  std::printf("%s\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  return 0;
}

}  // namespace

int RunEval(const EvalArguments& a, const std::function<int(const v1::Results&)>& show) {
  const auto config = MakeConfig(a);
  if (!config.ok()) return Fail(config.status());
  if (const v1::Policy& policy = config->policy(); policy.has_endpoint()) {
    std::fprintf(stderr, "measures %s at %s, conversations as %s\n", policy.endpoint().model().c_str(),
                 policy.endpoint().url().c_str(), policy.endpoint().tokenizer().empty() ? "messages" : "token ids");
  } else {
    std::fprintf(stderr, "measures %s\n", policy.model().c_str());
  }
  std::string folder = (fs::temp_directory_path() / "sojourn-eval-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return Fail(absl::ErrnoToStatus(errno, absl::StrCat("making ", folder)));
  const int status = RunJob(*config, folder, /*fresh=*/false,
                            [&](const v1::Results& results, const std::string&) { return show(results); },
                            "stopped; nothing is kept of it");
  std::error_code ignored;
  if (status == 0 || status == 130) fs::remove_all(folder, ignored);   // else its logs may say why
  return status;
}

void AddEvalOptions(CLI::App* command, const std::shared_ptr<EvalArguments>& a) {
  command->add_option("--model,MODEL", a->model,
                      "a model directory, a .gguf file, a run's folder (its latest model), or with --endpoint the "
                      "endpoint's name for it (default: its only one)");
  command->add_option("--env", a->columns,
                      "TYPE:DIFFICULTIES[,OPTION=VALUE...], DIFFICULTIES such as 5, 1-8,19 or all; repeatable")
      ->required()->allow_extra_args(false);
  command->add_option("--split", a->split, "of the tasks: test, train or both")
      ->capture_default_str()->check(CLI::IsMember({"test", "train", "both"}));
  command->add_option("--tasks", a->tasks, "of each split and difficulty")->capture_default_str()->check(CLI::PositiveNumber);
  command->add_option("--samples", a->samples, "sampled episodes of each task, the k of avg@k and pass@k")
      ->capture_default_str()->check(CLI::PositiveNumber);
  command->add_option("--max-turns", a->max_turns, "turns of an episode; default: the environment's own limit")
      ->check(CLI::PositiveNumber);
  command->add_option("--max-turn-tokens", a->max_turn_tokens, "tokens of a response")
      ->capture_default_str()->check(CLI::PositiveNumber);
  command->add_option("--max-context-tokens", a->context, "tokens of a conversation; default: the model's, to 4096");
  command->add_flag("--instructions", a->instructions, "begin with the environment's instructions");
  command->add_option("--temperature", a->temperature, "of the sampled episodes")->capture_default_str();
  command->add_option("--top-p", a->top_p, "of the sampled episodes")->capture_default_str();
  CLI::Option* weights = command->add_option("--weights", a->weights,
                                             "float32, bfloat16 or int8; default: as the model is stored");
  CLI::Option* device = command->add_option("--device", a->device,
                                            "where the model computes: cpu, cuda or cuda:N; default: cpu");
  command->add_option("--threads", a->threads, "of the model's arithmetic")->capture_default_str();
  command->add_option("--slots", a->slots, "episodes decoded at once, or requests of an endpoint")->capture_default_str();
  command->add_option("--seed", a->seed, "of all random choices; the same gives the same result")->capture_default_str();
  CLI::Option* endpoint = command->add_option(
      "--endpoint", a->endpoint, "http://HOST:PORT of a server with OpenAI's API, such as vLLM, SGLang or "
                                 "`sojourn serve-model`: its model is measured");
  command->add_option("--tokenizer", a->tokenizer,
                      "a model directory or .gguf file with the endpoint's tokenizer and chat template: conversations "
                      "go as token ids, and what was sampled is not tokenized again; default: as messages")
      ->needs(endpoint);
  command->add_option("--api-key-variable", a->key_variable, "the environment variable that holds the endpoint's key")
      ->needs(endpoint);
  command->add_option("--timeout", a->timeout, "seconds that an answer of the endpoint may take")
      ->capture_default_str()->check(CLI::PositiveNumber)->needs(endpoint);
  command->add_option("--patience", a->patience, "seconds that requests are repeated while the endpoint fails")
      ->capture_default_str()->check(CLI::PositiveNumber)->needs(endpoint);
  weights->excludes(endpoint);
  device->excludes(endpoint);
}

void AddEval(CLI::App& app, Action& action) {
  auto a = std::make_shared<EvalArguments>();
  CLI::App* command = app.add_subcommand("eval", "Measure a model on environments' tasks: success, and how it plays");
  AddEvalOptions(command, a);
  command->add_option("--variant", a->variants,
                      "another interface of the tasks, such as verbs+no-actions (`sojourn play` lists all); \"none\": as "
                      "they are; repeatable")
      ->allow_extra_args(false);
  command->add_flag("--no-greedy", a->no_greedy, "leave out the greedy episode of each task");
  command->add_flag("--random", a->random, "also measure uniformly random valid actions");
  command->add_flag("--json", a->json, "print JSON");
  command->footer(
      "Examples:\n"
      "  sojourn eval models/base --env babyai:5,19 --max-turns 3 --tasks 400 --random\n"
      "  sojourn eval models/base --env babyai:5 --variant none --variant verbs --variant no-actions+json\n"
      "  sojourn eval models/base --env textcraft:1,recipes=fresh,distractors=1,counts=1 --env babyai:1-5 --samples 4\n"
      "  sojourn eval runs/quickstart/arms/mixture --env babyai:5 --split both --json\n"
      "  sojourn eval --model SmolLM2-135M-Instruct.Q4_1.gguf --env textcraft:1 --instructions\n"
      "  sojourn eval --endpoint http://localhost:8000 --tokenizer models/base --env babyai:5\n"
      "  sojourn eval Qwen/Qwen3-8B --endpoint https://models.example.org/v1 --api-key-variable MODELS_KEY --env babyai:5");
  command->callback([a, &action] {
    action = [a] { return RunEval(*a, [&](const v1::Results& results) { return Show(results, *a); }); };
  });
}

}  // namespace sojourn::cli
