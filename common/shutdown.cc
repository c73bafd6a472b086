#include "common/shutdown.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/time/clock.h"

namespace sojourn {
namespace {

// The pipe is never read: once written, its end stays readable for every waiter.
int pipe_fds[2] = {-1, -1};

void OnSignal(int) {
  const int saved = errno;
  [[maybe_unused]] const ssize_t written = write(pipe_fds[1], "x", 1);
  errno = saved;
}

void OpenPipe() {
  [[maybe_unused]] static const int opened = pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK);
}

}  // namespace

void InstallShutdown() {
  OpenPipe();
  struct sigaction action {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

bool WaitForShutdown(absl::Duration timeout) {
  OpenPipe();
  const absl::Time deadline = absl::Now() + timeout;
  for (;;) {
    const absl::Duration left =
        std::clamp(deadline - absl::Now(), absl::ZeroDuration(), absl::Hours(1));
    pollfd waiting{pipe_fds[0], POLLIN, 0};
    const int ready =
        poll(&waiting, 1,
             static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1)))));
    if (ready > 0) return true;
    if (absl::Now() >= deadline) return false;
  }
}

void RequestShutdown() {
  OpenPipe();
  OnSignal(0);
}

}  // namespace sojourn
