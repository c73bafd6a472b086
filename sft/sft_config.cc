#include "sft/sft_config.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "config/yaml_message.h"

namespace sojourn::sft {
namespace {

using google::protobuf::Message;

void SetDefaults(v1::SftConfig* config) {
  config->set_seed(1);
  config->set_max_context_tokens(1024);
  v1::Shape* shape = config->mutable_shape();
  shape->set_hidden_size(96);
  shape->set_intermediate_size(256);
  shape->set_layers(3);
  shape->set_attention_heads(4);
  shape->set_key_value_heads(4);
  shape->set_max_position_embeddings(1024);
  shape->set_rope_theta(10000);
  v1::TokenizerConfig* tokenizer = config->mutable_tokenizer();
  tokenizer->set_vocab_size(1024);
  tokenizer->set_training_episodes(2000);
  v1::SftOptimizer* optimizer = config->mutable_optimizer();
  optimizer->set_steps(1600);
  optimizer->set_tokens_per_step(2560);
  optimizer->set_muon_learning_rate(0.02);
  optimizer->set_adamw_learning_rate(3e-3);
  optimizer->set_language_model_weight(0.5);
  optimizer->set_decay_fraction(0.4);
  optimizer->set_microbatch_tokens(8192);
}

void SetElementDefaults(Message* element) {
  if (auto* demonstration = dynamic_cast<v1::DemonstrationConfig*>(element)) {
    demonstration->set_weight(1);
    demonstration->set_max_turns(20);
  }
}

std::vector<std::string> Check(const v1::SftConfig& config) {
  std::vector<std::string> faults;
  const auto require = [&](bool good, const std::string& path, const std::string& reason) {
    if (!good) faults.push_back(absl::StrCat(path, ": ", reason));
  };
  require(config.demonstrations_size() > 0, "demonstrations", "missing; list at least one");
  for (int i = 0; i < config.demonstrations_size(); ++i) {
    const v1::DemonstrationConfig& d = config.demonstrations(i);
    const std::string path = absl::StrCat("demonstrations[", i, "]");
    if (d.recordings().empty()) {
      require(!d.environment().type().empty(), path + ".environment.type", "missing; or name a file of `recordings`");
    } else {
      require(!d.has_environment(), path, "names an environment and recordings; list them one by one");
    }
    require(d.weight() > 0, path + ".weight", "must be above 0");
    require(d.max_turns() > 0, path + ".max_turns", "must be at least 1");
    require(d.goal_blind() >= 0 && d.goal_blind() <= 1, path + ".goal_blind", "must be from 0 to 1");
    require(d.noise() >= 0 && d.noise() < 1, path + ".noise", "must be in [0, 1): something has to be learned");
  }
  const v1::SftOptimizer& o = config.optimizer();
  require(o.tokens_per_step() >= config.max_context_tokens(), "optimizer.tokens_per_step",
          "must be at least max_context_tokens");
  require(o.decay_fraction() >= 0 && o.decay_fraction() <= 1, "optimizer.decay_fraction", "must be from 0 to 1");
  require(o.muon_learning_rate() >= 0, "optimizer.muon_learning_rate", "must not be negative");
  require(o.adamw_learning_rate() > 0, "optimizer.adamw_learning_rate", "must be above 0");
  require(o.language_model_weight() >= 0, "optimizer.language_model_weight", "must not be negative");
  require(o.steps() > 0, "optimizer.steps", "must be at least 1");
  require(o.microbatch_tokens() >= config.max_context_tokens(), "optimizer.microbatch_tokens",
          "must be at least max_context_tokens");
  require(config.dtype().empty() || config.dtype() == "float32" || config.dtype() == "bfloat16", "dtype",
          absl::StrCat("unknown \"", config.dtype(), "\"; known: float32, bfloat16"));
  require(!config.from().empty() || !config.has_lora() || config.lora().rank() == 0, "lora",
          "adapts a model that there is; give `from`");
  require(!config.from().empty() || config.tokenizer().training_episodes() > 0, "tokenizer.training_episodes",
          "must be at least 1");
  return faults;
}

}  // namespace

absl::StatusOr<v1::SftConfig> LoadSftConfig(const std::string& path) {
  const auto text = ReadFile(path);
  if (!text.ok()) return text.status();
  v1::SftConfig config;
  SetDefaults(&config);
  if (absl::Status read = config::ReadYaml(*text, path, SetElementDefaults, &config); !read.ok()) return read;
  if (absl::Status sound = config::FaultsOf(path, Check(config)); !sound.ok()) return sound;
  const auto folder = std::filesystem::absolute(path).parent_path();
  const auto resolve = [&](const std::string& given) { return (folder / given).lexically_normal().string(); };
  if (!config.from().empty()) config.set_from(resolve(config.from()));
  for (v1::DemonstrationConfig& d : *config.mutable_demonstrations()) {
    if (!d.recordings().empty()) d.set_recordings(resolve(d.recordings()));
  }
  return config;
}

}  // namespace sojourn::sft
