#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/suggest.h"
#include "config/job_config.h"
#include "envs/environment.h"
#include "envs/variants/variants.h"
#include "policy/gguf.h"

namespace sojourn::config {
namespace {

class Validator {
 public:
  explicit Validator(const v1::JobConfig& config) : config_(config) {}

  absl::Status Run() {
    Name();
    Policy();
    Rollout();
    Algorithm();
    Resources();
    Environments();
    Arms();
    Evaluation();
    if (faults_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("  ", absl::StrJoin(faults_, "\n  ")));
  }

 private:
  template <typename... T>
  void Require(bool good, const std::string& path, const T&... reason) {
    if (!good) faults_.push_back(absl::StrCat(path, ": ", reason...));
  }

  void OneOf(const std::string& path, const std::string& value, const std::vector<std::string>& known) {
    for (const std::string& k : known) {
      if (k == value) return;
    }
    Require(false, path, "unknown value \"", value, "\"; known: ", absl::StrJoin(known, ", "), Suggest(value, known));
  }

  void Name() {
    const std::string& name = config_.name();
    const bool good = !name.empty() && name.size() <= 100 && name[0] != '.' &&
                      name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
                          std::string::npos;
    Require(good, "name", "\"", name, "\" cannot name a folder; use up to 100 letters, digits, '-', '_' and '.'");
  }

