#include "common/metrics.h"

#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <exception>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace sojourn {
namespace {

// The names that Prometheus's own client libraries use for a process.
class ProcessMetrics : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const double cpu_seconds = absl::ToDoubleSeconds(absl::DurationFromTimeval(usage.ru_utime) +
                                                     absl::DurationFromTimeval(usage.ru_stime));
    std::vector<prometheus::MetricFamily> families = {
        Family("process_cpu_seconds_total", "CPU seconds used", prometheus::MetricType::Counter,
               cpu_seconds),
        Family("process_start_time_seconds", "Unix time of the start",
               prometheus::MetricType::Gauge, start_)};
    int64_t total_pages = 0, resident_pages = 0;
    std::ifstream memory("/proc/self/statm");
    if (memory >> total_pages >> resident_pages) {
      families.push_back(Family("process_resident_memory_bytes", "Resident memory",
                                prometheus::MetricType::Gauge,
                                resident_pages * sysconf(_SC_PAGESIZE)));
    }
    std::error_code error;
    int64_t open = 0;
    for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end;
         it.increment(error)) {
      ++open;
    }
    if (!error) {
      families.push_back(
          Family("process_open_fds", "Open files", prometheus::MetricType::Gauge, open));
    }
    return families;
  }

 private:
  static prometheus::MetricFamily Family(const char* name, const char* help,
                                         prometheus::MetricType type, double value) {
    prometheus::ClientMetric metric;
    metric.counter.value = value;
    metric.gauge.value = value;
    prometheus::MetricFamily family;
    family.name = name;
    family.help = help;
    family.type = type;
    family.metric = {metric};
    return family;
  }

  const double start_ = absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch());
};

}  // namespace

Metrics::Metrics()
    : registry_(std::make_shared<prometheus::Registry>()),
      process_(std::make_shared<ProcessMetrics>()) {}

prometheus::Counter& Metrics::Counter(const std::string& name, const std::string& help,
                                      const MetricLabels& labels) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(*registry_).Add(labels);
}

prometheus::Gauge& Metrics::Gauge(const std::string& name, const std::string& help,
                                  const MetricLabels& labels) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(*registry_).Add(labels);
}

prometheus::Histogram& Metrics::Histogram(const std::string& name, const std::string& help,
                                          const std::vector<double>& bounds,
                                          const MetricLabels& labels) {
  return prometheus::BuildHistogram()
      .Name(name)
      .Help(help)
      .Register(*registry_)
      .Add(labels, bounds);
}

std::string Metrics::Text() const {
  std::vector<prometheus::MetricFamily> families = registry_->Collect();
  for (prometheus::MetricFamily& family : process_->Collect())
    families.push_back(std::move(family));
  return prometheus::TextSerializer().Serialize(families);
}

absl::StatusOr<int> Metrics::Serve(const std::string& address) {
  try {
    exposer_ = std::make_unique<prometheus::Exposer>(address, 1);
    exposer_->RegisterCollectable(registry_);
    exposer_->RegisterCollectable(process_);
    const std::vector<int> ports = exposer_->GetListeningPorts();
    if (!ports.empty()) return ports.front();
  } catch (const std::exception&) {  // falls through to the error below
  }
  exposer_.reset();
  return absl::UnavailableError(
      absl::StrCat("cannot serve metrics on \"", address,
                   "\": expected HOST:PORT with a port that is free (0 picks one)"));
}

const std::vector<double>& SecondsBuckets() {
  static const auto* const bounds =
      new std::vector<double>{0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60};
  return *bounds;
}

}  // namespace sojourn
