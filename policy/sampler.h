// Draws tokens from logits: temperature, then top-k, then top-p (nucleus; Holtzman et al., 2020).
// No LibTorch.
#ifndef SOJOURN_POLICY_SAMPLER_H_
#define SOJOURN_POLICY_SAMPLER_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "policy/engine.h"

namespace sojourn::policy {

absl::Status ValidateSampling(const SamplingParameters& parameters);

struct SampledToken {
  int32_t token = 0;
  float logprob = 0;  // under the distribution it was drawn from; greedy: under the model's own
};

// Holds scratch memory; one per thread.
class Sampler {
 public:
  // `uniform` in [0, 1) decides. Ties in greedy choice, top-k and top-p go to the lower id.
  // Internal when the logits are not finite.
  absl::StatusOr<SampledToken> Sample(absl::Span<const float> logits,
                                      const SamplingParameters& parameters, double uniform);

 private:
  // Orders the candidates that top-k and top-p keep; returns their summed terms.
  double Keep(absl::Span<const float> logits, const SamplingParameters& parameters, double total);

  std::vector<float> terms_, sums_;  // e^((logit - max) / temperature), and sums of 64 of them
  std::vector<int32_t> kept_, heap_;
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_SAMPLER_H_
