#include "envs/python_text.h"

#include "gtest/gtest.h"

namespace sojourn::envs {
namespace {

TEST(PythonTextTest, UnicodeSpacesAreSpaces) {
  EXPECT_EQ(LeadingSpace(" \t\n\x1c\u00a0\u2028\u3000x "), 12);
  EXPECT_EQ(LeadingSpace("\u200b"), 0);  // a zero-width space is none
  EXPECT_EQ(LeadingSpace(""), 0);
}

TEST(PythonTextTest, StripTakesSpacesOffBothEnds) {
  EXPECT_EQ(StripSpace("\u2003 a b\u00a0\n"), "a b");
  EXPECT_EQ(StripSpace(" \u3000 "), "");
  EXPECT_EQ(StripSpace("h\u00e9"), "h\u00e9");
  EXPECT_EQ(StripSpace("a\xff"), "a\xff");
}

TEST(PythonTextTest, ReprQuotesAndEscapesAsPythonDoes) {
  EXPECT_EQ(PythonRepr("minecraft:stick_"), "'minecraft:stick_'");
  EXPECT_EQ(PythonRepr("a'b"), "\"a'b\"");
  EXPECT_EQ(PythonRepr("a'b\"c"), "'a\\'b\"c'");
  EXPECT_EQ(PythonRepr("\\ \t\x01\x7f"), "'\\\\ \\t\\x01\\x7f'");
  EXPECT_EQ(PythonRepr("\u00e9\u00a0\u200b\U000e0001"), "'\u00e9\\xa0\\u200b\\U000e0001'");
}

}  // namespace
}  // namespace sojourn::envs
