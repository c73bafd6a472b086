#include "common/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sojourn {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

TEST(Logging, LinesHaveTimeProcessLevelAndMessage) {
  ::testing::internal::CaptureStderr();
  ASSERT_TRUE(InitLogging("actor-0", "info").ok());
  spdlog::debug("not shown");
  spdlog::info("took {} s", 3);
  spdlog::warn("slow");
  EXPECT_THAT(
      ::testing::internal::GetCapturedStderr(),
      MatchesRegex("[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+\\.[0-9]+Z actor-0 I took 3 s\n"
                   "[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+\\.[0-9]+Z actor-0 W slow\n"));
}

TEST(Logging, AnUnknownLevelIsRefusedWithASuggestion) {
  EXPECT_THAT(std::string(InitLogging("x", "warnings").message()),
              HasSubstr("did you mean \"warning\"?"));
}

}  // namespace
}  // namespace sojourn
