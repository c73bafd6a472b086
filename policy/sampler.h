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
  float model_logprob = 0;                 // under the model's own: temperature 1, all tokens
  std::vector<TokenLogprob> alternatives;  // the most likely tokens of the model's own, best first
};

// Holds scratch memory; one per thread.
class Sampler {
 public:
  // `uniform` in [0, 1) decides. Ties in greedy choice, top-k, top-p and alternatives go to the
  // lower id. Internal when the logits are not finite.
  absl::StatusOr<SampledToken> Sample(absl::Span<const float> logits,
                                      const SamplingParameters& parameters, double uniform,
                                      int alternatives = 0);

 private:
  // The candidates that top-k and top-p keep go to kept_, best first; returns their summed terms.
  // `top`: the highest logit; `inverse`: of the temperature.
  double Keep(absl::Span<const float> logits, float top, double inverse,
              const SamplingParameters& parameters, double total);
  // Finds the tokens whose term is at least e^-reach.
  void Gather(absl::Span<const float> logits, float top, double inverse, double reach);

  std::vector<float> terms_, sums_;  // e^((logit - max) / temperature), and sums of 64 of them
  std::vector<float> model_terms_, model_sums_;  // at temperature 1, when that is another one
  std::vector<int32_t> kept_;
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_SAMPLER_H_
