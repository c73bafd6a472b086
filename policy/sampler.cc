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
                                             const SamplingParameters& parameters, double uniform) {
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
  const auto chosen = [&](int64_t token, double whole) {
    const double z = (static_cast<double>(logits[token]) - top) * inverse;
    return SampledToken{static_cast<int32_t>(token), static_cast<float>(z - std::log(whole))};
  };
  if (greedy) return chosen(std::find(logits.begin(), logits.end(), top) - logits.begin(), total);

  if (parameters.top_k > 0 || parameters.top_p < 1) {
    const double whole = Keep(logits, parameters, total);
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

double Sampler::Keep(absl::Span<const float> logits, const SamplingParameters& parameters,
                     double total) {
  const auto worse = [&](int32_t a, int32_t b) {
    return logits[a] != logits[b] ? logits[a] < logits[b] : a > b;
  };
  const size_t most =
      parameters.top_k > 0 ? std::min<size_t>(parameters.top_k, logits.size()) : logits.size();
  heap_.resize(logits.size());
  std::iota(heap_.begin(), heap_.end(), 0);
  if (most < heap_.size()) {
    std::nth_element(heap_.begin(), heap_.begin() + most, heap_.end(),
                     [&](int32_t a, int32_t b) { return worse(b, a); });
    heap_.resize(most);
    std::sort(heap_.begin(), heap_.end());  // so that the sum has one order
    total = 0;
    for (const int32_t token : heap_) total += terms_[token];
  }
  // Nucleus: the fewest most likely candidates that hold top_p of what top-k left.
  std::make_heap(heap_.begin(), heap_.end(), worse);
  kept_.clear();
  double sum = 0;
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), worse);
    kept_.push_back(heap_.back());
    heap_.pop_back();
    sum += terms_[kept_.back()];
    if (parameters.top_p < 1 && sum >= parameters.top_p * total) break;
  }
  return sum;
}

}  // namespace sojourn::policy
