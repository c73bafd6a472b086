// A server that is started when it is first needed, and again when it has died.
#ifndef SOJOURN_ENVS_REMOTE_SERVER_PROCESS_H_
#define SOJOURN_ENVS_REMOTE_SERVER_PROCESS_H_

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "envs/remote/web_client.h"

namespace sojourn::envs::remote {

// Thread-safe. The command runs in a process group with a watcher, which ends the group when this
// process has ended, however that came.
class ServerProcess {
 public:
  // A command of /bin/sh in which {port} stands for the port to serve on, of 127.0.0.1.
  // InvalidArgument when there is none.
  static absl::StatusOr<std::unique_ptr<ServerProcess>> Create(const std::string& command);
  ~ServerProcess();  // ends it with all its children: SIGTERM, and SIGKILL after two seconds

  // Where it serves, once it takes connections. Unavailable: it died; DeadlineExceeded: not yet;
  // Cancelled: `cancelled` was set.
  absl::StatusOr<Url> Ensure(absl::Time deadline, const std::atomic<bool>& cancelled);

 private:
  explicit ServerProcess(std::string command) : command_(std::move(command)) {}
  absl::Status Start();
  bool Running(std::string* how);
  void EndWatcher();
  void End();

  const std::string command_;
  std::mutex mutex_;
  pid_t pid_ = -1, watcher_ = -1;  // the watcher's is the group's
  int lifeline_ = -1;              // a pipe to the watcher, which ends with this process
  int port_ = 0;
  bool ready_ = false;
};

}  // namespace sojourn::envs::remote

#endif  // SOJOURN_ENVS_REMOTE_SERVER_PROCESS_H_
