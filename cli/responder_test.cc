#include "cli/responder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sojourn::cli {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(20);

std::unique_ptr<Responder> Shell(const std::string& script) {
  auto responder = Responder::Start({"/bin/sh", "-c", script});
  EXPECT_TRUE(responder.ok()) << responder.status();
  return *std::move(responder);
}

TEST(Responder, TalksInJsonLines) {
  // Answers with the request itself as the response.
  const auto echo = Shell(
      "while read -r line; do"
      "  printf '{\"response\": \"%s\"}\\n' \"$(printf '%s' \"$line\" | sed "
      "'s/[\\\\\"]/\\\\&/g')\";"
      " done");
  const auto first = echo->Begin("Play.", "OK.", "a \"door\"\n", kLong);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(*first, R"({"acceptance":"OK.","instructions":"Play.","observation":"a \"door\"\n"})");
  const auto second = echo->Continue("a key", kLong);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(*second, R"({"observation":"a key"})");
}

TEST(Responder, WaitsNoLongerThanTheTimeout) {
  const auto silent = Shell("read -r line; exec sleep 100");
  const auto response = silent->Continue("a key", absl::Milliseconds(100));
  EXPECT_TRUE(absl::IsDeadlineExceeded(response.status()));
  EXPECT_EQ(response.status().message(), "sh gave no response within 100ms");
}

TEST(Responder, ShowsWhatTheProcessSaidBeforeItDied) {
  const auto dying = Shell("echo 'no model there' >&2; exit 3");
  const auto response = dying->Continue("a key", kLong);
  EXPECT_TRUE(absl::IsUnavailable(response.status()));
  EXPECT_EQ(response.status().message(), "sh exited with status 3: no model there");
}

TEST(Responder, RefusesAnythingButAResponse) {
  EXPECT_THAT(std::string(Shell("echo hello; cat")->Continue("", kLong).status().message()),
              HasSubstr("something else than {\"response\": TEXT}: hello"));
  EXPECT_EQ(Shell("echo '{\"error\": \"too long\"}'; cat")->Continue("", kLong).status().message(),
            "sh: too long");
}

TEST(Responder, AMissingProgramIsNamed) {
  auto responder = Responder::Start({"/no/such/program"});
  ASSERT_TRUE(responder.ok());
  EXPECT_THAT(std::string((*responder)->Continue("", kLong).status().message()),
              HasSubstr("cannot start /no/such/program"));
}

}  // namespace
}  // namespace sojourn::cli
