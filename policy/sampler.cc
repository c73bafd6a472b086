#include "policy/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "policy/model_kernels.h"

namespace sojourn::policy {
namespace {

constexpr int64_t kGroup = 64;  // terms per sum of softmax_terms

}  // namespace

absl::Status ValidateSampling(const SamplingParameters& parameters) {
  // Under 1e-3 the division would overflow; a temperature of 0 says the same.
  if (parameters.temperature != 0 &&
      !(parameters.temperature >= 1e-3 && parameters.temperature <= 1e3)) {
    return absl::InvalidArgumentError(
        absl::StrCat("sampling temperature: expected 0 (greedy) or 0.001 to 1000, got ",
                     parameters.temperature));
  }
  if (!(parameters.top_p > 0 && parameters.top_p <= 1)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "sampling top_p: expected above 0 and at most 1 (off), got ", parameters.top_p));
  }
  if (parameters.top_k < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("sampling top_k: expected 0 (off) or more, got ", parameters.top_k));
  }
  return absl::OkStatus();
}

absl::StatusOr<SampledToken> Sampler::Sample(absl::Span<const float> logits,
                                             const SamplingParameters& parameters, double uniform,
                                             int alternatives) {
  const int64_t n = logits.size();
  terms_.resize(n);
  sums_.resize((n + kGroup - 1) / kGroup);
  const bool greedy = parameters.temperature == 0;
  const float inverse = greedy ? 1.0f : static_cast<float>(1 / parameters.temperature);
  const float top =
      CpuKernels().softmax_terms(n, logits.data(), inverse, terms_.data(), sums_.data());
  const double total = std::accumulate(sums_.begin(), sums_.end(), 0.0);
  if (!std::isfinite(top) || !std::isfinite(total) || !(total > 0)) {
    return absl::InternalError("the model's logits are not finite: its weights have diverged");
  }
  double model_total = total;
  if (inverse != 1) {
    model_terms_.resize(n);
    model_sums_.resize(sums_.size());
    CpuKernels().softmax_terms(n, logits.data(), 1, model_terms_.data(), model_sums_.data());
    model_total = std::accumulate(model_sums_.begin(), model_sums_.end(), 0.0);
  }
  const double log_model_total = std::log(model_total);
  const auto model_logprob = [&](int64_t token) {
    return static_cast<float>(static_cast<double>(logits[token]) - top - log_model_total);
  };
  std::vector<TokenLogprob> best;
  if (alternatives > 0) {
    Keep(logits, top, inverse, {.top_k = alternatives}, total);
    for (const int32_t token : kept_) best.push_back({token, model_logprob(token)});
  }
  const auto chosen = [&](int64_t token, double whole) {
    const double z = (static_cast<double>(logits[token]) - top) * inverse;
    return SampledToken{static_cast<int32_t>(token), static_cast<float>(z - std::log(whole)),
                        model_logprob(token), std::move(best)};
  };
  if (greedy) return chosen(std::find(logits.begin(), logits.end(), top) - logits.begin(), total);

  if (parameters.top_k > 0 || parameters.top_p < 1) {
    const double whole = Keep(logits, top, inverse, parameters, total);
    double rest = uniform * whole;
    for (const int32_t token : kept_) {
      rest -= terms_[token];
      if (rest < 0) return chosen(token, whole);
    }
    return chosen(kept_.back(), whole);
  }

  double rest = uniform * total;
  size_t group = 0;
  while (group + 1 < sums_.size() && rest >= sums_[group]) rest -= sums_[group++];
  const int64_t first = group * kGroup, end = std::min<int64_t>(n, first + kGroup);
  int64_t last =
      first;  // rounding may leave a rest at the end: the last token with a chance takes it
  for (int64_t token = first; token < end; ++token) {
    rest -= terms_[token];
    if (rest < 0) return chosen(token, total);
    if (terms_[token] > 0) last = token;
  }
  return chosen(last, total);
}

void Sampler::Gather(absl::Span<const float> logits, float top, double inverse, double reach) {
  const float least = top - static_cast<float>(reach / inverse);
  const double least_sum = 0.9 * std::exp(-reach);
  kept_.clear();
  for (size_t group = 0; group < sums_.size(); ++group) {
    if (sums_[group] < least_sum) continue;  // so no logit in it reaches that
    const size_t end = std::min(logits.size(), (group + 1) * kGroup);
    for (size_t token = group * kGroup; token < end; ++token) {
      if (logits[token] >= least) kept_.push_back(static_cast<int32_t>(token));
    }
  }
}

double Sampler::Keep(absl::Span<const float> logits, float top, double inverse,
                     const SamplingParameters& parameters, double total) {
  const auto better = [&](int32_t a, int32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  };
  const size_t most =
      parameters.top_k > 0 ? std::min<size_t>(parameters.top_k, logits.size()) : logits.size();
  // Few tokens matter as a rule: those near the best one are tried first, then ever more.
  for (double reach = 4;; reach *= 2) {
    Gather(logits, top, inverse, reach);
    const bool whole = reach > 60;
    if (whole) {
      kept_.resize(logits.size());
      std::iota(kept_.begin(), kept_.end(), 0);
    }
    const auto sum_kept = [&] {
      double sum = 0;
      for (const int32_t token : kept_) sum += terms_[token];
      return sum;
    };
    if (parameters.top_k > 0 ? kept_.size() < most
                             : !whole && sum_kept() < parameters.top_p * total) {
      continue;
    }
    double of = total;  // what top-p is a share of
    if (most < logits.size()) {
      if (most < kept_.size()) {
        std::nth_element(kept_.begin(), kept_.begin() + most, kept_.end(), better);
        kept_.resize(most);
        std::sort(kept_.begin(), kept_.end());  // so that the sum has one order
      }
      of = sum_kept();
    }
    std::sort(kept_.begin(), kept_.end(), better);
    double sum = 0;
    for (size_t i = 0; i < kept_.size(); ++i) {
      sum += terms_[kept_[i]];
      if (parameters.top_p < 1 && sum >= parameters.top_p * of) {
        kept_.resize(i + 1);
        return sum;
      }
    }
    // Rounding may leave top-p out of reach: then all count.
    if (parameters.top_k > 0 || whole) return sum;
  }
}

}  // namespace sojourn::policy