  void Policy() {
    const v1::Policy& policy = config_.policy();
    if (policy.has_endpoint()) {
      Endpoint(policy);
    } else {
      Require(!policy.model().empty(), "policy.model",
              "missing; name a model directory such as ../models/base, or a .gguf file");
    }
    Require(policy.max_context_tokens() > 0, "policy.max_context_tokens", "must be at least 1");
    OneOf("policy.dtype", policy.dtype(), {"float32", "bfloat16"});
    OneOf("policy.rollout_weights", policy.rollout_weights(), {"float32", "bfloat16", "int8"});
    Require(policy.lora().rank() <= 4096, "policy.lora.rank", "must be at most 4096");
    Require(policy.lora().alpha() >= 0, "policy.lora.alpha", "must not be negative");
    Require(policy.lora().rank() > 0 || policy.lora().targets_size() == 0, "policy.lora.rank", "missing; 16 is usual");
    for (int i = 0; i < policy.lora().targets_size(); ++i) {
      OneOf(absl::StrCat("policy.lora.targets[", i, "]"), policy.lora().targets(i),
            {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"});
    }
    if (policy.model().empty()) return;
    const uint64_t positions = IsGguf(policy.model()) ? GgufPositions("policy.model", policy.model())
                                                      : DirectoryPositions(policy.model());
    Require(positions == 0 || policy.max_context_tokens() <= positions, "policy.max_context_tokens",
            policy.max_context_tokens(), " is more than the model was made for: max_position_embeddings is ", positions);
  }

  static bool IsGguf(const std::string& path) { return absl::EndsWith(path, ".gguf"); }

  // How long a context the model's files say it was made for; 0 when they do not, or there is a fault.
  uint64_t GgufPositions(const std::string& at, const std::string& path) {
    const auto file = policy::GgufFile::Open(path);
    Require(file.ok(), at, file.ok() ? "" : file.status().message());
    if (!file.ok()) return 0;
    const auto architecture = (*file)->Get<std::string_view>("general.architecture");
    Require(architecture.ok(), at, architecture.ok() ? "" : architecture.status().message());
    if (!architecture.ok()) return 0;
    const auto positions = (*file)->Find<int64_t>(absl::StrCat(*architecture, ".context_length"));
    return positions.ok() ? std::max<int64_t>(0, positions->value_or(0)) : 0;
  }

  uint64_t DirectoryPositions(const std::filesystem::path& model) {
    std::error_code ignored;  // a path that cannot be looked at is as good as none
    for (const char* file : {"config.json", "model.safetensors", "tokenizer.json"}) {
      const bool sharded = file == std::string("model.safetensors") &&
                           std::filesystem::exists(model / "model.safetensors.index.json", ignored);
      Require(sharded || std::filesystem::exists(model / file, ignored), "policy.model", (model / file).string(),
              " does not exist; a model directory holds config.json, model.safetensors and tokenizer.json");
    }
    std::ifstream in(model / "config.json");
    const nlohmann::json json = nlohmann::json::parse(in, nullptr, false);
    if (!json.is_object() || !json.contains("max_position_embeddings")) return 0;
    const auto& positions = json["max_position_embeddings"];
    return positions.is_number_unsigned() ? positions.get<uint64_t>() : 0;
  }

  void Endpoint(const v1::Policy& policy) {
    const v1::Endpoint& endpoint = policy.endpoint();
    const std::string& url = endpoint.url();
    Require(absl::StartsWith(url, "http://") || absl::StartsWith(url, "https://"), "policy.endpoint.url", "\"", url,
            "\" is no endpoint; expected http://HOST:PORT or http://HOST:PORT/v1");
    Require(!endpoint.model().empty(), "policy.endpoint.model", "missing; ", url.empty() ? "URL" : url,
            "/models lists what the endpoint has");
    Require(policy.model().empty(), "policy.model",
            "given beside policy.endpoint, which has a model of its own; leave one of them out");
    for (const v1::Arm& arm : config_.arms()) {
      Require(arm.stages_size() == 0, "policy.endpoint", "its model cannot be trained, but arm \"", arm.name(),
              "\" has stages; leave them out (the job then measures), or give policy.model");
    }
    Require(endpoint.timeout_seconds() > 0 && endpoint.timeout_seconds() <= 86400, "policy.endpoint.timeout_seconds",
            "must be above 0 and at most 86400");
    Require(endpoint.patience_seconds() > 0 && endpoint.patience_seconds() <= 86400,
            "policy.endpoint.patience_seconds", "must be above 0 and at most 86400");
    if (endpoint.tokenizer().empty()) return;
    if (IsGguf(endpoint.tokenizer())) {
      GgufPositions("policy.endpoint.tokenizer", endpoint.tokenizer());
    } else {
      const std::filesystem::path file = std::filesystem::path(endpoint.tokenizer()) / "tokenizer.json";
      std::error_code ignored;
      Require(std::filesystem::exists(file, ignored), "policy.endpoint.tokenizer", file.string(),
              " does not exist; give a model directory or a .gguf file, or leave it out");
    }
  }

  void Rollout() {
    const v1::Rollout& r = config_.rollout();
    Require(r.group_size() >= 2, "rollout.group_size",
            "must be at least 2: an episode is compared with the others of its group, so a group of one teaches nothing");
    Require(r.group_size() <= 1024, "rollout.group_size", "must be at most 1024");
    Require(r.groups_per_update() >= 1, "rollout.groups_per_update", "must be at least 1");
    Require(r.groups_per_update() <= 65536, "rollout.groups_per_update", "must be at most 65536");
    Require(r.max_staleness() <= 64, "rollout.max_staleness", "must be at most 64");
    Require(r.max_turn_tokens() >= 1, "rollout.max_turn_tokens", "must be at least 1");
    Require(r.max_turn_tokens() < config_.policy().max_context_tokens(), "rollout.max_turn_tokens",
            "must be less than policy.max_context_tokens (", config_.policy().max_context_tokens(),
            "), or no response could ever fit");
    Require(r.temperature() > 0 && r.temperature() <= 100, "rollout.temperature",
            "must be above 0 (and at most 100): a group sampled greedily has no differences to learn from");
    Require(r.top_p() > 0 && r.top_p() <= 1, "rollout.top_p", "must be above 0 and at most 1 (1 = off)");
    Require(r.invalid_action_reward() <= 0, "rollout.invalid_action_reward", "must not be above 0: it is a penalty");
  }

  void Algorithm() {
    const v1::Algorithm& a = config_.algorithm();
    OneOf("algorithm.name", a.name(), {"grpo", "rloo", "reinforce++"});
    OneOf("algorithm.schedule", a.schedule(), {"constant", "linear", "cosine"});
    for (const v1::Arm& arm : config_.arms()) {
      for (const v1::Stage& stage : arm.stages()) {
        Require(a.schedule() == "constant" || stage.advance().updates() > 0 || stage.advance().episodes() > 0,
                "algorithm.schedule", "a learning rate that falls to 0 needs to know where the arm ends, but stage \"",
                stage.name(), "\" of arm \"", arm.name(), "\" has no limit; give its advance updates or episodes");
      }
    }
    OneOf("algorithm.loss_normalization", a.loss_normalization(), {"token", "sequence"});
    Require(a.learning_rate() > 0 && a.learning_rate() <= 1, "algorithm.learning_rate", "must be above 0 and at most 1");
    Require(a.weight_decay() >= 0 && a.weight_decay() < 1, "algorithm.weight_decay", "must be in [0, 1)");
    Require(a.adam_beta1() >= 0 && a.adam_beta1() < 1, "algorithm.adam_beta1", "must be in [0, 1)");
    Require(a.adam_beta2() >= 0 && a.adam_beta2() < 1, "algorithm.adam_beta2", "must be in [0, 1)");
    Require(a.adam_epsilon() > 0, "algorithm.adam_epsilon", "must be above 0");
    Require(a.max_gradient_norm() >= 0, "algorithm.max_gradient_norm", "must not be negative (0 = no clipping)");
    Require(a.clip_low() > 0 && a.clip_low() < 1, "algorithm.clip_low", "must be in (0, 1)");
    Require(a.clip_high() > 0 && a.clip_high() <= 10, "algorithm.clip_high", "must be in (0, 10]");
    Require(a.kl_coefficient() >= 0, "algorithm.kl_coefficient", "must not be negative");
    Require(a.minibatches() >= 1, "algorithm.minibatches", "must be at least 1");
    const uint64_t ranks = std::max(1u, config_.resources().learner_ranks());
    Require(a.minibatches() <= std::max<uint64_t>(1, config_.rollout().groups_per_update() / ranks),
            "algorithm.minibatches", a.minibatches(), " parts cannot be cut from a rank's share of ",
            config_.rollout().groups_per_update(), " groups; lower it or raise rollout.groups_per_update");
    Require(a.microbatch_tokens() >= config_.policy().max_context_tokens(), "algorithm.microbatch_tokens",
            "must be at least policy.max_context_tokens (", config_.policy().max_context_tokens(),
            "), or a long trajectory would fit in no micro-batch and its update would wait for ever");
  }

  void Resources() {
    const v1::Resources& r = config_.resources();
    Require(r.actors() >= 1, "resources.actors", "must be at least 1: without one no episode is played");
    Require(r.actors() <= 1024, "resources.actors", "must be at most 1024");
    Require(r.learner_ranks() >= 1 || config_.policy().has_endpoint(), "resources.learner_ranks", "must be at least 1: without one nothing is learned");
    Require(r.threads() >= 1 && r.threads() <= 1024, "resources.threads", "must be from 1 to 1024");
    for (int i = 0; i < r.devices_size(); ++i) {
      const std::string& device = r.devices(i);
      int index = 0;
      Require(device == "cpu" || device == "cuda" ||
                  (absl::StartsWith(device, "cuda:") && absl::SimpleAtoi(device.substr(5), &index) && index >= 0),
              absl::StrCat("resources.devices[", i, "]"),
              absl::StrCat("unknown \"", device, "\"; known: cpu, cuda, cuda:N"));
    }
    Require(r.slots() >= 1 && r.slots() <= 65536, "resources.slots", "must be from 1 to 65536");
    if (r.learner_ranks() >= 1 && config_.rollout().groups_per_update() >= 1) {
      Require(config_.rollout().groups_per_update() % r.learner_ranks() == 0, "rollout.groups_per_update",
              config_.rollout().groups_per_update(), " groups cannot be shared equally by resources.learner_ranks = ",
              r.learner_ranks(), ", so ranks would wait for each other for ever; use a multiple of it");
    }
  }

  void Environments() {
    Require(config_.environments_size() > 0, "environments", "missing; list at least one, e.g. `- type: babyai`");
    for (int i = 0; i < config_.environments_size(); ++i) {
      const v1::Environment& environment = config_.environments(i);
      const std::string path = absl::StrCat("environments[", i, "]");
      const envs::Options options(environment.options().begin(), environment.options().end());
      auto made = envs::Make(environment.type(), options);
      if (!made.ok()) {
        Require(false, absl::StrCat(path, absl::IsNotFound(made.status()) ? ".type" : ".options"),
                made.status().message());
        known_[environment.name()] = nullptr;
        continue;
      }
      Require(!known_.contains(environment.name()), absl::StrCat(path, ".name"), "\"", environment.name(),
              "\" names two environments; give one of them another name");
      known_[environment.name()] = *std::move(made);
    }
  }

  // Null when the environment is unknown or could not be made; says so in the first case.
  std::shared_ptr<const envs::Environment> Find(const std::string& path, const std::string& name) {
    const auto found = known_.find(name);
    if (found != known_.end()) return found->second;
    std::vector<std::string> names;
    for (const auto& [known, environment] : known_) names.push_back(known);
    Require(false, path, "unknown environment \"", name, "\"; `environments` lists: ", absl::StrJoin(names, ", "),
            Suggest(name, names));
    return nullptr;
  }

  void Arms() {
    Require(config_.arms_size() > 0, "arms", "missing; give at least one arm with one stage");
    std::set<std::string> names;
    for (int i = 0; i < config_.arms_size(); ++i) {
      const v1::Arm& arm = config_.arms(i);
      const std::string path = absl::StrCat("arms[", i, "]");
      Require(!arm.name().empty(), absl::StrCat(path, ".name"), "missing");
      Require(arm.name().size() <= 100, absl::StrCat(path, ".name"), "must be at most 100 letters: it names a folder");
      Require(arm.name().find_first_not_of(
                  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == std::string::npos &&
                  (arm.name().empty() || arm.name()[0] != '.'),
              absl::StrCat(path, ".name"), "\"", arm.name(), "\" cannot name a folder; use letters, digits, '-', '_', '.'");
      Require(names.insert(arm.name()).second, absl::StrCat(path, ".name"), "\"", arm.name(), "\" is used twice");
      Require(arm.stages_size() > 0 || config_.arms_size() == 1, absl::StrCat(path, ".stages"),
              "missing; an arm needs at least one stage (a job with a single arm may have none: it only measures)");
      for (int s = 0; s < arm.stages_size(); ++s) Stage(absl::StrCat(path, ".stages[", s, "]"), arm.stages(s));
    }
  }

  void Stage(const std::string& path, const v1::Stage& stage) {
    Require(stage.mixture_size() > 0, absl::StrCat(path, ".mixture"), "missing; name at least one environment");
    std::set<std::string> used;
    for (int m = 0; m < stage.mixture_size(); ++m) {
      const v1::MixtureEntry& entry = stage.mixture(m);
      const std::string at = absl::StrCat(path, ".mixture[", m, "]");
      Require(entry.weight() > 0 && entry.weight() <= 1e6, absl::StrCat(at, ".weight"),
              "must be above 0 (and at most 1e6); leave out an entry that should not be played");
      Require(entry.max_turns() >= 1, absl::StrCat(at, ".max_turns"), "must be at least 1");
      const auto environment = Find(absl::StrCat(at, ".environment"), entry.environment());
      Require(entry.min_difficulty() <= entry.max_difficulty(), absl::StrCat(at, ".min_difficulty"),
              "is above max_difficulty (", entry.max_difficulty(), ")");
      if (environment == nullptr) continue;
      Difficulty(absl::StrCat(at, ".min_difficulty"), *environment, entry.min_difficulty());
      if (entry.max_difficulty() != entry.min_difficulty()) {
        Difficulty(absl::StrCat(at, ".max_difficulty"), *environment, entry.max_difficulty());
      }
    }
    for (int h = 0; h < stage.horizon_size(); ++h) {
      const std::string at = absl::StrCat(path, ".horizon[", h, "]");
      Require(stage.horizon(h).max_turns() >= 1, absl::StrCat(at, ".max_turns"), "must be at least 1");
      Require(h > 0 || stage.horizon(h).from_update() == 0, absl::StrCat(at, ".from_update"), "the first must be 0");
      Require(h == 0 || stage.horizon(h).from_update() > stage.horizon(h - 1).from_update(),
              absl::StrCat(at, ".from_update"), "must be above the one before");
    }
    const v1::Advance& advance = stage.advance();
    Require(advance.updates() > 0 || advance.episodes() > 0 || advance.tokens() > 0, absl::StrCat(path, ".advance"),
            "gives no limit, so the stage might never end; set updates, episodes or tokens",
            advance.success_threshold() > 0 ? " beside success_threshold" : "");
    Require(advance.success_threshold() >= 0 && advance.success_threshold() <= 1,
            absl::StrCat(path, ".advance.success_threshold"), "must be from 0 to 1");
    Require(advance.success_patience() == 0 || advance.success_threshold() > 0,
            absl::StrCat(path, ".advance.success_patience"), "needs success_threshold");
  }

  void Difficulty(const std::string& path, const envs::Environment& environment, int difficulty) {
    const auto count = environment.TaskCount(envs::Split::kTrain, difficulty);
    if (!count.ok()) return Require(false, path, count.status().message());
    Require(*count > 0, path, "no training tasks at difficulty ", difficulty);
  }

  void Evaluation() {
    const v1::Evaluation& e = config_.evaluation();
    Require(e.cells_size() > 0, "evaluation.cells", "missing; the transfer matrix needs at least one column");
    Require(e.tasks() >= 1, "evaluation.tasks", "must be at least 1");
    Require(e.episodes_per_task() >= 1 && e.episodes_per_task() <= 1024, "evaluation.episodes_per_task",
            "must be from 1 to 1024");
    constexpr uint64_t kMostEpisodes = 1'000'000;   // of a row: all its groups are held at once
    const uint64_t episodes = uint64_t{e.tasks()} * e.cells_size() * (e.episodes_per_task() + (e.greedy() ? 1 : 0));
    Require(episodes <= kMostEpisodes, "evaluation.tasks", "a row would take ", episodes, " episodes, at most ",
            kMostEpisodes, " are possible; ask for fewer tasks");
    std::set<std::string> columns;
    for (int i = 0; i < e.cells_size(); ++i) {
      const v1::EvaluationCell& cell = e.cells(i);
      const std::string at = absl::StrCat("evaluation.cells[", i, "]");
      Require(cell.max_turns() >= 1, absl::StrCat(at, ".max_turns"), "must be at least 1");
      Require(columns.insert(absl::StrCat(cell.environment(), "/", cell.difficulty(), "/", cell.variant(), "/",
                                          cell.split() == "train" ? "train" : "test")).second, at,
              "the same column is listed twice");
      const auto environment = Find(absl::StrCat(at, ".environment"), cell.environment());
      if (environment == nullptr) continue;
      if (const auto varied = envs::Vary(environment, cell.variant()); !varied.ok()) {
        Require(false, absl::StrCat(at, ".variant"), varied.status().message());
      }
      const auto split = cell.split().empty() ? envs::Split::kTest : envs::ParseSplit(cell.split());
      if (!split.ok()) {
        Require(false, absl::StrCat(at, ".split"), split.status().message());
        continue;
      }
      const auto count = environment->TaskCount(*split, cell.difficulty());
      if (!count.ok()) {
        Require(false, absl::StrCat(at, ".difficulty"), count.status().message());
      } else {
        Require(*count >= e.tasks(), "evaluation.tasks", e.tasks(), " tasks are asked for, but ", cell.environment(),
                " has ", *count, " ", envs::SplitName(*split), " tasks at difficulty ", cell.difficulty());
      }
    }
  }

  const v1::JobConfig& config_;
  std::map<std::string, std::shared_ptr<const envs::Environment>> known_;
  std::vector<std::string> faults_;
};

}  // namespace

absl::Status ValidateJobConfig(const v1::JobConfig& config) { return Validator(config).Run(); }

}  // namespace sojourn::config
