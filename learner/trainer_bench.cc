// How long a learner rank computes: one thread, the quickstart's model (96 wide, 3 layers, 0.43M
// weights).
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include "common/random.h"
#include "learner/sft.h"
#include "learner/trainer.h"

namespace sojourn::learner {
namespace {

constexpr int kTokens = 200;  // per episode
constexpr int kGroups = 16, kGroupSize = 8;

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
  return policy::Model::Create(config, policy::RandomWeights(config, RandomKey(1))).value();
}

// Turns of 30 observed and 10 generated tokens.
std::vector<v1::Trajectory> Episodes(uint64_t update) {
  std::vector<v1::Trajectory> trajectories;
  Random random(RandomKey(2).With(update));
  for (int i = 0; i < kGroups * kGroupSize; ++i) {
    v1::Trajectory& t = trajectories.emplace_back();
    t.mutable_name()->set_group(update * kGroups + i / kGroupSize);
    t.set_member(i % kGroupSize);
    t.set_group_size(kGroupSize);
    t.set_policy_version(update);
    t.set_reward(i % 3 == 0);
    for (int k = 0; k < kTokens; ++k) {
      const bool generated = k % 40 >= 30;
      t.add_tokens(random.Below(1024));
      t.mutable_loss_mask()->push_back(generated ? 1 : 0);
      t.add_behavior_logprobs(generated ? -6.93f : 0.0f);
    }
  }
  return trajectories;
}

void Update(benchmark::State& state) {
  v1::JobConfig config;
  config.add_arms()->add_stages();
  config.mutable_rollout()->set_group_size(kGroupSize);
  config.mutable_rollout()->set_groups_per_update(kGroups);
  config.mutable_rollout()->set_temperature(1);
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
  a.set_microbatch_tokens(state.range(0));
  a.set_kl_coefficient(state.range(1) / 1000.0);
  a.set_loss_normalization("token");
  auto one = SingleRank();
  auto trainer = Trainer::Create(config, 0, SmallModel(), one.get(), absl::Seconds(1)).value();
  double tokens = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const auto episodes = Episodes(trainer->version());
    state.ResumeTiming();
    const auto result = trainer->Update(episodes);
    if (!result.ok()) {
      state.SkipWithError(result.status().ToString().c_str());
      break;
    }
    tokens += result->metrics.trained_tokens();
  }
  state.counters["tokens/s"] = benchmark::Counter(tokens, benchmark::Counter::kIsRate);
}
BENCHMARK(Update)
    ->ArgNames({"microbatch_tokens", "kl_thousandths"})
    ->Args({1024, 0})
    ->Args({2048, 0})
    ->Args({4096, 0})
    ->Args({16384, 0})
    ->Args({4096, 1})
    ->Unit(benchmark::kMillisecond);

void SupervisedStep(benchmark::State& state) {
  std::vector<SupervisedSequence> data;
  for (const v1::Trajectory& t : Episodes(0)) {
    SupervisedSequence& s = data.emplace_back();
    s.tokens.assign(t.tokens().begin(), t.tokens().end());
    s.weights.assign(t.loss_mask().begin(), t.loss_mask().end());
  }
  policy::Model model = SmallModel();
  double tokens = 0;
  for (auto _ : state) {
    const absl::Status status =
        TrainSupervised(model, data, {.steps = 5}, [&](const SupervisedProgress& p) {
          if (p.step == 5) tokens += p.tokens;
        });
    if (!status.ok()) state.SkipWithError(status.ToString().c_str());
  }
  state.counters["tokens/s"] = benchmark::Counter(tokens, benchmark::Counter::kIsRate);
}
BENCHMARK(SupervisedStep)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sojourn::learner

BENCHMARK_MAIN();
