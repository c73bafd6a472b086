#include "envs/alfworld/problem.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::alfworld {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kObjects =
    "(:objects\nAgent1 - agent\nMug Pen - object\nDesk - receptacle\nDeskType - rtype\n)\n";

std::string ErrorOf(std::string_view facts, std::string_view objects = kObjects,
                    std::string_view goal = "(:goal (and))") {
  return std::string(
      ParseProblem(absl::StrCat("(define (problem p) (:domain alfred)\n", std::string(objects),
                                "(:init ", std::string(facts), ")\n", std::string(goal), ")"))
          .status()
          .message());
}

TEST(Problem, IsReadAndWritten) {
  const auto problem =
      ParseProblem(absl::StrCat("(define (problem p)", std::string(kObjects),
                                "(:init (= (total-cost) 0) (inReceptacle MUG desk) (full desk) "
                                "(openable desk))\n(:goal (holds a b)))"));
  ASSERT_TRUE(problem.ok()) << problem.status();
  EXPECT_EQ(problem->things.size(), 5);
  EXPECT_EQ(problem->facts.size(), 2);
  EXPECT_TRUE(problem->things[1].is_used);
  EXPECT_FALSE(problem->things[2].is_used);
  EXPECT_EQ(problem->goal.ToString(), "(holds a b)");
  const std::string text = ProblemText(*problem, "again");
  const auto again = ParseProblem(text);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(ProblemText(*again, "again"), text);
}

TEST(Problem, NamesTheLineOfWhatIsWrong) {
  EXPECT_EQ(ErrorOf("(openable desk)"), "");
  EXPECT_THAT(ErrorOf("(openable dusk)"),
              AllOf(StartsWith("line 8: "), HasSubstr("no object dusk")));
  EXPECT_THAT(ErrorOf("\n(open desk)"),
              AllOf(StartsWith("line 9: "), HasSubstr("no predicate \"open\"")));
  EXPECT_THAT(ErrorOf("(openable desk desk)"), HasSubstr("openable takes 1 objects"));
  EXPECT_THAT(ErrorOf("(openable mug)"), HasSubstr("mug is of type object, not receptacle"));
  EXPECT_THAT(ErrorOf("openable"), HasSubstr("expected a fact"));
  EXPECT_THAT(ErrorOf("(not (openable desk))"), HasSubstr("no object (openable desk)"));
  EXPECT_THAT(ErrorOf("", "(:objects a - thing)"), HasSubstr("no type \"thing\""));
  EXPECT_THAT(ErrorOf("", "(:objects a -)"), HasSubstr("without a type"));
  EXPECT_THAT(ErrorOf("", "(:objects a - object A - object)"), HasSubstr("a is declared twice"));
  EXPECT_THAT(ErrorOf("", "(:objects {a} - object)"), HasSubstr("no name"));
  EXPECT_THAT(ErrorOf("", kObjects, ""), HasSubstr("no (:goal"));
  EXPECT_THAT(ErrorOf("", kObjects, "(:goal)"), HasSubstr("a part of a problem that is not known"));
  EXPECT_THAT(ErrorOf("", kObjects, "(:goal (a)) (:goal (b))"), HasSubstr("comes twice"));
  std::string many = "(:objects";
  for (int i = 0; i < 3000; ++i) absl::StrAppend(&many, " o", i);
  EXPECT_THAT(ErrorOf("", many + " - object)"), HasSubstr("more than"));
}

}  // namespace
}  // namespace sojourn::envs::alfworld
