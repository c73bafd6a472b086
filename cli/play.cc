// sojourn play: an environment's tasks, played by a person, an expert, chance or a model.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/child_process.h"
#include "cli/command.h"
#include "cli/play_session.h"
#include "cli/progress.h"
#include "common/suggest.h"
#include "envs/environment.h"
#include "envs/variants/variants.h"

namespace sojourn::cli {
namespace {

using nlohmann::json;

struct Arguments {
  std::string environment, difficulty, split = "train", model;
  std::vector<std::string> options;
  int64_t index = 0;
  uint64_t seed = 0;
  int max_turns = -1, episodes = 1, timeout_seconds = 120;
  bool instructions = false;
  bool expert = false, random = false, json = false;
};

void PrintJson(const json& value) {
  std::printf("%s\n", value.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
  std::fflush(stdout);
}

int List(bool as_json) {
  for (const std::string& name : envs::Names()) {
    const envs::Spec& spec = **envs::FindSpec(name);
    if (as_json) {
      json difficulties = json::object(), options = json::object();
      for (const auto& d : spec.difficulties) difficulties[absl::StrCat(d.difficulty)] = d.name;
      for (const auto& o : spec.options) {
        options[o.name] = {{"default", o.default_value}, {"help", o.help}};
      }
      PrintJson({{"environment", name}, {"difficulties", difficulties}, {"options", options},
                 {"variants", envs::PossibleVariants(spec)}});
      continue;
    }
    std::printf("%s\n", name.c_str());
    for (size_t i = 0; i < spec.difficulties.size(); ++i) {
      const bool ends_row = i % 3 == 2 || i + 1 == spec.difficulties.size();
      std::printf("  %3d %-24s%s", spec.difficulties[i].difficulty,
                  spec.difficulties[i].name.c_str(), ends_row ? "\n" : "");
    }
    for (const auto& o : spec.options) {
      std::printf("  --option %s=%s  %s\n", o.name.c_str(), o.default_value.c_str(),
                  o.help.c_str());
    }
    std::printf("  variants: %s\n", absl::StrJoin(envs::PossibleVariants(spec), ", ").c_str());
  }
  if (as_json) return 0;
  std::printf("every environment\n");
  for (const auto& o : envs::CommonOptions()) {
    std::printf("  --option %s=%s  %s\n", o.name.c_str(), o.default_value.c_str(), o.help.c_str());
  }
  std::printf("variants, joined by +\n");
  for (const auto& v : envs::Variants()) std::printf("  %-20s %s\n", v.name.c_str(), v.help.c_str());
  std::printf("Play one: sojourn play babyai --difficulty 3 --option variants=verbs+no-actions\n");
  return 0;
}

// By number or by name; the first without one.
absl::StatusOr<envs::DifficultySpec> FindDifficulty(const envs::Spec& spec,
                                                    const std::string& wanted) {
  if (wanted.empty()) return spec.difficulties.front();
  std::vector<std::string> names, known;
  int number = 0;
  const bool is_number = absl::SimpleAtoi(wanted, &number);
  for (const envs::DifficultySpec& difficulty : spec.difficulties) {
    if (is_number ? difficulty.difficulty == number : difficulty.name == wanted) return difficulty;
    names.push_back(difficulty.name);
    known.push_back(absl::StrCat(difficulty.difficulty, " ", difficulty.name));
  }
  return absl::NotFoundError(absl::StrCat("--difficulty: ", spec.name, " has no \"", wanted,
                                          "\"; known: ", absl::StrJoin(known, ", "),
                                          Suggest(wanted, names)));
}

absl::StatusOr<envs::Options> ParseOptions(const std::vector<std::string>& texts) {
  envs::Options options;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("--option: \"", text, "\" is not of the form name=value"));
    }
    options[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return options;
}

absl::StatusOr<std::unique_ptr<Player>> MakePlayer(const Arguments& a) {
  if (a.expert) return NewExpert();
  if (a.random) return NewRandomPlayer(a.seed);
  if (a.model.empty()) {
    const bool prompt = !a.json && isatty(0) != 0 && isatty(1) != 0;
    return NewPerson(0, stdout, a.json, prompt ? "> " : "");
  }
  if (std::error_code ignored; !std::filesystem::exists(a.model, ignored)) {
    return absl::NotFoundError(absl::StrCat("--model: ", a.model,
                                            " does not exist; it must be a model directory "
                                            "(config.json, model.safetensors, tokenizer.json) or "
                                            "a checkpoint"));
  }
  const auto program = SiblingProgram("sojourn-actor");
  if (!program.ok()) return program.status();
  auto responder = Responder::Start({*program, "--respond", a.model});
  if (!responder.ok()) return responder.status();
  return NewModelPlayer(*std::move(responder), absl::Seconds(a.timeout_seconds), a.instructions);
}

json ToJson(int episode, const Exchange& exchange) {
  json line = {{"episode", episode},
               {"turn", exchange.turn},
               {"observation", exchange.result.observation},
               {"reward", exchange.result.reward},
               {"done", exchange.result.done},
               {"success", exchange.result.success}};
  if (exchange.turn > 0) {
    line["response"] = exchange.response;
    line["invalid_action"] = exchange.result.invalid_action;
  }
  return line;
}

std::string Describe(const Outcome& outcome) {
  return absl::StrFormat("%s %s %d turn%s, reward %.4g",
                         outcome.success ? "solved" : (outcome.quit ? "left" : "not solved"),
                         outcome.success ? "in" : "after", outcome.turns,
                         outcome.turns == 1 ? "" : "s", outcome.reward);
}

int Play(const Arguments& a) {
  const auto options = ParseOptions(a.options);
  if (!options.ok()) return Fail(options.status());
  const auto environment = envs::Make(a.environment, *options);
  if (!environment.ok()) return Fail(environment.status());
  const envs::Spec& spec = (*environment)->spec();
  const auto difficulty = FindDifficulty(spec, a.difficulty);
  if (!difficulty.ok()) return Fail(difficulty.status());
  const auto split = envs::ParseSplit(a.split);
  if (!split.ok()) return Fail(split.status());
  auto player = MakePlayer(a);
  if (!player.ok()) return Fail(player.status());

  const bool person = !a.expert && !a.random && a.model.empty();
  const int max_turns = a.max_turns >= 0 ? a.max_turns : person ? 0 : spec.evaluation_turns;
  const bool transcript = !a.json && (person || a.episodes == 1);
  if (person && !a.json) {
    std::printf("? lists the valid actions, ! shows the expert's advice, q quits.\n");
  }

  const std::unique_ptr<envs::Instance> instance = (*environment)->NewInstance();
  int played = 0, successes = 0;
  int64_t turns = 0;
  double rewards = 0;
  bool quit = false;
  for (int episode = 0; episode < a.episodes && !quit; ++episode) {
    const envs::TaskId task{*split, difficulty->difficulty, a.index + episode};
    const std::string name =
        absl::StrCat(a.environment, " ", task.difficulty, " (", difficulty->name, "), ",
                     std::string(envs::SplitName(task.split)), " task ", task.index);
    if (transcript) std::printf("--- %s\n", name.c_str());
    const auto outcome =
        PlayEpisode(spec, *instance, task, **player, max_turns, [&](const Exchange& exchange) {
          if (a.json) {
            PrintJson(ToJson(episode, exchange));
          } else if (transcript) {
            if (!person && exchange.turn > 0) std::printf("\n> %s\n", exchange.response.c_str());
            std::printf("%s%s\n", person ? "" : "\n", exchange.result.observation.c_str());
            std::fflush(stdout);
          }
        });
    if (!outcome.ok()) return Fail(outcome.status());
    quit = outcome->quit;
    if (quit && outcome->turns == 0 && episode > 0) break;
    ++played;
    successes += outcome->success ? 1 : 0;
    turns += outcome->turns;
    rewards += outcome->reward;
    if (!a.json) {
      std::printf("%s%s: %s\n", transcript && !person ? "\n" : "", name.c_str(),
                  Describe(*outcome).c_str());
      std::fflush(stdout);
    }
  }
  if (a.json) {
    PrintJson({{"episodes", played},
               {"successes", successes},
               {"success", static_cast<double>(successes) / played},
               {"mean_turns", static_cast<double>(turns) / played},
               {"mean_reward", rewards / played}});
  } else if (played > 1) {
    std::printf("%d episodes: success %.1f%%, mean turns %.1f, mean reward %.3f\n", played,
                100.0 * successes / played, static_cast<double>(turns) / played, rewards / played);
  }
  return 0;
}

}  // namespace

void AddPlay(CLI::App& app, Action& action) {
  auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand(
      "play", "Play an environment's tasks: yourself, or an expert, chance or a model");
  command->add_option("ENVIRONMENT", a->environment, "its name; without it, all are listed");
  command->add_option("--difficulty", a->difficulty, "a number or a name; the first without it");
  command->add_option("--index", a->index, "which task")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--split", a->split, "train or test")->capture_default_str();
  command
      ->add_option("--option", a->options, "name=value, a setting of the environment; repeatable")
      ->take_all();
  command
      ->add_option("--max-turns", a->max_turns,
                   "end an episode after so many; 0: never. Default: the environment's limit for "
                   "evaluation, and none for a person")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--episodes", a->episodes, "play so many tasks, from --index on")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  CLI::Option* expert = command->add_flag("--expert", a->expert, "the expert plays");
  CLI::Option* random =
      command->add_flag("--random", a->random, "any of the valid actions is played");
  CLI::Option* model =
      command->add_option("--model", a->model, "a model directory or a checkpoint plays");
  expert->excludes(random)->excludes(model);
  random->excludes(model);
  command->add_option("--seed", a->seed, "of --random")->capture_default_str();
  command->add_flag("--instructions", a->instructions,
                    "begin the conversation with --model by the environment's instructions");
  command->add_option("--timeout", a->timeout_seconds, "seconds that --model has for a response")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_flag("--json", a->json,
                    "print a JSON object for every turn, and a last one with the result");
  command->footer(
      "You answer with an action, or with a whole response (Thought: ..., Action: ...).\n"
      "Examples:\n"
      "  sojourn play textcraft --difficulty 2\n"
      "  sojourn play babyai --option variants=verbs+json --expert\n"
      "  sojourn play babyai --difficulty GoToLocalS8N7 --expert\n"
      "  sojourn play babyai --split test --model models/base --episodes 20");
  command->callback(
      [a, &action] { action = [a] { return a->environment.empty() ? List(a->json) : Play(*a); }; });
}

}  // namespace sojourn::cli
