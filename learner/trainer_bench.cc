// How long a learner rank computes, optimizer step included: the quickstart's model (96 wide, 3 layers, 0.43M
// weights) on one thread, and SmolLM2-135M's shape on all cores. tokens/s counts a group's common prompt once
// for each of its episodes, though it is read once.
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include <thread>

#include "common/random.h"
#include "learner/memory.h"
#include "learner/sft.h"
#include "learner/trainer.h"

namespace sojourn::learner {
namespace {

policy::Model RandomModel(const policy::ModelConfig& config, torch::ScalarType type) {
  policy::Weights weights = policy::RandomWeights(config, RandomKey(1));
  for (auto& [name, weight] : weights) weight = weight.to(type);
  return policy::Model::Create(config, std::move(weights)).value();
}

policy::Model SmallModel() {
  at::set_num_threads(1);
  policy::ModelConfig config;
  config.vocab_size = 1024;
  config.hidden_size = 96;
  config.intermediate_size = 256;
  config.num_hidden_layers = 3;
  config.num_attention_heads = config.num_key_value_heads = 4;
  config.head_dim = 24;
  config.max_position_embeddings = 640;
  return RandomModel(config, torch::kFloat);
}

policy::Model SmolLm2(torch::ScalarType type) {
  at::set_num_threads(static_cast<int>(std::thread::hardware_concurrency()));
  policy::ModelConfig config;
  config.vocab_size = 49152;
  config.hidden_size = 576;
  config.intermediate_size = 1536;
  config.num_hidden_layers = 30;
  config.num_attention_heads = 9;
  config.num_key_value_heads = 3;
  config.head_dim = 64;
  config.max_position_embeddings = 8192;
  config.rope_theta = 100000;
  return RandomModel(config, type);
}

struct Shape {
  int groups, group_size, tokens;
  int prompt;             // of the tokens, those that a group shares
  int observed, of = 40;  // after the prompt: of so many tokens, the first so many are not generated
};

std::vector<v1::Trajectory> Episodes(const Shape& shape, int vocab, uint64_t update) {
  std::vector<v1::Trajectory> trajectories;
  for (int i = 0; i < shape.groups * shape.group_size; ++i) {
    v1::Trajectory& t = trajectories.emplace_back();
    t.mutable_name()->set_group(update * shape.groups + i / shape.group_size);
    t.set_member(i % shape.group_size);
    t.set_group_size(shape.group_size);
    t.set_policy_version(update);
    t.set_reward(i % shape.group_size % 3 == 0);
    const RandomKey key = RandomKey(2).With(t.name().group());
    Random prompt(key), own(key.With(t.member() + 1));
    for (int k = 0; k < shape.tokens; ++k) {
      const bool generated = k > 0 && k >= shape.prompt && (k - shape.prompt) % shape.of >= shape.observed;
      t.add_tokens((k < shape.prompt ? prompt : own).Below(vocab));
      t.mutable_loss_mask()->push_back(generated ? 1 : 0);
      t.add_behavior_logprobs(generated ? -6.93f : 0.0f);
    }
  }
  return trajectories;
}

void Train(benchmark::State& state, const policy::Model& model, const Shape& shape, v1::JobConfig config) {
  config.mutable_rollout()->set_group_size(shape.group_size);
  config.mutable_rollout()->set_groups_per_update(shape.groups);
  config.mutable_rollout()->set_temperature(1);
  config.mutable_policy()->set_max_context_tokens(shape.tokens);
  v1::Algorithm& a = *config.mutable_algorithm();
  a.set_name("grpo");
  a.set_schedule("constant");
  a.set_learning_rate(1e-5);
  a.set_adam_beta1(0.9);
  a.set_adam_beta2(0.999);
  a.set_adam_epsilon(1e-8);
  a.set_clip_low(0.2);
  a.set_clip_high(0.2);
  a.set_minibatches(1);
  a.set_loss_normalization("token");
  auto one = SingleRank();
  auto trainer = Trainer::Create(config, 0, model, one.get(), absl::Seconds(1)).value();
  const auto update = [&](bool timed) {
    if (timed) state.PauseTiming();
    const auto episodes = Episodes(shape, static_cast<int>(model.config().vocab_size), trainer->version());
    if (timed) state.ResumeTiming();
    return trainer->Update(episodes);
  };
  (void)update(false);  // takes memory from the system, once
  double tokens = 0;
  for (auto _ : state) {
    const auto result = update(true);
    if (!result.ok()) {
      state.SkipWithError(result.status().ToString().c_str());
      break;
    }
    tokens += result->metrics.trained_tokens();
  }
  state.counters["tokens/s"] = benchmark::Counter(tokens, benchmark::Counter::kIsRate);
}

// 128 episodes of 200 tokens; a prompt of 100, then turns of 30 observed and 10 generated tokens.
constexpr Shape kQuickstart = {16, 8, 200, 100, 30};

void Small(benchmark::State& state) {
  v1::JobConfig config;
  config.mutable_algorithm()->set_microbatch_tokens(state.range(0));
  config.mutable_algorithm()->set_kl_coefficient(state.range(1) / 1000.0);
  Shape shape = kQuickstart;
  if (state.range(2) == 0) shape.prompt = 0;
  Train(state, SmallModel(), shape, config);
}
BENCHMARK(Small)
    ->ArgNames({"microbatch_tokens", "kl_thousandths", "shared_prompt"})
    ->Args({2048, 0, 0})
    ->Args({2048, 0, 1})
    ->Args({8192, 0, 1})
    ->Args({8192, 1, 1})
    ->Unit(benchmark::kMillisecond);

// 4 sequences of 512 tokens, all trained on; with a shared prompt: 8 of 512, of which 384 are the group's prompt.
void SmolLm2Step(benchmark::State& state) {
  v1::JobConfig config;
  const bool rounded = state.range(0) == 16;
  config.mutable_policy()->set_dtype(rounded ? "bfloat16" : "float32");
  config.mutable_policy()->mutable_lora()->set_rank(state.range(1));
  config.mutable_algorithm()->set_recompute_activations(state.range(2) != 0);
  const Shape shape = state.range(3) == 0 ? Shape{1, 4, 512, 0, 0} : Shape{1, 8, 512, 384, 0};
  Train(state, SmolLm2(rounded ? torch::kBFloat16 : torch::kFloat), shape, config);
}
BENCHMARK(SmolLm2Step)
    ->ArgNames({"bits", "lora", "recompute", "shared_prompt"})
    ->Args({16, 0, 0, 0})
    ->Args({16, 0, 1, 0})
    ->Args({16, 16, 0, 0})
    ->Args({16, 0, 0, 1})
    ->Args({32, 0, 0, 0})
    ->Iterations(2)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void SupervisedStep(benchmark::State& state) {
  std::vector<SupervisedSequence> data;
  for (const v1::Trajectory& t : Episodes(kQuickstart, 1024, 0)) {
    SupervisedSequence& s = data.emplace_back();
    s.tokens.assign(t.tokens().begin(), t.tokens().end());
    s.weights.assign(t.loss_mask().begin(), t.loss_mask().end());
  }
  Trainable trainable = Trainable::Create(SmallModel(), v1::Policy(), 1).value();
  double tokens = 0;
  for (auto _ : state) {
    const absl::Status status =
        TrainSupervised(trainable, data, {.steps = 5}, [&](const SupervisedProgress& p) {
          if (p.step == 5) tokens += p.tokens;
        });
    if (!status.ok()) state.SkipWithError(status.ToString().c_str());
  }
  state.counters["tokens/s"] = benchmark::Counter(tokens, benchmark::Counter::kIsRate);
}
BENCHMARK(SupervisedStep)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sojourn::learner

int main(int argc, char** argv) {
  sojourn::learner::KeepFreedMemory();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
