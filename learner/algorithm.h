// What tells the algorithms apart: how rewards become advantages. They share the token loss
// (token_loss.h). A new algorithm is one file and one line in algorithm.cc.
#ifndef SOJOURN_LEARNER_ALGORITHM_H_
#define SOJOURN_LEARNER_ALGORITHM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "learner/collective.h"

namespace sojourn::learner {

struct EpisodeReward {
  uint64_t group = 0;
  double reward = 0;
  std::vector<double>
      token_kl;  // [generated tokens] log p_actor - log p_starting policy, at the sampled
                 // token; zeros unless kl_in_reward() and the KL coefficient is not 0
};

// [episodes][generated tokens]
using Advantages = std::vector<std::vector<float>>;

class Algorithm {
 public:
  virtual ~Algorithm() = default;
  // Fewer episodes of a task than this never give a gradient.
  virtual int min_group_size() const = 0;
  // Whether the KL penalty is part of the reward; if not, it is a term of the token loss.
  virtual bool kl_in_reward() const = 0;

  // Advantages of one update's episodes: this rank's groups, whole, each group's episodes adjacent.
  // What is normalized over the update's whole batch is added up over the ranks of `collective`,
  // which all call this together; a rank may have no episodes.
  virtual absl::StatusOr<Advantages> ComputeAdvantages(absl::Span<const EpisodeReward> episodes,
                                                       double kl_coefficient,
                                                       Collective& collective,
                                                       absl::Duration timeout) const = 0;
};

// InvalidArgument names the known ones.
absl::StatusOr<std::unique_ptr<Algorithm>> MakeAlgorithm(const std::string& name);

// For algorithms that compare an episode with the others of its group only: calls
// `compare(rewards of the group)`, which returns one advantage per episode, and gives it to all the
// episode's tokens. Equal rewards are not compared: they give exactly 0.
Advantages GroupAdvantages(absl::Span<const EpisodeReward> episodes,
                           std::vector<double> (*compare)(absl::Span<const double> rewards));

std::unique_ptr<Algorithm> MakeGrpo();
std::unique_ptr<Algorithm> MakeRloo();
std::unique_ptr<Algorithm> MakeReinforcePlusPlus();

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_ALGORITHM_H_
