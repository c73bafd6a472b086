// RLOO, Ahmadian et al., "Back to Basics", 2402.14740, section 3.2: every token of an episode has
// the advantage reward minus the mean reward of the group's other episodes. The KL penalty is a
// term of the loss, as with GRPO.
#include <numeric>

#include "learner/algorithm.h"

namespace sojourn::learner {
namespace {

std::vector<double> Compare(absl::Span<const double> rewards) {
  std::vector<double> advantages(rewards.size());
  const double sum = std::accumulate(rewards.begin(), rewards.end(), 0.0);
  const double others = rewards.size() - 1;
  for (size_t i = 0; i < rewards.size(); ++i)
    advantages[i] = rewards[i] - (sum - rewards[i]) / others;
  return advantages;
}

class Rloo : public Algorithm {
 public:
  int min_group_size() const override { return 2; }
  bool kl_in_reward() const override { return false; }
  absl::StatusOr<Advantages> ComputeAdvantages(absl::Span<const EpisodeReward> episodes, double,
                                               Collective&, absl::Duration) const override {
    return GroupAdvantages(episodes, Compare);
  }
};

}  // namespace

std::unique_ptr<Algorithm> MakeRloo() { return std::make_unique<Rloo>(); }

}  // namespace sojourn::learner
