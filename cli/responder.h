// A policy that answers observations, in a process of its own: `sojourn-actor --respond MODEL`.
#ifndef SOJOURN_CLI_RESPONDER_H_
#define SOJOURN_CLI_RESPONDER_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/child_process.h"
#include "cli/line_reader.h"

namespace sojourn::cli {

// The process reads JSON lines from its standard input and writes one for each to its output. A
// conversation begins with {"instructions", "acceptance", "observation"} and goes on with
// {"observation"}; every answer is {"response": TEXT}, or {"error": TEXT}.
class Responder {
 public:
  // What the process writes to its standard error goes to a file that is removed at the end; its
  // last lines are part of the error when the process dies.
  static absl::StatusOr<std::unique_ptr<Responder>> Start(std::vector<std::string> command);
  ~Responder();

  // Each waits for the response for at most `timeout`. After an error the responder is of no use.
  absl::StatusOr<std::string> Begin(std::string_view instructions, std::string_view acceptance,
                                    std::string_view observation, absl::Duration timeout);
  absl::StatusOr<std::string> Continue(std::string_view observation, absl::Duration timeout);

 private:
  Responder(ChildProcess process, int input, int output, std::string log_path, std::string name);
  absl::StatusOr<std::string> Ask(const std::string& request, absl::Duration timeout);
  absl::Status Write(std::string_view text, absl::Time deadline);
  absl::Status Ended(absl::Time deadline);

  ChildProcess process_;
  const int input_, output_;  // our ends of the pipes
  LineReader lines_;
  const std::string log_path_, name_;
};

}  // namespace sojourn::cli

#endif  // SOJOURN_CLI_RESPONDER_H_
