#include "cli/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sojourn::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Progress, TellsWhereAJobStands) {
  v1::JobStatus status;
  status.set_state(v1::RUNNING);
  auto* p = status.mutable_progress();
  p->set_arm("sequential");
  p->set_arms(3);
  p->set_stage(1);
  p->set_stages(2);
  p->set_phase("training");
  p->set_update(34);
  p->set_planned_updates(60);
  p->set_work_done(0.5);
  p->set_episodes_per_second(112);
  p->set_tokens_per_second(9800);
  p->set_seconds_left(130);
  auto* success = p->add_success();
  success->set_environment("textcraft");
  success->set_difficulty(1);
  success->set_success(0.46);
  const std::string line = ProgressLine(status, 10);
  for (const char* part : {"sequential (arm 1/3)", "stage 2/2", "[#####.....]", "50%", "update 34/60", "textcraft/1 46%",
                           "112 episodes/s", "9.8k tokens/s", "2m10s left"}) {
    EXPECT_THAT(line, HasSubstr(part));
  }
  EXPECT_THAT(line, Not(HasSubstr("waiting")));
  EXPECT_THAT(line, Not(HasSubstr("failed")));
  success->set_episodes(16);
  success->set_failed_episodes(12);
  EXPECT_THAT(ProgressLine(status, 10), HasSubstr("textcraft/1 46% (12 of 16 episodes failed)"));
  p->set_waiting_for("an actor to join");
  EXPECT_THAT(ProgressLine(status, 0), HasSubstr("waiting for an actor to join"));
}

TEST(Progress, FormatsTimesAndCounts) {
  EXPECT_EQ(FormatSeconds(45), "45s");
  EXPECT_EQ(FormatSeconds(130), "2m10s");
  EXPECT_EQ(FormatSeconds(3900), "1h05m");
  EXPECT_EQ(FormatCount(950), "950");
  EXPECT_EQ(FormatCount(9800), "9.8k");
  EXPECT_EQ(FormatCount(1.2e6), "1.2M");
}

TEST(Progress, WritesPlainLinesWhenNotOnATerminal) {
  FILE* file = std::tmpfile();
  ProgressPrinter printer(file);
  v1::JobStatus status;
  status.set_state(v1::RUNNING);
  status.mutable_progress()->set_phase("training");
  printer.Show(status);
  printer.Show(status);   // nothing new within ten seconds
  printer.Finish();
  std::rewind(file);
  char text[256] = {};
  const size_t size = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  EXPECT_EQ(std::count(text, text + size, '\n'), 1);
  EXPECT_EQ(std::count(text, text + size, '\033'), 0);
}

}  // namespace
}  // namespace sojourn::cli
