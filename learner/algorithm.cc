#include "learner/algorithm.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace sojourn::learner {
namespace {

struct Entry {
  const char* name;
  std::unique_ptr<Algorithm> (*make)();
};
constexpr Entry kAlgorithms[] = {
    {"grpo", MakeGrpo},
    {"rloo", MakeRloo},
    {"reinforce++", MakeReinforcePlusPlus},
};

}  // namespace

absl::StatusOr<std::unique_ptr<Algorithm>> MakeAlgorithm(const std::string& name) {
  std::string known;
  for (const Entry& entry : kAlgorithms) {
    if (name == entry.name) return entry.make();
    absl::StrAppend(&known, known.empty() ? "" : ", ", entry.name);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("algorithm.name: unknown algorithm \"", name, "\"; known: ", known));
}

Advantages GroupAdvantages(absl::Span<const EpisodeReward> episodes,
                           std::vector<double> (*compare)(absl::Span<const double> rewards)) {
  Advantages advantages;
  std::vector<double> rewards;
  for (size_t begin = 0; begin < episodes.size(); begin += rewards.size()) {
    rewards.clear();
    for (size_t i = begin; i < episodes.size() && episodes[i].group == episodes[begin].group; ++i) {
      rewards.push_back(episodes[i].reward);
    }
    // Rounding of a mean must not make advantages where there is nothing to compare.
    const bool equal = std::equal(rewards.begin() + 1, rewards.end(), rewards.begin());
    const std::vector<double> compared =
        equal ? std::vector<double>(rewards.size(), 0.0) : compare(rewards);
    for (size_t i = 0; i < compared.size(); ++i) {
      advantages.emplace_back(episodes[begin + i].token_kl.size(), static_cast<float>(compared[i]));
    }
  }
  return advantages;
}

}  // namespace sojourn::learner
