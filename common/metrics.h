// Metrics of a process, for Prometheus. Names start with sojourn_, count base units (seconds,
// bytes), and end in _total where they only grow.
#ifndef SOJOURN_COMMON_METRICS_H_
#define SOJOURN_COMMON_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sojourn {

using MetricLabels = prometheus::Labels;  // std::map<std::string, std::string>

// Thread-safe, like the metrics it returns, which live as long as it does. Asking again for the
// same name and labels returns the same metric, with a lookup: keep the reference where it is hot.
class Metrics {
 public:
  Metrics();  // has the process's own: CPU seconds, resident memory, start time, open files

  prometheus::Counter& Counter(const std::string& name, const std::string& help,
                               const MetricLabels& labels = {});
  prometheus::Gauge& Gauge(const std::string& name, const std::string& help,
                           const MetricLabels& labels = {});
  // `bounds`: upper bounds of the buckets, ascending.
  prometheus::Histogram& Histogram(const std::string& name, const std::string& help,
                                   const std::vector<double>& bounds,
                                   const MetricLabels& labels = {});

  std::string Text() const;  // what /metrics serves

  // Serves /metrics over HTTP on HOST:PORT (port 0: a free one) and returns the port. Unavailable
  // when the address cannot be bound.
  absl::StatusOr<int> Serve(const std::string& address);

 private:
  std::shared_ptr<prometheus::Registry> registry_;
  std::shared_ptr<prometheus::Collectable> process_;
  std::unique_ptr<prometheus::Exposer> exposer_;  // last: stops first
};

// Bucket bounds for durations in seconds: 1 ms to 60 s.
const std::vector<double>& SecondsBuckets();

}  // namespace sojourn

#endif  // SOJOURN_COMMON_METRICS_H_
