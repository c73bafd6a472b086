#include "envs/alfworld/lisp.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::alfworld {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string ErrorOf(std::string_view text) {
  return std::string(ParseLisp(text).status().message());
}

TEST(Lisp, ReadsListsInLowerCaseWithoutComments) {
  const auto list = ParseLisp(" ; first\n(Define (Domain x) ; (not this)\n ())\n");
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->ToString(), "(define (domain x) ())");
  EXPECT_TRUE(list->Is("define"));
  EXPECT_FALSE(list->items[1].Is("define"));
  EXPECT_FALSE(list->items[2].Is("define"));
  EXPECT_EQ(list->line, 2);
  EXPECT_EQ(list->items[2].line, 3);
}

TEST(Lisp, NamesTheLineOfWhatIsWrong) {
  EXPECT_THAT(ErrorOf(""), StartsWith("line 1: expected"));
  EXPECT_THAT(ErrorOf("\n(a\n(b)"), StartsWith("line 2: the list that begins here has no end"));
  EXPECT_THAT(ErrorOf("(a)\n)"), StartsWith("line 2: something follows"));
  EXPECT_THAT(ErrorOf("(a ;"), HasSubstr("no end"));
  EXPECT_THAT(ErrorOf("(\x01)"), HasSubstr("no character of PDDL"));
  EXPECT_THAT(ErrorOf("(" + std::string(300, 'x') + ")"), HasSubstr("too long"));
  EXPECT_THAT(ErrorOf(std::string(100000, '(')), HasSubstr("too deep"));
  EXPECT_THAT(ErrorOf(std::string(5 << 20, ' ')), HasSubstr("at most"));
}

}  // namespace
}  // namespace sojourn::envs::alfworld
