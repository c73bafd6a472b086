// Lines from a person's keyboard or from another process, one at a time.
#ifndef SOJOURN_CLI_LINE_READER_H_
#define SOJOURN_CLI_LINE_READER_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sojourn::cli {

class LineReader {
 public:
  explicit LineReader(int fd) : fd_(fd) {}  // not owned

  // Without its newline; no value at the end of the input. DeadlineExceeded when nothing comes in
  // time, Cancelled when this process is asked to stop, ResourceExhausted for a line of more than
  // 16 MiB.
  absl::StatusOr<std::optional<std::string>> Next(absl::Time deadline);

 private:
  int fd_;
  bool ended_ = false;
  std::string buffer_;
};

}  // namespace sojourn::cli

#endif  // SOJOURN_CLI_LINE_READER_H_
