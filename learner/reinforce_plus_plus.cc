// REINFORCE++, Hu et al., 2501.03262, sections 3.1 to 3.3: token t of an episode has the return
// r - beta * sum over tokens i >= t of KL(i), with KL(i) = log p_actor(i) - log p_starting
// policy(i), no discount and no critic; the advantages are these returns normalized by the mean and
// the standard deviation over all tokens of the update's whole batch, on all ranks.
#include <cmath>

#include "learner/algorithm.h"

namespace sojourn::learner {
namespace {

constexpr double kEpsilon = 1e-6;

class ReinforcePlusPlus : public Algorithm {
 public:
  int min_group_size() const override { return 1; }
  bool kl_in_reward() const override { return true; }
  absl::StatusOr<Advantages> ComputeAdvantages(absl::Span<const EpisodeReward> episodes,
                                               double kl_coefficient, Collective& collective,
                                               absl::Duration timeout) const override {
    std::vector<std::vector<double>> returns;
    double sums[2] = {0, 0};  // returns, tokens
    for (const EpisodeReward& episode : episodes) {
      std::vector<double>& r = returns.emplace_back(episode.token_kl.size());
      double to_come = episode.reward;
      for (size_t t = r.size(); t-- > 0;) {
        to_come -= kl_coefficient * episode.token_kl[t];
        r[t] = to_come;
        sums[0] += to_come;
      }
      sums[1] += r.size();
    }
    absl::Status status = collective.AllReduceSum(absl::MakeSpan(sums), timeout);
    if (!status.ok()) return status;
    const double tokens = std::max(sums[1], 1.0);
    const double mean = sums[0] / tokens;

    double squares = 0;  // after the mean is known: exact also when it is large
    for (const auto& r : returns) {
      for (double value : r) squares += (value - mean) * (value - mean);
    }
    status = collective.AllReduceSum(absl::MakeSpan(&squares, 1), timeout);
    if (!status.ok()) return status;
    const double std = std::sqrt(squares / tokens);

    Advantages advantages;
    for (const auto& r : returns) {
      std::vector<float>& a = advantages.emplace_back();
      // Where all returns are equal there is nothing to prefer, whatever rounding left of the
      // difference.
      for (double value : r) {
        a.push_back(std > 1e-9 * std::abs(mean)
                        ? static_cast<float>((value - mean) / (std + kEpsilon))
                        : 0);
      }
    }
    return advantages;
  }
};

}  // namespace

std::unique_ptr<Algorithm> MakeReinforcePlusPlus() { return std::make_unique<ReinforcePlusPlus>(); }

}  // namespace sojourn::learner
