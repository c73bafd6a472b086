// The fleet on this machine: a coordinator, learner ranks and actors as child processes, the same programs
// as on a cluster. A child that dies is started again.
#ifndef SOJOURN_CLI_SUPERVISOR_H_
#define SOJOURN_CLI_SUPERVISOR_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/child_process.h"
#include "sojourn/v1/job.pb.h"

namespace sojourn::cli {

class Supervisor {
 public:
  // Starts everything; `run_directory` gets logs/ and coordinator/ (its database);
  // RUNS/.prometheus/NAME.json says where the processes' metrics are, for Prometheus' file_sd_configs.
  // Returns when the coordinator listens.
  static absl::StatusOr<Supervisor> Start(const v1::Resources& resources, const std::string& runs_directory,
                                          const std::string& run_directory);

  const std::string& coordinator_address() const { return address_; }

  // Restarts what has died, and says so through `notice`. Aborted when a child dies again and again at
  // once: then the message holds the end of its log.
  absl::Status Tend(const std::function<void(const std::string&)>& notice);

  // Ends everything in order: learners first (they write a checkpoint while the coordinator still
  // listens), then actors, then the coordinator.
  void Stop();

 private:
  struct Child {
    std::string name;                        // "actor-0"
    ChildProcess::Options options;
    std::optional<ChildProcess> process;     // empty while it waits for its next start
    absl::Time started, next_start = absl::InfinitePast();
    int quick_deaths = 0;                    // in a row, each within seconds of its start
  };
  Supervisor() = default;
  absl::Status StartChild(Child& child);

  std::string address_;
  std::vector<Child> children_;              // coordinator, learners, actors
};

}  // namespace sojourn::cli

#endif  // SOJOURN_CLI_SUPERVISOR_H_
