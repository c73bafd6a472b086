#include "actor/respond.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace sojourn::actor {
namespace {

TEST(Respond, AnswersEachLineAndRefusesWhatIsNoRequest) {
  std::istringstream in(
      "{\"observation\": \"too early\"}\n"
      "not json\n"
      "{\"instructions\": \"\", \"acceptance\": \"\", \"observation\": \"Goal: craft stick.\"}\n"
      "{\"observation\": \"Got 1 bamboo\"}\n");
  std::ostringstream out;
  const absl::Status status = Respond("models/base", in, out);
  ASSERT_TRUE(status.ok()) << status;
  std::istringstream lines(out.str());
  std::vector<nlohmann::json> replies;
  for (std::string line; std::getline(lines, line);) replies.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(replies.size(), 4);
  EXPECT_THAT(replies[0].at("error").get<std::string>(), ::testing::HasSubstr("no conversation"));
  EXPECT_TRUE(replies[1].contains("error"));
  EXPECT_THAT(replies[2].at("response").get<std::string>(), ::testing::HasSubstr("Action:"));
  EXPECT_TRUE(replies[3].contains("response"));
}

TEST(Respond, AMissingModelIsNamed) {
  std::istringstream in;
  std::ostringstream out;
  EXPECT_THAT(std::string(Respond("no/such/model", in, out).message()), ::testing::HasSubstr("no/such/model"));
}

}  // namespace
}  // namespace sojourn::actor
