// One GRPO update as an actor and a learner rank compute it: the engine samples the groups' completions, the
// trainer learns from them, and the engine takes the new weights. Prints seconds of each, medians.
//
//   grpo_bench --model DIR --format int8 --prompts 4 --prompt 252 --group 8 --completion 32
#include <ATen/Parallel.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "learner/memory.h"
#include "learner/trainer.h"
#include "policy/engine.h"
#include "policy/model_files.h"

namespace sojourn {
namespace {

struct Options {
  std::string model, format = "bf16";
  int threads = 2, prompts = 4, prompt = 252, group = 8, completion = 32, updates = 3;
};

const std::map<std::string, policy::WeightFormat> kFormats = {
    {"fp32", policy::WeightFormat::kFloat32},
    {"bf16", policy::WeightFormat::kBfloat16},
    {"int8", policy::WeightFormat::kInt8}};

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "grpo_bench: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}
template <typename T>
T Get(absl::StatusOr<T> value) {
  Check(value.status());
  return *std::move(value);
}

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

v1::JobConfig Config(const Options& options) {
  v1::JobConfig config;
  config.mutable_rollout()->set_group_size(options.group);
  config.mutable_rollout()->set_groups_per_update(options.prompts);
  config.mutable_rollout()->set_temperature(1);
  config.mutable_policy()->set_max_context_tokens(options.prompt + options.completion);
  config.mutable_policy()->set_dtype("bfloat16");
  v1::Algorithm& a = *config.mutable_algorithm();
  a.set_name("grpo");
  a.set_schedule("constant");
  a.set_learning_rate(1e-6);
  a.set_adam_beta1(0.9);
  a.set_adam_beta2(0.999);
  a.set_adam_epsilon(1e-8);
  a.set_clip_low(0.2);
  a.set_clip_high(0.2);
  a.set_minibatches(1);
  a.set_loss_normalization("token");
  return config;
}

// The groups of one update, in order; half of a group's members are rewarded.
std::vector<v1::Trajectory> Play(policy::Engine& engine, const Options& options, int vocab, uint64_t update) {
  std::vector<v1::Trajectory> trajectories(options.prompts * options.group);
  std::map<int64_t, v1::Trajectory*> playing;
  for (int g = 0; g < options.prompts; ++g) {
    const uint64_t group = update * options.prompts + g;
    Random random(RandomKey(1).With(group));
    std::vector<int32_t> prompt(options.prompt);
    for (int32_t& token : prompt) token = static_cast<int32_t>(random.Below(vocab));
    const std::vector<int64_t> episodes = Get(engine.OpenGroup(prompt, options.group));
    for (int member = 0; member < options.group; ++member) {
      v1::Trajectory& t = trajectories[g * options.group + member];
      t.mutable_name()->set_group(group);
      t.set_member(member);
      t.set_group_size(options.group);
      t.set_policy_version(update);
      t.set_reward(member % 2);
      t.mutable_tokens()->Add(prompt.begin(), prompt.end());
      t.mutable_loss_mask()->append(prompt.size(), 0);
      t.mutable_behavior_logprobs()->Resize(options.prompt, 0);
      playing[episodes[member]] = &t;
      Check(engine.Respond(episodes[member],
                           {.max_tokens = options.completion, .key = RandomKey(2).With(group).With(member)}));
    }
  }
  while (!engine.idle()) {
    for (const policy::Response& response : Get(engine.Step())) {
      v1::Trajectory& t = *playing[response.episode];
      t.mutable_tokens()->Add(response.tokens.begin(), response.tokens.end());
      t.mutable_loss_mask()->append(response.tokens.size(), 1);
      t.mutable_behavior_logprobs()->Add(response.logprobs.begin(), response.logprobs.end());
      engine.Close(response.episode);
    }
  }
  return trajectories;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Speed of a whole GRPO update.");
  app.add_option("--model", options.model, "a model directory or a .gguf file")->required();
  app.add_option("--format", options.format, "of the engine's weights; the trainer's are bf16")
      ->check(CLI::IsMember(kFormats));
  app.add_option("--threads", options.threads);
  app.add_option("--prompts", options.prompts, "of an update");
  app.add_option("--prompt", options.prompt, "tokens");
  app.add_option("--group", options.group, "completions of a prompt");
  app.add_option("--completion", options.completion, "tokens");
  app.add_option("--updates", options.updates, "after a first one that does not count");
  CLI11_PARSE(app, argc, argv);

  at::set_num_threads(options.threads);
  const policy::Model model = Get(policy::LoadModel(options.model, torch::kBFloat16));
  const int vocab = static_cast<int>(model.config().vocab_size);
  auto one = learner::SingleRank();
  const auto trainer =
      Get(learner::Trainer::Create(Config(options), 0, model, one.get(), absl::Seconds(1)));
  policy::EngineOptions engine_options;
  engine_options.slots = options.prompts * options.group;
  engine_options.prefill_chunk = 256;
  engine_options.max_context_tokens = options.prompt + options.completion;
  engine_options.weight_format = kFormats.at(options.format);
  engine_options.threads = options.threads;
  const auto engine =
      Get(policy::Engine::Create(std::make_shared<policy::Model>(model), engine_options));

  std::vector<double> rollout, train, weights, whole;
  for (int update = 0; update <= options.updates; ++update) {
    const double begin = Now();
    const auto trajectories = Play(*engine, options, vocab, update);
    const double played = Now();
    Get(trainer->Update(trajectories));
    const double trained = Now();
    Check(engine->SetModel(std::make_shared<policy::Model>(trainer->Policy())));
    const double end = Now();
    if (update == 0) continue;
    rollout.push_back(played - begin);
    train.push_back(trained - played);
    weights.push_back(end - trained);
    whole.push_back(end - begin);
  }
  std::printf("GRPO update %.3f s: rollout %.3f, training %.3f, weights to the engine %.3f\n", Median(whole),
              Median(rollout), Median(train), Median(weights));
  return 0;
}

}  // namespace
}  // namespace sojourn

int main(int argc, char** argv) {
  sojourn::learner::KeepFreedMemory();
  return sojourn::Main(argc, argv);
}
