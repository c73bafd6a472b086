// A toy job for tests: see one token, answer with one or more.
#ifndef SOJOURN_LEARNER_TRAINER_TESTING_H_
#define SOJOURN_LEARNER_TRAINER_TESTING_H_

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <string>
#include <vector>

#include "common/random.h"
#include "learner/trainer.h"
#include "policy/model.h"

namespace sojourn::learner {

inline const bool kOneThread = (at::set_num_threads(1), true);

inline policy::Model ToyModel(uint64_t seed = 1, double scale = 4) {
  policy::ModelConfig config;
  config.vocab_size = 12;
  config.hidden_size = 16;
  config.intermediate_size = 32;
  config.num_hidden_layers = 1;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.head_dim = 8;
  config.max_position_embeddings = 32;
  policy::Weights weights = policy::RandomWeights(config, RandomKey(seed));
  for (auto& [name, weight] : weights) {
    if (weight.dim() == 2) weight.mul_(scale);
  }
  return policy::Model::Create(config, weights).value();
}

inline v1::JobConfig ToyConfig(const std::string& algorithm) {
  v1::JobConfig config;
  config.add_arms()->add_stages();
  config.mutable_policy()->set_max_context_tokens(32);
  v1::Rollout& rollout = *config.mutable_rollout();
  rollout.set_group_size(4);
  rollout.set_groups_per_update(4);
  rollout.set_temperature(1);
  v1::Algorithm& a = *config.mutable_algorithm();
  a.set_name(algorithm);
  a.set_learning_rate(0.01);
  a.set_schedule("constant");
  a.set_adam_beta1(0.9);
  a.set_adam_beta2(0.999);
  a.set_adam_epsilon(1e-8);
  a.set_clip_low(0.2);
  a.set_clip_high(0.2);
  a.set_minibatches(1);
  a.set_microbatch_tokens(64);
  a.set_loss_normalization("token");
  return config;
}

// Plays update `update` with `model`: in group g the first token is g % 4, the right answer g % 4
// + 4. `answers` tokens are sampled, with one more observed token between them; the reward is the
// share that is right. `rank` of `ranks` gets its groups.
inline std::vector<v1::Trajectory> Play(const policy::Model& model, const v1::JobConfig& config,
                                        uint64_t update, int answers = 1, int rank = 0,
                                        int ranks = 1) {
  at::NoGradGuard no_gradients;
  std::vector<v1::Trajectory> trajectories;
  const v1::Rollout& rollout = config.rollout();
  for (uint32_t g = rank; g < rollout.groups_per_update(); g += ranks) {
    const uint64_t group = update * rollout.groups_per_update() + g;
    const int length =
        answers - static_cast<int>(group % 2 == 1 && answers > 1);  // not all are equally long
    for (uint32_t member = 0; member < rollout.group_size(); ++member) {
      v1::Trajectory& t = trajectories.emplace_back();
      t.mutable_name()->set_group(group);
      t.set_member(member);
      t.set_group_size(rollout.group_size());
      t.set_policy_version(update);
      t.set_environment("toy");
      t.set_turns(length);
      auto add = [&](int token, bool sampled, double logprob) {
        t.add_tokens(token);
        t.mutable_loss_mask()->push_back(sampled ? 1 : 0);
        t.add_behavior_logprobs(logprob);
      };
      add(group % 4, false, 0);
      Random random(RandomKey(5).With(group).With(member));
      double right = 0;
      for (int turn = 0; turn < length; ++turn) {
        if (turn > 0) add(8 + turn % 4, false, 0);
        policy::PackedTokens packed{{t.tokens().begin(), t.tokens().end()}, {t.tokens_size()}};
        const torch::Tensor logits =
            model.Logits(model.Hidden(packed).slice(0, t.tokens_size() - 1));
        const torch::Tensor logprobs = (logits / rollout.temperature()).log_softmax(-1)[0];
        double left = random.Uniform();
        int token = 0;
        while (token + 1 < logprobs.numel() &&
               (left -= std::exp(logprobs[token].item<float>())) >= 0)
          ++token;
        add(token, true, logprobs[token].item<float>());
        right += token == static_cast<int>(group % 4) + 4 ? 1 : 0;
      }
      t.set_reward(right / length);
      t.set_success(right == length);
      add(0, false, 0);  // an observation after the last answer
    }
  }
  return trajectories;
}

inline bool SameBits(const policy::Weights& a, const policy::Weights& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, tensor] : a) {
    if (!torch::equal(tensor, b.at(name))) return false;
  }
  return true;
}

// Of the first update, as its optimizer saw it (after clipping): exp_avg is (1 - beta1) times it.
inline torch::Tensor FirstGradient(const Trainer& trainer) {
  std::vector<torch::Tensor> parts;
  for (const auto& [name, tensor] : trainer.Export().optimizer) {
    if (name.rfind("exp_avg/", 0) == 0) parts.push_back(tensor.flatten() / 0.1);
  }
  return torch::cat(parts);
}

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_TRAINER_TESTING_H_
