#include "config/job_config.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/files.h"
#include "config/yaml_message.h"

namespace sojourn::config {
namespace {

using google::protobuf::Message;

// All defaults, in one place. The study's usual settings where it names them.
void SetDefaults(v1::JobConfig* config) {
  config->set_name("run");
  config->set_seed(1);

  v1::Policy* policy = config->mutable_policy();
  policy->set_max_context_tokens(1024);
  policy->set_dtype("float32");

  v1::Rollout* rollout = config->mutable_rollout();
  rollout->set_group_size(8);
  rollout->set_groups_per_update(16);
  rollout->set_max_staleness(1);
  rollout->set_max_turn_tokens(64);
  rollout->set_temperature(1);
  rollout->set_top_p(1);

  v1::Algorithm* algorithm = config->mutable_algorithm();
  algorithm->set_name("grpo");
  algorithm->set_learning_rate(5e-4);
  algorithm->set_schedule("constant");
  algorithm->set_adam_beta1(0.9);
  algorithm->set_adam_beta2(0.95);
  algorithm->set_adam_epsilon(1e-8);
  algorithm->set_max_gradient_norm(1);
  algorithm->set_clip_low(0.2);
  algorithm->set_clip_high(0.2);
  algorithm->set_minibatches(1);
  algorithm->set_microbatch_tokens(8192);
  algorithm->set_loss_normalization("token");

  v1::Evaluation* evaluation = config->mutable_evaluation();
  evaluation->set_tasks(100);
  evaluation->set_episodes_per_task(1);
  evaluation->set_greedy(true);
  evaluation->set_random_row(true);
  evaluation->set_sample_trajectories(2);

  v1::Resources* resources = config->mutable_resources();
  resources->set_actors(1);
  resources->set_learner_ranks(1);
  resources->set_threads(1);
  resources->set_slots(64);
}

void SetElementDefaults(Message* element) {
  if (auto* entry = dynamic_cast<v1::MixtureEntry*>(element)) {
    entry->set_weight(1);
    entry->set_max_turns(20);
  } else if (auto* cell = dynamic_cast<v1::EvaluationCell*>(element)) {
    cell->set_max_turns(20);
  }
}

// What one value says about another: names from types, one difficulty as a range, seeds as arms.
void Resolve(const std::string& path, v1::JobConfig* config) {
  const std::filesystem::path folder = std::filesystem::absolute(path).parent_path();
  const auto locate = [&](std::string* path) {
    if (!path->empty()) *path = (folder / *path).lexically_normal().string();
  };
  locate(config->mutable_policy()->mutable_model());
  if (config->policy().has_endpoint()) {
    v1::Endpoint& endpoint = *config->mutable_policy()->mutable_endpoint();
    locate(endpoint.mutable_tokenizer());
    if (endpoint.timeout_seconds() == 0) endpoint.set_timeout_seconds(300);
    if (endpoint.patience_seconds() == 0) endpoint.set_patience_seconds(120);
    config->mutable_resources()->set_learner_ranks(0);   // there are no weights to serve
  }
  if (config->policy().rollout_weights().empty()) {
    config->mutable_policy()->set_rollout_weights(config->policy().dtype());
  }
  for (v1::Environment& environment : *config->mutable_environments()) {
    if (environment.name().empty()) environment.set_name(environment.type());
    if (environment.type().empty()) environment.set_type(environment.name());
  }
  for (v1::Arm& arm : *config->mutable_arms()) {
    for (v1::Stage& stage : *arm.mutable_stages()) {
      std::vector<std::string> names;
      for (v1::MixtureEntry& entry : *stage.mutable_mixture()) {
        if (entry.max_difficulty() == 0) entry.set_max_difficulty(entry.min_difficulty());
        names.push_back(entry.environment());
      }
      if (stage.name().empty()) stage.set_name(absl::StrJoin(names, "+"));
      if (stage.advance().success_threshold() > 0 && stage.advance().success_patience() == 0) {
        stage.mutable_advance()->set_success_patience(1);
      }
    }
  }
  if (config->seeds_size() > 0) {
    const google::protobuf::RepeatedPtrField<v1::Arm> arms = config->arms();
    config->clear_arms();
    for (const uint64_t seed : config->seeds()) {
      for (const v1::Arm& arm : arms) {
        v1::Arm* copy = config->add_arms();
        *copy = arm;
        copy->set_seed(seed);
        if (config->seeds_size() > 1) copy->set_name(absl::StrCat(arm.name(), "-seed", seed));
      }
    }
    config->clear_seeds();
  }
}

}  // namespace

absl::StatusOr<v1::JobConfig> ParseJobConfig(const std::string& yaml, const std::string& path) {
  v1::JobConfig config = DefaultJobConfig();
  if (absl::Status read = ReadYaml(yaml, path, SetElementDefaults, &config); !read.ok()) return read;
  return ResolveJobConfig(std::move(config), path);
}

v1::JobConfig DefaultJobConfig() {
  v1::JobConfig config;
  SetDefaults(&config);
  return config;
}

absl::StatusOr<v1::JobConfig> ResolveJobConfig(v1::JobConfig config, const std::string& path) {
  Resolve(path, &config);
  if (absl::Status valid = ValidateJobConfig(config); !valid.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ":\n", valid.message()));
  }
  return config;
}

absl::StatusOr<v1::JobConfig> LoadJobConfig(const std::string& path) {
  const auto text = ReadFile(path);
  if (!text.ok()) {
    return absl::Status(text.status().code(),
                        absl::StrCat(text.status().message(), "; give a configuration such as configs/quickstart.yaml"));
  }
  return ParseJobConfig(*text, path);
}

std::string JobConfigYaml(const v1::JobConfig& config) {
  YAML::Emitter out;
  WriteYaml(config, &out);
  return absl::StrCat(out.c_str(), "\n");
}

}  // namespace sojourn::config
