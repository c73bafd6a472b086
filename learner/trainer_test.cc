#include "learner/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <thread>

#include "learner/tcp_collective.h"
#include "learner/trainer_testing.h"
#include "policy/safetensors.h"

namespace sojourn::learner {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kTimeout = absl::Seconds(20);
constexpr const char* kAlgorithms[] = {"grpo", "rloo", "reinforce++"};

std::unique_ptr<Trainer> Make(const v1::JobConfig& config, Collective* collective = nullptr,
                              const policy::Model& model = ToyModel()) {
  static Collective* one = SingleRank().release();
  return Trainer::Create(config, 0, model, collective == nullptr ? one : collective, kTimeout)
      .value();
}

// A configuration in which every term of the loss counts, and trajectories off the policy.
v1::JobConfig FullConfig(const std::string& algorithm) {
  v1::JobConfig config = ToyConfig(algorithm);
  config.mutable_algorithm()->set_kl_coefficient(0.1);
  config.mutable_algorithm()->set_entropy_coefficient(0.05);
  config.mutable_rollout()->set_temperature(0.8);
  return config;
}
std::vector<v1::Trajectory> OffPolicy(const v1::JobConfig& config, int rank = 0, int ranks = 1) {
  std::vector<v1::Trajectory> trajectories = Play(ToyModel(), config, 0, 3, rank, ranks);
  for (v1::Trajectory& t : trajectories) {
    for (int i = 0; i < t.tokens_size(); ++i) {
      const double shift = 0.3 * std::sin(1.0 + i + 7 * t.member() + 31 * t.name().group());
      if (t.loss_mask()[i] != 0)
        t.set_behavior_logprobs(i, std::min(0.0, t.behavior_logprobs(i) + shift));
    }
  }
  return trajectories;
}

TEST(Trainer, EveryAlgorithmRaisesTheRewardOfABandit) {
  for (const char* name : kAlgorithms) {
    const v1::JobConfig config = ToyConfig(name);
    auto trainer = Make(config);
    double first = 0, last = 0;
    for (int update = 0; update < 80; ++update) {
      auto result = trainer->Update(Play(trainer->Policy(), config, update));
      ASSERT_TRUE(result.ok()) << result.status();
      if (update < 5) first += result->metrics.reward() / 5;
      if (update >= 75) last += result->metrics.reward() / 5;
      EXPECT_LT(result->metrics.logprob_difference(), 1e-5);
      EXPECT_EQ(result->metrics.clip_fraction(), 0);
    }
    EXPECT_LT(first, 0.4) << name;
    EXPECT_GT(last, 0.9) << name;
  }
}

TEST(Trainer, RoundedWeightsAndAdaptersLearnToo) {
  for (const bool rounded : {false, true}) {
    for (const int rank : {0, 4}) {
      if (!rounded && rank == 0) continue;
      v1::JobConfig config = ToyConfig("grpo");
      config.mutable_policy()->set_dtype(rounded ? "bfloat16" : "float32");
      config.mutable_policy()->mutable_lora()->set_rank(rank);
      config.mutable_algorithm()->set_recompute_activations(rank > 0);
      if (rank > 0) config.mutable_algorithm()->set_learning_rate(0.03);
      policy::Weights lively = ToyModel().weights();  // adapters alone cannot raise tiny embeddings
      for (auto& [name, weight] : lively) weight = weight.dim() == 2 && rank > 0 ? weight * 10 : weight.clone();
      auto trainer = Make(config, nullptr, policy::Model::Create(ToyModel().config(), lively).value());
      EXPECT_EQ(trainer->Export().weights.contains("model.norm.weight"), rank == 0);
      double last = 0;
      for (int update = 0; update < 120; ++update) {
        auto result = trainer->Update(Play(trainer->Policy(), config, update));
        ASSERT_TRUE(result.ok()) << result.status();
        if (update >= 115) last += result->metrics.reward() / 5;
        // Adapters are merged into rounded weights for playing, and stand beside them in training.
        EXPECT_LT(result->metrics.logprob_difference(), rounded ? 0.2 : 1e-5);
      }
      EXPECT_GT(last, rank > 0 ? 0.6 : 0.85) << "bfloat16 " << rounded << ", rank " << rank;
    }
  }
}

TEST(Trainer, AnAdapterIsSavedAsPeftReadsIt) {
  v1::JobConfig config = ToyConfig("grpo");
  config.mutable_policy()->mutable_lora()->set_rank(2);
  config.mutable_policy()->mutable_lora()->add_targets("v_proj");
  auto trainer = Make(config);
  ASSERT_TRUE(trainer->Update(Play(trainer->Policy(), config, 0)).ok());
  const std::string directory = testing::TempDir() + "/adapter";
  ASSERT_TRUE(trainer->trainable().SaveAdapter(directory, "base").ok());
  const auto tensors = policy::ReadSafetensors(directory + "/adapter_model.safetensors");
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  const std::string module = "base_model.model.model.layers.0.self_attn.v_proj.";
  const torch::Tensor &a = tensors->at(module + "lora_A.weight"), &b = tensors->at(module + "lora_B.weight");
  const std::string name = "model.layers.0.self_attn.v_proj.weight";
  const policy::Model start = ToyModel(), policy = trainer->Policy();
  const torch::Tensor merged = start.weights().at(name) + b.mm(a) * 2;  // alpha / r: 2 by default
  EXPECT_LT((merged - policy.weights().at(name)).abs().max().item<float>(), 1e-6);
  EXPECT_GT(b.abs().max().item<float>(), 0);
  EXPECT_TRUE(torch::equal(start.weights().at("model.norm.weight"), policy.weights().at("model.norm.weight")));
  for (const char* other : {"nothing", "embed_tokens"}) {  // beside v_proj
    v1::JobConfig wrong = config;
    wrong.mutable_policy()->mutable_lora()->add_targets(other);
    EXPECT_THAT(std::string(Trainer::Create(wrong, 0, ToyModel(), SingleRank().get(), kTimeout).status().message()),
                ::testing::HasSubstr(other));
  }
}

TEST(Trainer, GradientIsTheFiniteDifferenceOfTheLoss) {
  for (const char* name : kAlgorithms) {
    for (const char* normalization : {"token", "sequence"}) {
      v1::JobConfig config = FullConfig(name);
      config.mutable_algorithm()->set_loss_normalization(normalization);
      const auto trajectories = OffPolicy(config);
      auto trainer = Make(config);
      const TrainerState start = trainer->Export();
      ASSERT_TRUE(trainer->Update(trajectories).ok());
      const torch::Tensor gradient = FirstGradient(*trainer);
      const double norm = gradient.norm().item<double>();
      ASSERT_GT(norm, 1e-3);
      // Along the gradient's direction the loss must rise by its norm.
      auto loss_at = [&](double step) {
        TrainerState moved = start;
        int64_t offset = 0;
        for (auto& [weight_name, weight] : moved.weights) {
          weight =
              weight + gradient.narrow(0, offset, weight.numel()).view_as(weight) * (step / norm);
          offset += weight.numel();
        }
        auto there = Make(config);
        EXPECT_TRUE(there->Restore(moved).ok());
        return there->Update(trajectories).value().metrics.loss();
      };
      const double h = 5e-3;
      EXPECT_NEAR((loss_at(h) - loss_at(-h)) / (2 * h), norm, 0.01 * norm)
          << name << " " << normalization;
    }
  }
}

TEST(Trainer, MicrobatchesDoNotChangeTheGradient) {
  for (const char* name : kAlgorithms) {
    torch::Tensor expected;
    for (int tokens : {0, 1, 7, 40}) {
      v1::JobConfig config = FullConfig(name);
      config.mutable_algorithm()->set_microbatch_tokens(tokens);
      auto trainer = Make(config);
      ASSERT_TRUE(trainer->Update(OffPolicy(config)).ok());
      const torch::Tensor gradient = FirstGradient(*trainer);
      if (!expected.defined()) expected = gradient;
      EXPECT_LT((gradient - expected).abs().max().item<float>(), 1e-6) << name << " " << tokens;
    }
  }
}

TEST(Trainer, TwoRanksWithHalvesAreOneWithAll) {
  for (const char* name : kAlgorithms) {
    v1::JobConfig config = FullConfig(name);
    config.mutable_algorithm()->set_minibatches(1);
    config.mutable_algorithm()->set_max_gradient_norm(0.5);
    auto whole = Make(config);
    const auto expected = whole->Update(OffPolicy(config));
    ASSERT_TRUE(expected.ok());

    std::unique_ptr<TcpListener> listeners[2];
    std::vector<std::string> addresses;
    for (auto& listener : listeners) {
      listener = TcpListener::Create("127.0.0.1:0").value();
      addresses.push_back(listener->address());
    }
    TrainerState states[2];
    torch::Tensor gradients[2];
    v1::UpdateMetrics metrics[2];
    std::vector<std::thread> ranks;
    for (int r = 0; r < 2; ++r) {
      ranks.emplace_back([&, r] {
        at::set_num_threads(1);
        auto collective = ConnectTcp(*listeners[r], {.rank = r, .addresses = addresses});
        ASSERT_TRUE(collective.ok()) << collective.status();
        auto trainer = Make(config, collective->get());
        const auto result = trainer->Update(OffPolicy(config, r, 2));
        ASSERT_TRUE(result.ok()) << result.status();
        EXPECT_EQ(result->groups.size(), 2);
        EXPECT_EQ(result->groups[1].group(), 2 + r);
        gradients[r] = FirstGradient(*trainer);
        states[r] = trainer->Export();
        metrics[r] = result->metrics;
      });
    }
    for (auto& rank : ranks) rank.join();
    EXPECT_TRUE(SameBits(states[0].weights, states[1].weights)) << name;
    EXPECT_TRUE(SameBits(states[0].optimizer, states[1].optimizer)) << name;
    EXPECT_EQ(metrics[0].SerializeAsString(), metrics[1].SerializeAsString());
    EXPECT_LT((gradients[0] - FirstGradient(*whole)).abs().max().item<float>(), 1e-6) << name;
    const v1::UpdateMetrics& m = expected->metrics;
    EXPECT_NEAR(metrics[0].loss(), m.loss(), 1e-6);
    EXPECT_NEAR(metrics[0].kl(), m.kl(), 1e-6);
    EXPECT_NEAR(metrics[0].entropy(), m.entropy(), 1e-6);
    EXPECT_NEAR(metrics[0].gradient_norm(), m.gradient_norm(), 1e-6);
    EXPECT_EQ(metrics[0].trained_tokens(), m.trained_tokens());
    EXPECT_EQ(metrics[0].tokens(), m.tokens());
  }
}

TEST(Trainer, TheSameInputsGiveTheSameBits) {
  v1::JobConfig config = FullConfig("grpo");
  config.mutable_algorithm()->set_minibatches(2);
  auto one = Make(config), two = Make(config);
  const auto trajectories = OffPolicy(config);
  ASSERT_TRUE(one->Update(trajectories).ok());
  ASSERT_TRUE(two->Update(trajectories).ok());
  EXPECT_TRUE(SameBits(one->Export().weights, two->Export().weights));
  EXPECT_EQ(one->Export().optimizer_steps, 2);
  EXPECT_EQ(one->version(), 1);
}

TEST(Trainer, EqualRewardsGiveNoGradientAndAreNotRead) {
  for (const char* name : kAlgorithms) {
    const v1::JobConfig config = ToyConfig(name);
    auto trainer = Make(config);
    auto trajectories = Play(trainer->Policy(), config, 0);
    for (v1::Trajectory& t : trajectories) t.set_reward(0.3);
    const auto result = trainer->Update(trajectories);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->metrics.active_groups(), 0);
    EXPECT_EQ(result->metrics.trained_tokens(), 0);
    EXPECT_EQ(result->metrics.gradient_norm(), 0);
    EXPECT_GT(result->metrics.entropy(), 1);  // from the actor's log-probabilities
    EXPECT_TRUE(SameBits(trainer->Policy().weights(), ToyModel().weights())) << name;
    EXPECT_EQ(trainer->version(), 1);
  }
}

