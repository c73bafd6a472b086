#include "learner/trainer.h"

#include <ATen/core/grad_mode.h>
#include <torch/autograd.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "learner/batching.h"
#include "learner/token_loss.h"

namespace sojourn::learner {
namespace {

template <typename T>
torch::Tensor ToTensor(const std::vector<T>& values, torch::ScalarType type) {
  return torch::tensor(absl::MakeConstSpan(values).empty() ? std::vector<T>() : values,
                       torch::TensorOptions().dtype(type));
}

double SecondsSince(absl::Time start) { return absl::ToDoubleSeconds(absl::Now() - start); }

absl::Status Invalid(const v1::Trajectory& t, const std::string& fault) {
  return absl::InvalidArgumentError(
      absl::StrCat("trajectory (group ", t.name().group(), ", member ", t.member(), "): ", fault));
}

}  // namespace

// One trajectory, and what the update computes for its generated tokens.
struct Trainer::Episode {
  const v1::Trajectory* trajectory = nullptr;
  int32_t length = 0;         // tokens read: those before the last generated one
  int32_t shared = 0;         // of them, those that its whole group begins with
  std::vector<int64_t> rows;  // the position before each generated token
  std::vector<float> behavior, reference, advantages;
  bool active = false;  // of a group with an advantage that is not 0
};

// Sums over the tokens read (unless said otherwise), added up over ranks at the end.
struct Trainer::Sums {
  double loss = 0, policy_loss = 0, gradient_norm = 0;  // over minibatches
  double kl = 0, entropy = 0, clipped = 0, tokens_read = 0;
  double difference = 0, first_tokens = 0;  // of the first minibatch
  double trained_tokens = 0;
  double reduce_seconds = 0;
};

absl::Status ValidateTrajectory(const v1::Trajectory& t, const v1::JobConfig& config,
                                const policy::ModelConfig& model) {
  const size_t count = t.tokens_size();
  if (t.group_size() != config.rollout().group_size() || t.member() >= t.group_size()) {
    return Invalid(t, absl::StrCat("member ", t.member(), " of ", t.group_size(),
                                   ", expected one of ", config.rollout().group_size()));
  }
  if (count == 0 || t.loss_mask().size() != count || t.behavior_logprobs_size() != count) {
    return Invalid(
        t, absl::StrCat(count, " tokens, ", t.loss_mask().size(), " mask entries, ",
                        t.behavior_logprobs_size(), " log-probabilities; expected equal counts"));
  }
  const uint64_t configured = config.policy().max_context_tokens();
  const uint64_t limit = std::min<uint64_t>(
      configured == 0 ? model.max_position_embeddings : configured, model.max_position_embeddings);
  if (count > limit) {
    return Invalid(t, absl::StrCat(count, " tokens, more than the context of ", limit));
  }
  if (t.loss_mask()[0] != 0) return Invalid(t, "the first token cannot be a generated one");
  if (!std::isfinite(t.reward())) return Invalid(t, "the reward is not finite");
  for (size_t i = 0; i < count; ++i) {
    if (t.tokens(i) < 0 || t.tokens(i) >= model.vocab_size) {
      return Invalid(t, absl::StrCat("token ", i, " is ", t.tokens(i),
                                     ", not in the vocabulary of ", model.vocab_size));
    }
    const unsigned char mask = t.loss_mask()[i];
    if (mask > 1) return Invalid(t, absl::StrCat("loss mask ", i, " is ", mask, ", not 0 or 1"));
    const float logprob = t.behavior_logprobs(i);
    if (mask == 1 && !(std::isfinite(logprob) && logprob <= 1e-3f)) {
      return Invalid(t, absl::StrCat("log-probability ", i, " is ", logprob));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Trainer>> Trainer::Create(const v1::JobConfig& config,
                                                         uint64_t planned_updates,
                                                         const policy::Model& starting,
                                                         Collective* collective,
                                                         absl::Duration reduce_timeout,
                                                         const torch::Device& device) {
  const v1::Algorithm& a = config.algorithm();
  auto algorithm = MakeAlgorithm(a.name());
  if (!algorithm.ok()) return algorithm.status();
  auto schedule = Schedule::Create(a, planned_updates);
  if (!schedule.ok()) return schedule.status();
  const v1::Rollout& rollout = config.rollout();
  if (rollout.group_size() < static_cast<uint32_t>((*algorithm)->min_group_size())) {
    return absl::InvalidArgumentError(absl::StrCat("rollout.group_size: ", rollout.group_size(),
                                                   "; ", a.name(), " needs at least ",
                                                   (*algorithm)->min_group_size()));
  }
  const uint32_t groups = rollout.groups_per_update();
  if (groups == 0 || groups % collective->size() != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("rollout.groups_per_update: ", groups,
                     " is not a multiple of the number of learner ranks, ", collective->size()));
  }
  if (a.minibatches() == 0 || a.minibatches() > groups) {
    return absl::InvalidArgumentError(absl::StrCat("algorithm.minibatches: ", a.minibatches(),
                                                   "; expected 1 to groups_per_update, ", groups));
  }
  if (!(rollout.temperature() > 0)) {
    return absl::InvalidArgumentError(absl::StrCat("rollout.temperature: ", rollout.temperature(),
                                                   "; training needs sampling, so more than 0"));
  }
  if (a.loss_normalization() != "token" && a.loss_normalization() != "sequence") {
    return absl::InvalidArgumentError(absl::StrCat("algorithm.loss_normalization: unknown \"",
                                                   a.loss_normalization(),
                                                   "\"; known: token, sequence"));
  }
  auto trainable = Trainable::Create(starting, config.policy(), config.seed(), device);
  if (!trainable.ok()) return trainable.status();
  policy::Weights weights = starting.weights();
  for (auto& [name, weight] : weights) weight = weight.detach().to(device, *PolicyType(config.policy()));
  auto reference = policy::Model::Create(starting.config(), std::move(weights));
  if (!reference.ok()) return reference.status();
  return std::unique_ptr<Trainer>(new Trainer(config, *std::move(trainable), *std::move(reference),
                                              *std::move(algorithm), collective, reduce_timeout,
                                              *schedule));
}

Trainer::Trainer(v1::JobConfig config, Trainable trainable, policy::Model reference,
                 std::unique_ptr<Algorithm> algorithm, Collective* collective,
                 absl::Duration reduce_timeout, Schedule schedule)
    : config_(std::move(config)),
      trainable_(std::move(trainable)),
      reference_(std::move(reference)),
      algorithm_(std::move(algorithm)),
      collective_(collective),
      reduce_timeout_(reduce_timeout),
      schedule_(schedule),
      gradients_(trainable_.parameters()),
      optimizer_(trainable_.parameters(), {.beta1 = config_.algorithm().adam_beta1(),
                                    .beta2 = config_.algorithm().adam_beta2(),
                                    .epsilon = config_.algorithm().adam_epsilon(),
                                    .weight_decay = config_.algorithm().weight_decay()}) {}

absl::Status Trainer::CheckUpdate(absl::Span<const v1::Trajectory> trajectories) const {
  const v1::Rollout& rollout = config_.rollout();
  const uint64_t ranks = collective_->size();
  const size_t expected = rollout.groups_per_update() / ranks * rollout.group_size();
  if (trajectories.size() != expected) {
    return absl::InvalidArgumentError(absl::StrCat("update ", version_, ": ", trajectories.size(),
                                                   " trajectories, expected ", expected));
  }
  for (size_t i = 0; i < trajectories.size(); ++i) {
    const v1::Trajectory& t = trajectories[i];
    absl::Status status = ValidateTrajectory(t, config_, model_config());
    if (!status.ok()) return status;
    const uint64_t group = version_ * rollout.groups_per_update() +
                           i / rollout.group_size() * ranks + collective_->rank();
    if (t.name().group() != group || t.member() != i % rollout.group_size()) {
      return Invalid(
          t, absl::StrCat("stands where group ", group, ", member ", i % rollout.group_size(),
                          " of update ", version_, " is expected"));
    }
    if (t.policy_version() > version_) {
      return Invalid(t, absl::StrCat("of policy version ", t.policy_version(), ", which update ",
                                     version_, " cannot have"));
    }
  }
  return absl::OkStatus();
}

namespace {

// How many tokens, of those read, all episodes of a group begin with: their prompt, and what they happened
// to generate alike. Each is left a token of its own. Episodes without generated tokens are not read.
template <typename Episode>
void FindShared(absl::Span<Episode> group) {
  const Episode* first = nullptr;
  int32_t shared = 0;
  for (const Episode& e : group) {
    if (e.rows.empty()) continue;
    if (first == nullptr) {
      first = &e;
      shared = e.length - 1;
      continue;
    }
    const auto &mine = e.trajectory->tokens(), &its = first->trajectory->tokens();
    shared = std::min(shared, e.length - 1);
    shared = static_cast<int32_t>(
        std::mismatch(its.begin(), its.begin() + shared, mine.begin()).first - its.begin());
  }
  for (Episode& e : group) e.shared = e.rows.empty() ? 0 : shared;
}

}  // namespace

std::vector<Trainer::Episode> Trainer::MakeEpisodes(
    absl::Span<const v1::Trajectory> trajectories) const {
  std::vector<Episode> episodes;
  std::set<uint64_t> failed;  // groups: what is left of one is not compared
  for (const v1::Trajectory& t : trajectories) {
    if (!t.error().empty()) failed.insert(t.name().group());
  }
  for (const v1::Trajectory& t : trajectories) {
    Episode& e = episodes.emplace_back();
    e.trajectory = &t;
    for (int i = 1; i < t.tokens_size() && !failed.contains(t.name().group()); ++i) {
      if (t.loss_mask()[i] == 0) continue;
      e.rows.push_back(i - 1);
      e.behavior.push_back(t.behavior_logprobs(i));
    }
    e.length = e.rows.empty() ? 0 : e.rows.back() + 1;
    e.reference.assign(e.rows.size(), 0.0f);
  }
  const size_t group_size = config_.rollout().group_size();
  for (size_t begin = 0; begin < episodes.size(); begin += group_size) {
    FindShared(absl::MakeSpan(episodes).subspan(begin, group_size));
  }
  return episodes;
}

namespace {

// Episodes laid end to end, what those of a group share once before them.
struct Packed {
  policy::PackedTokens tokens;
  std::vector<int64_t> rows, targets;  // of every generated token
};

template <typename Episode>
Packed Pack(const std::vector<Episode*>& episodes, Range range) {
  Packed packed;
  policy::PackedTokens& all = packed.tokens;
  const auto add = [&](const Episode& e, int32_t begin, int32_t end, int32_t prefix) {
    const auto& tokens = e.trajectory->tokens();
    all.tokens.insert(all.tokens.end(), tokens.begin() + begin, tokens.begin() + end);
    all.lengths.push_back(end - begin);
    all.prefixes.push_back(prefix);
  };
  const auto group = [&](size_t i) { return episodes[i]->trajectory->name().group(); };
  int32_t prefix = -1;  // the sequence that the present group shares, from the row `prefix_start`
  int64_t prefix_start = 0;
  for (size_t i = range.begin; i < range.end; ++i) {
    const Episode& e = *episodes[i];
    if (i == range.begin || group(i) != group(i - 1)) {
      prefix = -1;
      if (e.shared > 0 && i + 1 < range.end && group(i + 1) == group(i)) {
        prefix = static_cast<int32_t>(all.lengths.size());
        prefix_start = all.tokens.size();
        add(e, 0, e.shared, -1);
      }
    }
    const int32_t shared = prefix >= 0 ? e.shared : 0;
    const int64_t start = static_cast<int64_t>(all.tokens.size()) - shared;
    add(e, shared, e.length, prefix);
    for (const int64_t row : e.rows) {
      packed.rows.push_back((row < shared ? prefix_start : start) + row);
      packed.targets.push_back(e.trajectory->tokens(row + 1));
    }
  }
  return packed;
}

// One per-token field of the episodes of a range, end to end.
template <typename Episode>
torch::Tensor Field(const std::vector<Episode*>& episodes, Range range,
                    std::vector<float> Episode::*field) {
  std::vector<float> values;
  for (size_t i = range.begin; i < range.end; ++i) {
    const std::vector<float>& v = episodes[i]->*field;
    values.insert(values.end(), v.begin(), v.end());
  }
  return ToTensor(values, torch::kFloat);
}

template <typename Episode>
std::vector<SequenceSize> Sizes(const std::vector<Episode*>& episodes) {
  std::vector<SequenceSize> sizes;
  for (const Episode* e : episodes) {
    sizes.push_back({e->length, e->trajectory->name().group(), e->shared});
  }
  return sizes;
}

}  // namespace

void Trainer::ScoreReference(std::vector<Episode>& episodes) const {
  at::NoGradGuard no_gradients;
  std::vector<Episode*> all;
  for (Episode& e : episodes) {
    if (!e.rows.empty()) all.push_back(&e);
  }
  for (const Range& range :
       CutMicrobatches(Sizes(all), config_.algorithm().microbatch_tokens())) {
    const Packed packed = Pack(all, range);
    const auto scores =
        reference_.Score(reference_.Hidden(packed.tokens), There(ToTensor(packed.rows, torch::kLong)),
                         There(ToTensor(packed.targets, torch::kLong)), config_.rollout().temperature());
    const torch::Tensor logprobs = scores.logprobs.to(torch::kCPU).contiguous();
    const float* from = logprobs.data_ptr<float>();
    for (size_t i = range.begin; i < range.end; ++i) {
      std::copy_n(from, all[i]->rows.size(), all[i]->reference.begin());
      from += all[i]->rows.size();
    }
  }
}

// One minibatch: one optimizer step.
absl::Status Trainer::Step(std::vector<Episode*> episodes, bool first, double learning_rate,
                           Sums& sums) {
  const v1::Algorithm& a = config_.algorithm();
  const TokenLossOptions options{
      .clip_low = a.clip_low(),
      .clip_high = a.clip_high(),
      .kl_coefficient = algorithm_->kl_in_reward() ? 0 : a.kl_coefficient(),
      .entropy_coefficient = a.entropy_coefficient()};
  // The normalization counts every episode. Those whose gradient is exactly 0 are not read.
  double counts[3] = {0, 0, 0};  // generated tokens, episodes that have some, tokens to read
  std::vector<Episode*> read;
  for (Episode* e : episodes) {
    if (e->rows.empty()) continue;
    counts[0] += e->rows.size();
    counts[1] += 1;
    if (!e->active && options.kl_coefficient == 0 && options.entropy_coefficient == 0) continue;
    read.push_back(e);
    counts[2] += e->length;
    sums.tokens_read += e->rows.size();
    sums.trained_tokens += e->length;
    if (first) sums.first_tokens += e->rows.size();
  }
  absl::Time start = absl::Now();
  absl::Status status = collective_->AllReduceSum(absl::MakeSpan(counts), reduce_timeout_);
  sums.reduce_seconds += SecondsSince(start);
  if (!status.ok()) return status;
  if (counts[2] == 0) return absl::OkStatus();  // nothing to learn from, on any rank: no step

  gradients_.Zero();
  for (const Range& range : CutMicrobatches(Sizes(read), a.microbatch_tokens())) {
    const Packed packed = Pack(read, range);
    std::vector<float> weights;
    for (size_t i = range.begin; i < range.end; ++i) {
      const double tokens = read[i]->rows.size();
      const double weight =
          a.loss_normalization() == "token" ? 1 / counts[0] : 1 / (tokens * counts[1]);
      weights.insert(weights.end(), read[i]->rows.size(), static_cast<float>(weight));
    }
    const policy::Model model = trainable_.Compute();
    const auto scores = model.Score(model.Hidden(packed.tokens, a.recompute_activations()),
                                    There(ToTensor(packed.rows, torch::kLong)),
                                    There(ToTensor(packed.targets, torch::kLong)), config_.rollout().temperature());
    const TokenLoss loss =
        ComputeTokenLoss({.logprobs = scores.logprobs,
                          .entropies = scores.entropies,
                          .behavior_logprobs = There(Field(read, range, &Episode::behavior)),
                          .reference_logprobs = There(Field(read, range, &Episode::reference)),
                          .advantages = There(Field(read, range, &Episode::advantages)),
                          .weights = There(ToTensor(weights, torch::kFloat))},
                         options);
    loss.total.backward();
    sums.loss += loss.total.item<double>();
    sums.policy_loss += loss.policy_loss;
    sums.kl += loss.kl;
    sums.entropy += loss.entropy;
    sums.clipped += loss.clipped;
    if (first) sums.difference += loss.difference;
  }
  start = absl::Now();
  status = gradients_.Reduce(*collective_, reduce_timeout_);
  sums.reduce_seconds += SecondsSince(start);
  if (!status.ok()) return status;
  const double norm = gradients_.ClipNorm(a.max_gradient_norm());
  if (!std::isfinite(norm)) {
    return absl::OutOfRangeError(
        absl::StrCat("update ", version_, ": the gradient is not finite (norm ", norm,
                     "); a lower learning rate, clipping or a warm-up may help"));
  }
  sums.gradient_norm += norm;
  optimizer_.Step(learning_rate);
  return absl::OkStatus();
}

absl::StatusOr<UpdateResult> Trainer::Update(absl::Span<const v1::Trajectory> trajectories) {
  absl::Status status = CheckUpdate(trajectories);
  if (!status.ok()) return status;
  absl::StatusOr<UpdateResult> result;
  try {
    result = UpdateOrThrow(trajectories);
  } catch (const std::exception& e) {  // LibTorch's: out of memory, say
    result = absl::InternalError(absl::StrCat("update ", version_, ": ", e.what()));
  }
  if (!result.ok()) collective_->Abort(std::string(result.status().message()));
  return result;
}

absl::StatusOr<UpdateResult> Trainer::UpdateOrThrow(absl::Span<const v1::Trajectory> trajectories) {
  const absl::Time start = absl::Now();
  const v1::Algorithm& a = config_.algorithm();
  Sums sums;
  std::vector<Episode> episodes = MakeEpisodes(trajectories);
  if (a.kl_coefficient() != 0) ScoreReference(episodes);

  std::vector<EpisodeReward> rewards;
  double token_kl = 0;
  for (const Episode& e : episodes) {
    EpisodeReward& r = rewards.emplace_back();
    r.group = e.trajectory->name().group();
    r.reward = e.trajectory->reward();
    r.token_kl.assign(e.rows.size(), 0.0);
    if (a.kl_coefficient() == 0 || !algorithm_->kl_in_reward()) continue;
    for (size_t t = 0; t < e.rows.size(); ++t) {
      const double log_q = static_cast<double>(e.reference[t]) - e.behavior[t];
      r.token_kl[t] = -log_q;
      token_kl += std::expm1(log_q) - log_q;  // k3 at the version that played
    }
  }
  absl::Time reduce_start = absl::Now();
  auto advantages =
      algorithm_->ComputeAdvantages(rewards, a.kl_coefficient(), *collective_, reduce_timeout_);
  sums.reduce_seconds += SecondsSince(reduce_start);
  if (!advantages.ok()) return advantages.status();

  UpdateResult result;
  double active_groups = 0, staleness = 0, reward = 0, success = 0, tokens = 0, behavior = 0;
  const size_t group_size = config_.rollout().group_size();
  for (size_t begin = 0; begin < episodes.size(); begin += group_size) {
    v1::GroupConsumed& group = result.groups.emplace_back();
    const v1::Trajectory& first = trajectories[begin];
    group.set_group(first.name().group());
    group.set_environment(first.environment());
    group.set_difficulty(first.difficulty());
    group.set_episodes(group_size);
    for (size_t i = begin; i < begin + group_size; ++i) {
      const v1::Trajectory& t = trajectories[i];
      Episode& e = episodes[i];
      e.advantages = std::move((*advantages)[i]);
      for (float advantage : e.advantages) {
        if (advantage != 0) group.set_active(true);
      }
      for (float logprob : e.behavior) behavior += logprob;
      group.set_failed_episodes(group.failed_episodes() + (t.error().empty() ? 0 : 1));
      group.set_successes(group.successes() + (t.success() ? 1 : 0));
      group.set_reward(group.reward() + t.reward());
      group.set_turns(group.turns() + t.turns());
      group.set_tokens(group.tokens() + e.rows.size());
      group.set_invalid_actions(group.invalid_actions() + t.invalid_actions());
      staleness += static_cast<double>(version_ - t.policy_version()) * e.rows.size();
    }
    for (size_t i = begin; i < begin + group_size; ++i) episodes[i].active = group.active();
    active_groups += group.active() ? 1 : 0;
    reward += group.reward();
    success += group.successes();
    tokens += group.tokens();
  }

  const double learning_rate = schedule_.Rate(version_);
  for (uint32_t m = 0; m < a.minibatches(); ++m) {
    std::vector<Episode*> minibatch;
    for (Episode& e : episodes) {
      const uint64_t group = e.trajectory->name().group();
      if (MinibatchOf(group, config_.rollout().groups_per_update(), a.minibatches()) == m) {
        minibatch.push_back(&e);
      }
    }
    absl::Status status = Step(std::move(minibatch), m == 0, learning_rate, sums);
    if (!status.ok()) return status;
  }

  const double seconds = SecondsSince(start) - sums.reduce_seconds;
  double totals[] = {sums.loss,
                     sums.policy_loss,
                     sums.kl,
                     sums.entropy,
                     sums.clipped,
                     sums.tokens_read,
                     sums.difference,
                     sums.first_tokens,
                     sums.trained_tokens,
                     active_groups,
                     staleness,
                     reward,
                     success,
                     tokens,
                     seconds,
                     sums.reduce_seconds,
                     token_kl,
                     behavior};
  absl::Status status = collective_->AllReduceSum(absl::MakeSpan(totals), reduce_timeout_);
  if (!status.ok()) return status;
  const auto& [loss, policy_loss, kl, entropy, clipped, tokens_read, difference, first_tokens,
               trained_tokens, all_active, all_staleness, all_reward, all_success, all_tokens,
               all_seconds, all_reduce_seconds, all_token_kl, all_behavior] = totals;
  const double groups = config_.rollout().groups_per_update();
  const double all_episodes = groups * group_size;
  auto over = [](double sum, double count) { return count == 0 ? 0.0 : sum / count; };

  ++version_;
  v1::UpdateMetrics& m = result.metrics;
  m.set_version(version_);
  m.set_loss(loss / a.minibatches());
  m.set_policy_loss(policy_loss / a.minibatches());
  m.set_kl(algorithm_->kl_in_reward() ? over(all_token_kl, all_tokens) : over(kl, tokens_read));
  m.set_entropy(tokens_read > 0 ? entropy / tokens_read : -over(all_behavior, all_tokens));
  m.set_clip_fraction(over(clipped, tokens_read));
  m.set_gradient_norm(sums.gradient_norm / a.minibatches());
  m.set_learning_rate(learning_rate);
  m.set_logprob_difference(over(difference, first_tokens));
  m.set_active_groups(all_active / groups);
  m.set_staleness(over(all_staleness, all_tokens));
  m.set_reward(all_reward / all_episodes);
  m.set_success(all_success / all_episodes);
  m.set_tokens(all_tokens);
  m.set_trained_tokens(trained_tokens);
  m.set_episodes(all_episodes);
  m.set_train_seconds(all_seconds / collective_->size());
  m.set_reduce_seconds(all_reduce_seconds / collective_->size());
  return result;
}

TrainerState Trainer::Export() const {
  policy::Weights weights;
  for (const auto& [name, parameter] : trainable_.parameters()) weights[name] = parameter.detach().to(torch::kCPU, torch::kFloat, false, /*copy=*/true);
  return {.version = version_,
          .optimizer_steps = optimizer_.steps(),
          .weights = std::move(weights),
          .optimizer = optimizer_.Export()};
}

absl::Status Trainer::Restore(const TrainerState& state) {
  const policy::Weights& mine = trainable_.parameters();
  for (const auto& [name, weight] : mine) {
    const auto found = state.weights.find(name);
    if (found == state.weights.end() || found->second.sizes() != weight.sizes() ||
        state.weights.size() != mine.size()) {
      return absl::InvalidArgumentError(absl::StrCat("the state is of another model: ", name,
                                                     " is missing, or has another shape"));
    }
  }
  absl::Status status = optimizer_.Restore(state.optimizer, state.optimizer_steps);
  if (!status.ok()) return status;
  at::NoGradGuard no_gradients;
  for (auto& [name, parameter] : trainable_.parameters()) parameter.copy_(state.weights.at(name));
  version_ = state.version;
  return absl::OkStatus();
}

}  // namespace sojourn::learner
