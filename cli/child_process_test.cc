#include "cli/child_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "absl/time/clock.h"
#include "common/files.h"

namespace sojourn::cli {
namespace {

using ::testing::HasSubstr;

ChildProcess::Options Shell(const std::string& script) {
  const std::string log = ::testing::TempDir() + "/child_process_test.log";
  std::remove(log.c_str());
  return {.command = {"/bin/sh", "-c", script}, .environment = {{"GREETING", "hello"}}, .log_path = log};
}

TEST(ChildProcess, KeepsItsOutputAndSaysHowItEnded) {
  const auto options = Shell("echo $GREETING; exit 3");
  auto child = ChildProcess::Start(options);
  ASSERT_TRUE(child.ok()) << child.status();
  const auto end = child->WaitOrKill(absl::Now() + absl::Seconds(20));
  EXPECT_FALSE(end.clean);
  EXPECT_EQ(end.how, "exited with status 3");
  EXPECT_EQ(*ReadFile(options.log_path), "hello\n");
  EXPECT_EQ(LastLines(options.log_path, 1), "hello");
}

TEST(ChildProcess, IsKilledWhenItOutlastsTheDeadline) {
  const auto options = Shell("trap '' TERM; echo ready; while :; do sleep 0.05; done");
  auto child = ChildProcess::Start(options);
  ASSERT_TRUE(child.ok());
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (*ReadFile(options.log_path) != "ready\n" && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
  child->Terminate();
  EXPECT_THAT(child->WaitOrKill(absl::Now() + absl::Milliseconds(100)).how, HasSubstr("signal 9"));
}

TEST(ChildProcess, DoesNotOutliveItsObject) {
  pid_t pid = -1;
  {
    auto child = ChildProcess::Start(Shell("exec sleep 100"));
    ASSERT_TRUE(child.ok());
    pid = child->pid();
    EXPECT_EQ(kill(pid, 0), 0);
  }
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST(ChildProcess, AMissingProgramEndsWithItsName) {
  auto options = Shell("");
  options.command = {"/no/such/program"};
  auto child = ChildProcess::Start(options);
  ASSERT_TRUE(child.ok());
  EXPECT_FALSE(child->WaitOrKill(absl::Now() + absl::Seconds(20)).clean);
  EXPECT_THAT(*ReadFile(options.log_path), HasSubstr("/no/such/program"));
}

}  // namespace
}  // namespace sojourn::cli