TEST(Trainer, SkippingASilentGroupLeavesTheGradientAsItIs) {
  // An entropy coefficient too small to count makes every group be read.
  torch::Tensor gradients[2];
  uint64_t read[2];
  for (int i = 0; i < 2; ++i) {
    v1::JobConfig config = ToyConfig("grpo");
    config.mutable_algorithm()->set_entropy_coefficient(i == 0 ? 0 : 1e-20);
    auto trainer = Make(config);
    auto trajectories = OffPolicy(config);
    for (size_t k = 0; k < 4; ++k) trajectories[k].set_reward(1);
    trajectories[4].set_reward(2);  // at least this group counts
    const auto result = trainer->Update(trajectories);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_LT(result->metrics.active_groups(), 1);
    EXPECT_FALSE(result->groups[0].active());
    EXPECT_TRUE(result->groups[1].active());
    read[i] = result->metrics.trained_tokens();
    gradients[i] = FirstGradient(*trainer);
  }
  EXPECT_LT(read[0], read[1]);
  EXPECT_LT((gradients[0] - gradients[1]).abs().max().item<float>(), 1e-6);
}

TEST(Trainer, NothingOfAGroupWithAFailedEpisodeIsLearnedFrom) {
  for (const char* algorithm : {"grpo", "reinforce++"}) {
    const v1::JobConfig config = ToyConfig(algorithm);
    auto trainer = Make(config);
    auto trajectories = Play(trainer->Policy(), config, 0, 3);
    for (int i = 0; i < 4; ++i) trajectories[i].set_reward(i);  // much to learn, were it sound
    v1::Trajectory& failed = trajectories[2];
    failed.set_error("UNAVAILABLE: gone");
    failed.mutable_tokens()->Truncate(1);
    failed.set_loss_mask(std::string(1, '\0'));
    failed.mutable_behavior_logprobs()->Truncate(1);
    ASSERT_TRUE(ValidateTrajectory(failed, config, ToyModel().config()).ok());
    const auto result = trainer->Update(trajectories);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_FALSE(result->groups[0].active()) << algorithm;
    EXPECT_EQ(result->groups[0].failed_episodes(), 1);
    EXPECT_EQ(result->groups[0].tokens(), 0);
    EXPECT_EQ(result->groups[1].failed_episodes(), 0);
    EXPECT_GT(result->groups[1].tokens(), 0);
  }
}

