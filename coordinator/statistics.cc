#include "coordinator/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/random.h"

namespace sojourn::coordinator {
namespace {

constexpr int kResamples = 2000;

bool AllEqual(const std::vector<double>& values) {
  return std::adjacent_find(values.begin(), values.end(), std::not_equal_to<>()) == values.end();
}

// Linear between the two nearest ranks.
double Percentile(const std::vector<double>& sorted, double share) {
  const double position = share * static_cast<double>(sorted.size() - 1);
  const size_t low = static_cast<size_t>(position);
  const size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (position - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

}  // namespace

double Mean(const std::vector<double>& values) {
  if (values.empty()) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double PassAtK(uint64_t episodes, uint64_t successes, uint64_t k) {
  const uint64_t failures = episodes - successes;
  if (failures < k) return 1;
  double all_fail = 1;  // drawn one after another
  for (uint64_t i = 0; i < k; ++i) {
    all_fail *= static_cast<double>(failures - i) / static_cast<double>(episodes - i);
  }
  return 1 - all_fail;
}

Interval WilsonInterval(double proportion, size_t trials) {
  if (trials == 0) return {0, 1};
  constexpr double z = 1.959963984540054;  // the normal distribution's 97.5% point
  const double n = static_cast<double>(trials);
  const double centre = (proportion + z * z / (2 * n)) / (1 + z * z / n);
  const double half =
      z / (1 + z * z / n) * std::sqrt(proportion * (1 - proportion) / n + z * z / (4 * n * n));
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

Interval DifferenceInterval(const std::vector<double>& differences) {
  if (differences.empty()) return {0, 0};
  if (AllEqual(differences)) return {differences[0], differences[0]};
  Random random(RandomKey(0).With("bootstrap"));
  std::vector<double> means(kResamples);
  for (double& mean : means) {
    double sum = 0;
    for (size_t i = 0; i < differences.size(); ++i)
      sum += differences[random.Below(differences.size())];
    mean = sum / static_cast<double>(differences.size());
  }
  std::sort(means.begin(), means.end());
  return {Percentile(means, 0.025), Percentile(means, 0.975)};
}

Interval BootstrapInterval(const std::vector<double>& values) {
  if (values.empty() || AllEqual(values)) return WilsonInterval(Mean(values), values.size());
  return DifferenceInterval(values);
}

}  // namespace sojourn::coordinator
