// A process that this one starts, watches and ends.
#ifndef SOJOURN_CLI_CHILD_PROCESS_H_
#define SOJOURN_CLI_CHILD_PROCESS_H_

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sojourn::cli {

class ChildProcess {
 public:
  struct Options {
    std::vector<std::string> command;             // the first is the program's path
    std::map<std::string, std::string> environment;   // added to this process's
    std::string log_path;                         // standard output and error are appended here
    int input = -1;    // the child's standard input; -1: /dev/null
    int output = -1;   // its standard output instead of the log
  };
  // The child gets SIGTERM when this process dies, and a process group of its own, so that Ctrl-C in a
  // terminal reaches only the parent, which ends its children in order.
  static absl::StatusOr<ChildProcess> Start(const Options& options);

  ChildProcess(ChildProcess&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess();                                // kills it if it still runs

  pid_t pid() const { return pid_; }

  // How it ended ("exited with status 1", "was killed by signal 9 (Killed)"), if it has.
  struct End {
    bool clean = false;                           // exit status 0
    std::string how;
  };
  std::optional<End> Poll();

  void Terminate() const;                         // SIGTERM
  // Waits for its end; kills it when the deadline passes.
  End WaitOrKill(absl::Time deadline);

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  pid_t pid_ = -1;
};

// The path of a program installed beside this one ("sojourn-actor").
absl::StatusOr<std::string> SiblingProgram(const std::string& name);

// The last lines of a file, for messages about a child that died.
std::string LastLines(const std::string& path, int lines);

}  // namespace sojourn::cli

#endif  // SOJOURN_CLI_CHILD_PROCESS_H_
