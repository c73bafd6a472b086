// GRPO, Shao et al., "DeepSeekMath", 2402.03300, section 4.1.2 (outcome supervision): every token
// of an episode has the advantage (r - mean) / (std + 1e-6) over the episode's group. The standard
// deviation is the sample's (n - 1). The KL penalty is a term of the loss.
#include <cmath>
#include <numeric>

#include "learner/algorithm.h"

namespace sojourn::learner {
namespace {

constexpr double kEpsilon = 1e-6;

std::vector<double> Compare(absl::Span<const double> rewards) {
  std::vector<double> advantages(rewards.size());
  const double n = rewards.size();
  const double mean = std::accumulate(rewards.begin(), rewards.end(), 0.0) / n;
  double squares = 0;
  for (double r : rewards) squares += (r - mean) * (r - mean);
  const double std = std::sqrt(squares / (n - 1));
  for (size_t i = 0; i < rewards.size(); ++i)
    advantages[i] = (rewards[i] - mean) / (std + kEpsilon);
  return advantages;
}

class Grpo : public Algorithm {
 public:
  int min_group_size() const override { return 2; }
  bool kl_in_reward() const override { return false; }
  absl::StatusOr<Advantages> ComputeAdvantages(absl::Span<const EpisodeReward> episodes, double,
                                               Collective&, absl::Duration) const override {
    return GroupAdvantages(episodes, Compare);
  }
};

}  // namespace

std::unique_ptr<Algorithm> MakeGrpo() { return std::make_unique<Grpo>(); }

}  // namespace sojourn::learner
