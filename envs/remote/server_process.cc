#include "envs/remote/server_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "common/logging.h"

namespace sojourn::envs::remote {
namespace {

constexpr absl::Duration kTermination = absl::Seconds(2);
constexpr char kWatch[] = "read -r _; kill -TERM 0; sleep 2; kill -KILL 0";

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

// A port that was free just now.
absl::StatusOr<int> FreePort() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return absl::ErrnoToStatus(errno, "making a socket");
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  const bool ok = bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                  getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  const absl::Status status = ok ? absl::OkStatus() : absl::ErrnoToStatus(errno, "finding a port");
  close(socket);
  if (!status.ok()) return status;
  return ntohs(address.sin_port);
}

bool TakesConnections(int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return false;
  const sockaddr_in address = Loopback(port);
  const bool connected =
      connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(socket);
  return connected;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ServerProcess>> ServerProcess::Create(const std::string& command) {
  if (command.find("{port}") == command.npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", command, "\": expected {port} where the port to serve on belongs"));
  }
  return std::unique_ptr<ServerProcess>(new ServerProcess(command));
}

ServerProcess::~ServerProcess() { End(); }

absl::Status ServerProcess::Start() {
  const absl::StatusOr<int> port = FreePort();
  if (!port.ok()) return port.status();
  port_ = *port;
  ready_ = false;
  const std::string line = absl::StrReplaceAll(command_, {{"{port}", absl::StrCat(port_)}});
  int lifeline[2];
  if (pipe2(lifeline, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "making a pipe");
  // Not PR_SET_PDEATHSIG: that looks at the thread that forks, and reaches no grandchildren.
  const auto start = [&](pid_t group, const char* command) {
    const pid_t pid = fork();
    if (pid != 0) return pid;
    // Nothing that allocates between fork and exec.
    setpgid(0, group);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    const bool watcher = group == 0;
    signal(SIGPIPE, SIG_DFL);
    signal(SIGTERM, watcher ? SIG_IGN : SIG_DFL);  // the watcher is of the group that it ends
    dup2(watcher ? lifeline[0] : open("/dev/null", O_RDWR), 0);
    dup2(2, 1);  // its output goes where the logs go
    close_range(3, ~0U, 0);
    execl("/bin/sh", "sh", "-c", command, static_cast<char*>(nullptr));
    _exit(127);
  };
  watcher_ = start(0, kWatch);
  if (watcher_ > 0) {
    setpgid(watcher_, watcher_);  // whoever comes first
    pid_ = start(watcher_, line.c_str());
  }
  const int error = errno;
  close(lifeline[0]);
  lifeline_ = lifeline[1];
  if (watcher_ < 0 || pid_ < 0) {
    EndWatcher();
    return absl::ErrnoToStatus(error, "starting the command");
  }
  setpgid(pid_, watcher_);
  spdlog::info("started \"{}\" as process {}", line, pid_);
  return absl::OkStatus();
}

bool ServerProcess::Running(std::string* how) {
  if (pid_ <= 0) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return true;
  *how = WIFEXITED(status) ? absl::StrCat("exited with status ", WEXITSTATUS(status))
                           : absl::StrCat("was killed by signal ", WTERMSIG(status));
  pid_ = -1;
  EndWatcher();
  return false;
}

// With what the command left behind.
void ServerProcess::EndWatcher() {
  if (watcher_ > 0) {
    kill(-watcher_, SIGKILL);
    waitpid(watcher_, nullptr, 0);
  }
  watcher_ = -1;
  if (lifeline_ >= 0) close(lifeline_);
  lifeline_ = -1;
}

absl::StatusOr<Url> ServerProcess::Ensure(absl::Time deadline, const std::atomic<bool>& cancelled) {
  std::lock_guard lock(mutex_);
  std::string how;
  if (!Running(&how)) {
    if (!how.empty()) spdlog::warn("the command of a remote environment {}", how);
    const absl::Status started = Start();
    if (!started.ok()) return started;
  }
  while (!ready_) {
    if (!Running(&how)) {
      return absl::UnavailableError(absl::StrCat("the command ", how, " before it served"));
    }
    if (TakesConnections(port_)) {
      ready_ = true;
      break;
    }
    if (cancelled) return absl::CancelledError("broken off");
    if (absl::Now() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat("the command does not serve on port ", port_, " yet"));
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
  return Url{.host = "127.0.0.1", .port = port_};
}

void ServerProcess::End() {
  if (pid_ <= 0) return;
  kill(-watcher_, SIGTERM);
  std::string how;
  for (const absl::Time end = absl::Now() + kTermination; absl::Now() < end;) {
    if (!Running(&how)) return;
    absl::SleepFor(absl::Milliseconds(10));
  }
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
  EndWatcher();
}

}  // namespace sojourn::envs::remote
