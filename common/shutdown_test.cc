#include "common/shutdown.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

namespace sojourn {
namespace {

// Each in a child process: a request to stop is for the whole life of a process.
template <typename F>
int InChild(F f) {
  const pid_t child = fork();
  if (child == 0) _exit(f());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(Shutdown, ASignalEndsTheWaitForEveryWaiter) {
  EXPECT_EQ(InChild([] {
              InstallShutdown();
              if (ShutdownRequested()) return 1;
              if (WaitForShutdown(absl::Milliseconds(5))) return 2;
              bool seen = false;
              std::thread waiter([&] { seen = WaitForShutdown(absl::Seconds(30)); });
              kill(getpid(), SIGTERM);
              if (!WaitForShutdown(absl::Seconds(30))) return 3;
              waiter.join();
              return seen && ShutdownRequested() ? 0 : 4;
            }),
            0);
}

TEST(Shutdown, ASecondSignalKills) {
  EXPECT_EQ(InChild([] {
              InstallShutdown();
              raise(SIGINT);
              raise(SIGINT);
              return 0;
            }),
            128 + SIGINT);
}

TEST(Shutdown, AProgramMayAskItself) {
  EXPECT_EQ(InChild([] {
              RequestShutdown();
              return WaitForShutdown(absl::InfiniteDuration()) ? 0 : 1;
            }),
            0);
}

}  // namespace
}  // namespace sojourn
