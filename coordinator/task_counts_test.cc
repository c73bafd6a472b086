#include "coordinator/task_counts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sojourn::coordinator {
namespace {

TEST(TaskCounts, EveryDifficultyOfEveryEnvironmentIsCounted) {
  v1::JobConfig config;
  config.add_environments()->set_name("crafting");
  config.mutable_environments(0)->set_type("textcraft");
  const auto counts = CountTasks(config);
  ASSERT_TRUE(counts.ok()) << counts.status();
  ASSERT_GT(counts->counts_size(), 1);
  for (const TaskCounts::Count& count : counts->counts()) {
    EXPECT_EQ(count.environment(), "crafting");
    EXPECT_GE(count.train(), 0);
    EXPECT_GE(count.test(), 0);
  }
  EXPECT_GT(counts->counts(0).train(), 0);
  EXPECT_GT(counts->counts(0).test(), 0);
}

TEST(TaskCounts, AnEnvironmentThatCannotBeMadeIsNamed) {
  v1::JobConfig config;
  config.add_environments()->set_type("textcraf");
  const auto counts = CountTasks(config);
  EXPECT_EQ(counts.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(counts.status().ToString(), ::testing::HasSubstr("environments[0]: "));
}

}  // namespace
}  // namespace sojourn::coordinator
