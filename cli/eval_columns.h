// What `sojourn eval --env` asks for, as environments and columns of a job.
#ifndef SOJOURN_CLI_EVAL_COLUMNS_H_
#define SOJOURN_CLI_EVAL_COLUMNS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "sojourn/v1/job.pb.h"

namespace sojourn::cli {

struct ColumnOptions {
  std::vector<std::string> splits = {"test"};
  std::vector<std::string> variants = {""};   // "": as it is
  uint32_t max_turns = 0;                     // 0: the environment's own limit
};

// Adds to `config`'s environments and evaluation cells what `text` says: "TYPE:DIFFICULTIES[,OPTION=VALUE...]",
// DIFFICULTIES a list of numbers and ranges ("1,3,5-8") or "all"; once for every split and variant. Its
// evaluation.tasks must be set. InvalidArgument quotes the text and says what was expected, with suggestions.
absl::Status AddColumns(const std::string& text, const ColumnOptions& options, v1::JobConfig* config);

}  // namespace sojourn::cli

#endif  // SOJOURN_CLI_EVAL_COLUMNS_H_
