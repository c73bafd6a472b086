#include "learner/sft.h"

#include <torch/autograd.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "common/random.h"
#include "learner/optimizer.h"

namespace sojourn::learner {
namespace {

absl::Status Check(const policy::ModelConfig& config, absl::Span<const SupervisedSequence> data,
                   const SupervisedOptions& options) {
  if (data.empty()) return absl::InvalidArgumentError("no sequences to train on");
  bool any = false;
  for (size_t i = 0; i < data.size(); ++i) {
    const SupervisedSequence& s = data[i];
    auto fault = [&](const std::string& what) {
      return absl::InvalidArgumentError(absl::StrCat("sequence ", i, ": ", what));
    };
    if (s.tokens.size() < 2 || s.tokens.size() != s.weights.size()) {
      return fault(absl::StrCat(s.tokens.size(), " tokens and ", s.weights.size(),
                                " weights; expected as many, and at least 2"));
    }
    if (s.tokens.size() > static_cast<uint64_t>(config.max_position_embeddings)) {
      return fault(absl::StrCat(s.tokens.size(), " tokens, more than the context of ",
                                config.max_position_embeddings));
    }
    for (size_t t = 0; t < s.tokens.size(); ++t) {
      if (s.tokens[t] < 0 || s.tokens[t] >= config.vocab_size) {
        return fault(absl::StrCat("token ", t, " is ", s.tokens[t], ", not in the vocabulary of ",
                                  config.vocab_size));
      }
      if (!std::isfinite(s.weights[t]) || s.weights[t] < 0) {
        return fault(absl::StrCat("weight ", t, " is ", s.weights[t], ", not at least 0"));
      }
      any = any || (t > 0 && s.weights[t] > 0);
    }
  }
  if (!any && options.lm_weight <= 0) return absl::InvalidArgumentError("all weights are 0");
  return absl::OkStatus();
}

// Hands out sequences, each once per epoch, in an order keyed by (seed, epoch).
class Order {
 public:
  Order(size_t count, uint64_t seed) : order_(count), key_(RandomKey(seed).With("sft")) {
    std::iota(order_.begin(), order_.end(), size_t{0});
  }
  size_t Next() {
    if (next_ % order_.size() == 0) {
      Random(key_.With(next_ / order_.size())).Shuffle(order_);
    }
    return order_[next_++ % order_.size()];
  }

 private:
  std::vector<size_t> order_;
  RandomKey key_;
  size_t next_ = 0;
};

absl::Status Train(policy::Model& model, absl::Span<const SupervisedSequence> data,
                   const SupervisedOptions& options,
                   const std::function<void(const SupervisedProgress&)>& progress) {
  Gradients gradients(model.mutable_weights());
  policy::Weights matrices, rest;
  for (const auto& [name, weight] : model.weights()) {
    (Decays(name, weight) ? matrices : rest)[name] = weight;  // the same matrices as weight decay's
  }
  Muon muon(matrices);
  AdamW adamw(rest, {.beta2 = 0.95});
  Order order(data.size(), options.seed);
  const double decay_steps = options.decay_fraction * options.steps;
  SupervisedProgress state;
  while (state.step < options.steps) {
    policy::PackedTokens packed;
    std::vector<int64_t> rows, targets;
    std::vector<float> weights;
    double weight_sum = 0;
    do {
      const SupervisedSequence& s = data[order.Next()];
      const int64_t offset = packed.tokens.size();
      for (size_t t = 1; t < s.tokens.size(); ++t) {
        const float weight = std::max(s.weights[t], static_cast<float>(options.lm_weight));
        if (weight == 0) continue;
        rows.push_back(offset + t - 1);
        targets.push_back(s.tokens[t]);
        weights.push_back(weight);
        weight_sum += weight;
      }
      packed.tokens.insert(packed.tokens.end(), s.tokens.begin(), s.tokens.end());
      packed.lengths.push_back(s.tokens.size());
    } while (packed.tokens.size() < options.tokens_per_step || weight_sum == 0);

    gradients.Zero();
    const torch::Tensor hidden =
        model.Hidden(packed).index_select(0, torch::tensor(rows, torch::kLong));
    const torch::Tensor losses = torch::cross_entropy_loss(
        model.Logits(hidden), torch::tensor(targets, torch::kLong), {}, at::Reduction::None);
    const torch::Tensor loss = (losses * torch::tensor(weights, torch::kFloat)).sum() / weight_sum;
    loss.backward();
    const double norm = gradients.ClipNorm(options.max_gradient_norm);
    if (!std::isfinite(norm)) {
      return absl::InternalError(absl::StrCat("step ", state.step,
                                              ": the gradient is not finite (norm ", norm,
                                              "); lower the learning rates"));
    }
    const double steps_left = options.steps - state.step;
    const double rate = steps_left < decay_steps ? steps_left / decay_steps : 1.0;
    muon.Step(options.muon_learning_rate * rate);
    adamw.Step(options.adamw_learning_rate * rate);
    ++state.step;
    state.loss = loss.item<double>();
    state.tokens += packed.tokens.size();
    if (progress) progress(state);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status TrainSupervised(policy::Model& model, absl::Span<const SupervisedSequence> data,
                             const SupervisedOptions& options,
                             const std::function<void(const SupervisedProgress&)>& progress) {
  absl::Status status = Check(model.config(), data, options);
  if (!status.ok()) return status;
  try {
    status = Train(model, data, options, progress);
  } catch (const std::exception& e) {
    status = absl::InternalError(absl::StrCat("supervised training: ", e.what()));
  }
  for (auto& [name, weight] : model.mutable_weights()) {  // leaves a model like any other
    weight.mutable_grad() = torch::Tensor();
    weight.set_requires_grad(false);
  }
  return status;
}

}  // namespace sojourn::learner
