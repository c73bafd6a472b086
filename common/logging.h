// Logs go to stderr, one plain line each: 2026-01-01T00:00:00.000Z actor-0 I message. Log with
// spdlog::info("took {} s", seconds) and its like.
#ifndef SOJOURN_COMMON_LOGGING_H_
#define SOJOURN_COMMON_LOGGING_H_

#include <spdlog/spdlog.h>

#include <string>

#include "absl/status/status.h"

namespace sojourn {

// `process` names the process in every line. `level`: debug, info, warning, error, off; another one
// is InvalidArgument.
absl::Status InitLogging(const std::string& process, const std::string& level = "info");

}  // namespace sojourn

#endif  // SOJOURN_COMMON_LOGGING_H_
