// A whole job on this machine: what `sojourn run` and `sojourn eval` have in common.
#ifndef SOJOURN_CLI_RUN_JOB_H_
#define SOJOURN_CLI_RUN_JOB_H_

#include <functional>
#include <string>

#include "sojourn/v1/job.pb.h"

namespace sojourn::cli {

// Starts the processes, submits `config` (resolved and valid), shows progress on standard error, and when the
// job has succeeded calls `show` with the run's folder, RUNS_DIRECTORY/NAME. Returns the exit status; 130 when
// it was interrupted, after saying `interrupted`.
int RunJob(const v1::JobConfig& config, const std::string& runs_directory, bool fresh,
           const std::function<int(const v1::Results&, const std::string& run)>& show, const char* interrupted);

}  // namespace sojourn::cli

#endif  // SOJOURN_CLI_RUN_JOB_H_