TEST(Trainer, MetricsCountWhatWasPlayed) {
  v1::JobConfig config = ToyConfig("grpo");
  config.mutable_algorithm()->set_kl_coefficient(0.1);
  auto trainer = Make(config);
  auto trajectories = Play(trainer->Policy(), config, 0, 3);
  trajectories[2].set_invalid_actions(5);
  const auto result = trainer->Update(trajectories);
  ASSERT_TRUE(result.ok()) << result.status();
  const v1::UpdateMetrics& m = result->metrics;
  uint64_t tokens = 0, read = 0, successes = 0;
  double reward = 0;
  for (const v1::Trajectory& t : trajectories) {
    tokens += t.turns();
    read += t.tokens_size() - 2;  // the last answer and what follows it predict nothing
    reward += t.reward() / trajectories.size();
    successes += t.success();
  }
  EXPECT_EQ(m.version(), 1);
  EXPECT_EQ(m.episodes(), 16);
  EXPECT_EQ(m.tokens(), tokens);
  EXPECT_EQ(m.trained_tokens(), read);
  EXPECT_NEAR(m.reward(), reward, 1e-12);
  EXPECT_DOUBLE_EQ(m.success(), successes / 16.0);
  EXPECT_NEAR(m.kl(), 0, 1e-6);  // the policy is still the starting one
  EXPECT_GT(m.entropy(), 1);
  EXPECT_LT(m.entropy(), std::log(12.0));
  EXPECT_EQ(m.learning_rate(), 0.01);
  EXPECT_EQ(m.staleness(), 0);
  ASSERT_EQ(result->groups.size(), 4);
  EXPECT_EQ(result->groups[0].environment(), "toy");
  EXPECT_EQ(result->groups[0].episodes(), 4);
  EXPECT_EQ(result->groups[0].invalid_actions(), 5);
  EXPECT_EQ(result->groups[3].group(), 3);

  // The second update is played with the first's policy again: one version stale.
  auto late = Play(ToyModel(), config, 1, 3);
  for (v1::Trajectory& t : late) t.set_policy_version(0);
  const auto second = trainer->Update(late);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->metrics.staleness(), 1);
  EXPECT_GT(second->metrics.logprob_difference(), 1e-4);
  EXPECT_GT(second->metrics.kl(), 1e-6);
}

