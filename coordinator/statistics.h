// Means with intervals over tasks. Episodes of one task are not independent, so tasks are what is
// resampled.
#ifndef SOJOURN_COORDINATOR_STATISTICS_H_
#define SOJOURN_COORDINATOR_STATISTICS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sojourn::coordinator {

struct Interval {
  double low = 0, high = 0;
};

double Mean(const std::vector<double>& values);  // 0 for none

// The 95% interval of the mean of `values`, one per task: percentile bootstrap (Efron 1979) with
// 2000 resamples, drawn from a fixed key, so that the same data has the same interval. When all
// tasks have the same value a bootstrap has no width; then `values` are taken as proportions, and
// it is Wilson's interval with as many trials as there are tasks, which is wide: few tasks that
// agree prove little.
Interval BootstrapInterval(const std::vector<double>& values);

// The same for the mean of differences, which are not proportions: no width when they are all
// equal.
Interval DifferenceInterval(const std::vector<double>& differences);

// The chance that at least one of k episodes of a task succeeds, from `episodes` >= k of which
// `successes` did: 1 - C(episodes - successes, k) / C(episodes, k), unbiased (Chen et al. 2021,
// arXiv:2107.03374, section 2.1).
double PassAtK(uint64_t episodes, uint64_t successes, uint64_t k);

// Wilson's 95% score interval (1927) for a proportion seen in `trials` trials; [0, 1] without any.
Interval WilsonInterval(double proportion, size_t trials);

}  // namespace sojourn::coordinator

#endif  // SOJOURN_COORDINATOR_STATISTICS_H_
