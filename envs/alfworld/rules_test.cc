#include "envs/alfworld/rules.h"

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::alfworld {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string With(std::string_view what, std::string_view other) {
  std::string text(DomainText());
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), other);
}

std::string ErrorOf(std::string_view text) {
  return std::string(ReadDomain(text).status().message());
}

TEST(Rules, AreThoseOfOurDomain) {
  const auto rules = ReadDomain(DomainText());
  ASSERT_TRUE(rules.ok()) << rules.status();
  EXPECT_TRUE(rules->has_help);
  EXPECT_FALSE(rules->cleans_in_sinks);
}

TEST(Rules, MayBeSaidInOtherWays) {
  for (const std::string& text : {
           With("(and (receptacleAtLocation ?r ?l) (atLocation ?a ?l))",
                "(and (and (atLocation ?a ?l)) (or (receptacleAtLocation ?r ?l))) ; so\n"),
           With("(opened ?r) (increase (total-cost) 1)", "(checked ?r) (opened ?r)"),
           // A type that nothing is of, by a slip of the original's.
           With(":precondition (holds ?a ?o)",
                ":precondition (or (exists (?l - location, ?r - receptacle) (inReceptacle ?o ?r)) "
                "(holds ?a ?o))"),
       }) {
    EXPECT_TRUE(ReadDomain(text).ok()) << ReadDomain(text).status();
  }
}

TEST(Rules, OfOtherVersionsOfTheOriginalAreKnown) {
  const std::string text = With(
      "(:action help :parameters (?a - agent)\n    :precondition ()\n    "
      ":effect (checked ?a))",
      "");
  ASSERT_TRUE(ReadDomain(text).ok()) << ReadDomain(text).status();
  EXPECT_FALSE(ReadDomain(text)->has_help);
  const auto sinks =
      ReadDomain(With("(receptacleType ?r SinkBasinType)",
                      "(or (receptacleType ?r SinkBasinType) (receptacleType ?r SinkType))"));
  ASSERT_TRUE(sinks.ok()) << sinks.status();
  EXPECT_TRUE(sinks->cleans_in_sinks);
}

TEST(Rules, ThatDifferAreRefusedByName) {
  EXPECT_THAT(ErrorOf(With("(not (opened ?r))", "(opened ?r)")),
              AllOf(HasSubstr("line "), HasSubstr("action openobject has other rules")));
  EXPECT_THAT(ErrorOf(With("(isHot ?o) (not (isCool ?o))", "(isHot ?o)")), HasSubstr("heatobject"));
  EXPECT_THAT(ErrorOf(With("?lStart - location ?lEnd", "?lEnd - location ?lStart")),
              HasSubstr("gotolocation"));
  EXPECT_THAT(
      ErrorOf(With(":precondition (holds ?a ?o)",
                   ":precondition (or (holds ?a ?o) (exists (?r - receptacle) (inReceptacle "
                   "?o ?r)))")),
      HasSubstr("examineobject"));
  EXPECT_THAT(ErrorOf(With("(:action look", "(:action lok")),
              AllOf(HasSubstr("action lok is not known"), HasSubstr("did you mean \"look\"?")));
  EXPECT_THAT(ErrorOf(With("(:action inventory", "(:action look")), HasSubstr("look comes twice"));
  EXPECT_THAT(ErrorOf(With("agent location", "agent place")), HasSubstr("the types differ"));
  EXPECT_THAT(ErrorOf(With("(:functions (total-cost) - number)", "(:derived (x) (y))")),
              HasSubstr("a part of a domain that is not known"));
  EXPECT_THAT(ErrorOf("(define)"), HasSubstr("there is no action"));
  EXPECT_THAT(ErrorOf("(problem)"), HasSubstr("expected (define"));
}

}  // namespace
}  // namespace sojourn::envs::alfworld