TEST(Trainer, RefusesTrajectoriesThatItCouldNotTrainOn) {
  const v1::JobConfig config = ToyConfig("grpo");
  auto trainer = Make(config);
  const auto good = Play(trainer->Policy(), config, 0);
  const std::vector<std::pair<const char*, std::function<void(v1::Trajectory&)>>> faults = {
      {"mask entries", [](v1::Trajectory& t) { t.mutable_loss_mask()->push_back(0); }},
      {"vocabulary", [](v1::Trajectory& t) { t.set_tokens(1, 12); }},
      {"first token", [](v1::Trajectory& t) { (*t.mutable_loss_mask())[0] = 1; }},
      {"log-probability", [](v1::Trajectory& t) { t.set_behavior_logprobs(1, 0.5); }},
      {"reward", [](v1::Trajectory& t) { t.set_reward(NAN); }},
      {"expected one of", [](v1::Trajectory& t) { t.set_member(9); }},
      {"is expected", [](v1::Trajectory& t) { t.mutable_name()->set_group(7); }},
      {"policy version", [](v1::Trajectory& t) { t.set_policy_version(1); }},
      {"context", [](v1::Trajectory& t) {
         for (int i = 0; i < 30; ++i) {
           t.add_tokens(1);
           t.mutable_loss_mask()->push_back(0);
           t.add_behavior_logprobs(0);
         }
       }}};
  for (const auto& [text, damage] : faults) {
    auto bad = good;
    damage(bad[3]);
    const auto result = trainer->Update(bad);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(text));
  }
  EXPECT_EQ(trainer->Update(absl::MakeSpan(good).subspan(0, 12)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(trainer->Update(good).ok());  // nothing was changed
}

TEST(Trainer, RefusesConfigurationsThatCannotTrain) {
  auto one = SingleRank();
  const std::vector<std::pair<const char*, std::function<void(v1::JobConfig&)>>> faults = {
      {"algorithm.name", [](v1::JobConfig& c) { c.mutable_algorithm()->set_name("x"); }},
      {"algorithm.schedule", [](v1::JobConfig& c) { c.mutable_algorithm()->set_schedule("x"); }},
      {"rollout.group_size", [](v1::JobConfig& c) { c.mutable_rollout()->set_group_size(1); }},
      {"groups_per_update",
       [](v1::JobConfig& c) { c.mutable_rollout()->set_groups_per_update(0); }},
      {"minibatches", [](v1::JobConfig& c) { c.mutable_algorithm()->set_minibatches(9); }},
      {"temperature", [](v1::JobConfig& c) { c.mutable_rollout()->set_temperature(0); }},
      {"loss_normalization",
       [](v1::JobConfig& c) { c.mutable_algorithm()->set_loss_normalization("x"); }}};
  for (const auto& [text, damage] : faults) {
    v1::JobConfig config = ToyConfig("grpo");
    damage(config);
    const auto made = Trainer::Create(config, 0, ToyModel(), one.get(), kTimeout);
    EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(made.status().message()), HasSubstr(text));
  }
}

TEST(Trainer, AnUpdateThatDivergesIsAnErrorAndEndsTheCollective) {
  auto one = SingleRank();
  const v1::JobConfig config = ToyConfig("grpo");
  auto trainer = Make(config, one.get());
  TrainerState state = trainer->Export();
  state.weights["model.norm.weight"].fill_(NAN);
  ASSERT_TRUE(trainer->Restore(state).ok());
  const auto result = trainer->Update(Play(ToyModel(), config, 0));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kOutOfRange) << result.status();
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("not finite"));
  EXPECT_FALSE(one->Barrier(kTimeout).ok());
}

}  // namespace
}  // namespace sojourn::learner
