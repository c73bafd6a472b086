#include "envs/serve/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sojourn::envs::serve {
namespace {

using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

const std::vector<Parameter> kStep = {{Parameter::kInteger, "id"}, {Parameter::kText, "action"}};

// What `text` becomes as the whole number `id`; "" when it is refused.
std::string Integer(const std::string& text) {
  const auto arguments = ParseBody("{\"id\":" + text + "}", {{Parameter::kInteger, "id"}});
  return arguments.ok() ? arguments->at("id") : "";
}

TEST(Arguments, TakesWholeNumbersAsPydanticDoes) {
  EXPECT_EQ(Integer("3"), "3");
  EXPECT_EQ(Integer("-40"), "-40");
  EXPECT_EQ(Integer("3.0"), "3");
  EXPECT_EQ(Integer("true"), "1");
  EXPECT_EQ(Integer("\"3\""), "3");
  EXPECT_EQ(Integer("\" +007 \""), "7");
  EXPECT_EQ(Integer("\"3.00\""), "3");
  EXPECT_EQ(Integer("\"1_000\""), "1000");
  EXPECT_EQ(Integer("\"-0\""), "0");
  EXPECT_EQ(Integer("1000000000000000000000000000001"), "1000000000000000000000000000001");
  for (const char* refused :
       {"3.5", "\"3.5\"", "\"x\"", "\"\"", "\"_1\"", "\"1__0\"", "null", "[3]", "{}"}) {
    EXPECT_EQ(Integer(refused), "") << refused;
  }
}

TEST(Arguments, NamesWhatIsMissingOrWrong) {
  EXPECT_THAT(std::string(ParseBody("{\"id\":0}", kStep).status().message()),
              HasSubstr("action is missing"));
  EXPECT_THAT(std::string(ParseBody("{\"id\":0,\"action\":5}", kStep).status().message()),
              HasSubstr("action is not a text"));
  for (const char* body : {"", "[]", "{bad json", "null", "3"}) {
    EXPECT_FALSE(ParseBody(body, kStep).ok()) << body;
  }
}

TEST(Arguments, IgnoresMembersThatNoParameterNames) {
  const auto arguments = ParseBody(
      "{\"id\":\"0\",\"x\":{\"id\":9},\"action\":\"h\\u00e9llo\",\"y\":[[1]],\"id\":2}", kStep);
  ASSERT_TRUE(arguments.ok());
  EXPECT_THAT(*arguments, UnorderedElementsAre(Pair("id", "2"), Pair("action", "h\u00e9llo")));
}

TEST(Arguments, TellsMissingFromNull) {
  const std::vector<Parameter> parameters = {{Parameter::kInteger, "data_idx", true, "0"}};
  EXPECT_EQ(ParseBody("{}", parameters)->at("data_idx"), "0");
  EXPECT_TRUE(ParseBody("{\"data_idx\":null}", parameters)->empty());
}

TEST(Arguments, ReadsQueries) {
  const std::vector<Parameter> id = {{Parameter::kInteger, "id"}};
  EXPECT_EQ(ParseQuery("id=0", id)->at("id"), "0");
  EXPECT_EQ(ParseQuery("x=1&id=%31+", id)->at("id"), "1");
  EXPECT_FALSE(ParseQuery("", id).ok());
  EXPECT_FALSE(ParseQuery("id=abc", id).ok());
  EXPECT_FALSE(ParseQuery("id", id).ok());
}

TEST(Division, RoundsDownAsPythonDoes) {
  const auto expect = [](std::string_view number, std::string_view quotient, int remainder) {
    const Division division = Divide(number, 40);
    EXPECT_EQ(division.quotient, quotient) << number;
    EXPECT_EQ(division.remainder, remainder) << number;
  };
  expect("0", "0", 0);
  expect("39", "0", 39);
  expect("1800", "45", 0);
  expect("-1", "-1", 39);
  expect("-40", "-1", 0);
  expect("-41", "-2", 39);
  expect("-3999", "-100", 1);
  expect("1000000000000000000000000000007", "25000000000000000000000000000", 7);
}

TEST(Division, ValuesHave128Bits) {
  EXPECT_EQ(ToUint128("18446744073709551616"), absl::MakeUint128(1, 0));
  EXPECT_EQ(ToUint128("340282366920938463463374607431768211455"), absl::Uint128Max());
  EXPECT_EQ(ToUint128("340282366920938463463374607431768211456"), std::nullopt);
  EXPECT_EQ(ToUint128("-1"), std::nullopt);
}

}  // namespace
}  // namespace sojourn::envs::serve
