#include "learner/sft.h"

#include <torch/autograd.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <map>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "common/random.h"
#include "learner/optimizer.h"

namespace sojourn::learner {
namespace {

absl::Status Check(const policy::ModelConfig& config, absl::Span<const SupervisedSequence> data) {
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
  if (!any) return absl::InvalidArgumentError("all weights are 0");
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

// What a forward and a backward pass read, and where they are scored.
struct Pass {
  policy::PackedTokens packed;
  std::vector<int64_t> rows, targets;
  std::vector<float> weights;
};

// Sequences that begin alike are laid behind what they share. Sharing less is not worth a sequence of its own.
constexpr size_t kLeastShared = 32;

Pass MakePass(absl::Span<const SupervisedSequence* const> sequences) {
  std::map<std::vector<int32_t>, std::vector<const SupervisedSequence*>> alike;  // by their first tokens
  for (const SupervisedSequence* s : sequences) {
    const size_t key = std::min(kLeastShared, s->tokens.size());
    alike[{s->tokens.begin(), s->tokens.begin() + key}].push_back(s);
  }
  Pass pass;
  policy::PackedTokens& all = pass.packed;
  const auto lay = [&](const SupervisedSequence& s, size_t begin, size_t end, int32_t prefix) {
    all.tokens.insert(all.tokens.end(), s.tokens.begin() + begin, s.tokens.begin() + end);
    all.lengths.push_back(static_cast<int32_t>(end - begin));
    all.prefixes.push_back(prefix);
  };
  const auto score = [&](int64_t row, int32_t target, float weight) {
    if (weight == 0) return;
    pass.rows.push_back(row);
    pass.targets.push_back(target);
    pass.weights.push_back(weight);
  };
  for (const auto& [key, group] : alike) {
    const SupervisedSequence& first = *group.front();
    size_t shared = group.size() > 1 ? first.tokens.size() - 1 : 0;
    for (const SupervisedSequence* s : group) {
      shared = std::min(shared, s->tokens.size() - 1);
      shared = std::mismatch(first.tokens.begin(), first.tokens.begin() + shared, s->tokens.begin()).first -
               first.tokens.begin();
    }
    if (shared < kLeastShared) shared = 0;
    const int64_t prefix_start = all.tokens.size();
    int32_t prefix = -1;
    if (shared > 0) {
      prefix = static_cast<int32_t>(all.lengths.size());
      lay(first, 0, shared, -1);
      for (size_t t = 1; t < shared; ++t) {  // the same target for all: scored once, weighing as much as all
        float weight = 0;
        for (const SupervisedSequence* s : group) weight += s->weights[t];
        score(prefix_start + static_cast<int64_t>(t) - 1, first.tokens[t], weight);
      }
    }
    for (const SupervisedSequence* s : group) {
      const int64_t start = static_cast<int64_t>(all.tokens.size()) - static_cast<int64_t>(shared);
      lay(*s, shared, s->tokens.size(), prefix);
      for (size_t t = std::max<size_t>(1, shared); t < s->tokens.size(); ++t) {
        score((t - 1 < shared ? prefix_start : start) + static_cast<int64_t>(t) - 1, s->tokens[t], s->weights[t]);
      }
    }
  }
  return pass;
}

absl::Status Train(Trainable& trainable, absl::Span<const SupervisedSequence> data,
                   const SupervisedOptions& options,
                   const std::function<void(const SupervisedProgress&)>& progress) {
  Gradients gradients(trainable.parameters());
  policy::Weights matrices, rest;
  for (const auto& [name, weight] : trainable.parameters()) {
    const bool muon = options.muon_learning_rate > 0 && Decays(name, weight);  // the same matrices as weight decay's
    (muon ? matrices : rest)[name] = weight;
  }
  Muon muon(matrices);
  AdamW adamw(rest, {.beta2 = 0.95});
  Order order(data.size(), options.seed);
  const double decay_steps = options.decay_fraction * options.steps;
  const auto there = [&](const torch::Tensor& x) { return x.to(trainable.device()); };
  SupervisedProgress state;
  while (state.step < options.steps) {
    std::vector<const SupervisedSequence*> step;
    size_t tokens = 0;
    double weight_sum = 0;
    do {
      const SupervisedSequence& s = data[order.Next()];
      step.push_back(&s);
      tokens += s.tokens.size();
      weight_sum += std::accumulate(s.weights.begin() + 1, s.weights.end(), 0.0);
    } while (tokens < options.tokens_per_step || weight_sum == 0);

    gradients.Zero();
    state.loss = 0;
    for (size_t begin = 0, end = 0; begin < step.size(); begin = end) {
      size_t read = 0;
      for (; end < step.size() && (end == begin || read + step[end]->tokens.size() <= options.microbatch_tokens); ++end) {
        read += step[end]->tokens.size();
      }
      const Pass pass = MakePass(absl::MakeSpan(step).subspan(begin, end - begin));
      if (pass.rows.empty()) continue;
      const policy::Model model = trainable.Compute();
      const torch::Tensor hidden = model.Hidden(pass.packed, options.recompute_activations);
      const torch::Tensor logprobs = model.Score(hidden, there(torch::tensor(pass.rows, torch::kLong)),
                                                 there(torch::tensor(pass.targets, torch::kLong)), 1.0).logprobs;
      const torch::Tensor loss = -(logprobs * there(torch::tensor(pass.weights, torch::kFloat))).sum() / weight_sum;
      loss.backward();
      state.loss += loss.item<double>();
    }
    const double norm = gradients.ClipNorm(options.max_gradient_norm);
    if (!std::isfinite(norm)) {
      return absl::InternalError(absl::StrCat("step ", state.step,
                                              ": the gradient is not finite (norm ", norm,
                                              "); lower the learning rates"));
    }
    const double steps_left = options.steps - state.step;
    double rate = steps_left < decay_steps ? steps_left / decay_steps : 1.0;
    if (state.step < options.warmup_steps) rate *= (state.step + 1.0) / (options.warmup_steps + 1.0);
    muon.Step(options.muon_learning_rate * rate);
    adamw.Step(options.adamw_learning_rate * rate);
    ++state.step;
    state.tokens += tokens;
    if (progress) progress(state);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status TrainSupervised(Trainable& trainable, absl::Span<const SupervisedSequence> data,
                             const SupervisedOptions& options,
                             const std::function<void(const SupervisedProgress&)>& progress) {
  absl::Status status = Check(trainable.config(), data);
  if (!status.ok()) return status;
  try {
    return Train(trainable, data, options, progress);
  } catch (const std::exception& e) {  // LibTorch's: out of memory, say
    return absl::InternalError(absl::StrCat("supervised training: ", e.what()));
  }
}

}  // namespace sojourn::learner
