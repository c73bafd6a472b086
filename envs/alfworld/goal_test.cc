#include "envs/alfworld/goal.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::alfworld {
namespace {

using ::testing::HasSubstr;

// Two desks (1, 2), two mugs (3, 4), a pen (5), their types (6, 7, 8).
class GoalTest : public ::testing::Test {
 protected:
  GoalTest() {
    for (const Entity desk : {1, 2})
      fixed_[static_cast<int>(Predicate::kReceptacleType)].Add(desk, 6);
    for (const Entity mug : {3, 4}) fixed_[static_cast<int>(Predicate::kObjectType)].Add(mug, 7);
    fixed_[static_cast<int>(Predicate::kObjectType)].Add(5, 8);
    fixed_[static_cast<int>(Predicate::kCleanable)].Add(3);
  }

  absl::StatusOr<Goal> Compile(std::string_view text) {
    const auto formula = ParseLisp(text);
    EXPECT_TRUE(formula.ok()) << formula.status();
    return Goal::Compile(
        *formula,
        [](std::string_view id) -> std::optional<Entity> {
          if (id == "desktype") return 6;
          if (id == "mugtype") return 7;
          if (id == "pentype") return 8;
          return std::nullopt;
        },
        {Type::kAgent, Type::kReceptacle, Type::kReceptacle, Type::kObject, Type::kObject,
         Type::kObject, Type::kReceptacleType, Type::kObjectType, Type::kObjectType},
        fixed_);
  }

  bool Holds(std::string_view text) {
    const auto goal = Compile(text);
    EXPECT_TRUE(goal.ok()) << goal.status();
    return goal->Holds(World(&fixed_, &state_));
  }

  std::string ErrorOf(std::string_view text) {
    return std::string(Compile(text).status().message());
  }

  std::array<Relation, kPredicates> fixed_;
  State state_;
};

constexpr std::string_view kTwo =
    "(and (exists (?r - receptacle) (exists (?o1 - object) (and (objectType ?o1 MugType) "
    "(receptacleType ?r "
    "DeskType) (inReceptacle ?o1 ?r) (exists (?o2 - object) (and (not (= ?o1 ?o2)) (objectType ?o2 "
    "MugType) "
    "(receptacleType ?r DeskType) (inReceptacle ?o2 ?r)))))))";

TEST_F(GoalTest, TwoOfAKindMustComeTogether) {
  EXPECT_FALSE(Holds(kTwo));
  state_.Make(Predicate::kInReceptacle, 3, 1);
  EXPECT_FALSE(Holds(kTwo));
  state_.Make(Predicate::kInReceptacle, 4, 2);
  EXPECT_FALSE(Holds(kTwo));
  state_.Make(Predicate::kInReceptacle, 5, 1);
  EXPECT_FALSE(Holds(kTwo));
  state_.Make(Predicate::kInReceptacle, 4, 1);
  EXPECT_TRUE(Holds(kTwo));
  EXPECT_EQ(Compile(kTwo)->aim()->kind, Kind::kTwo);
}

TEST_F(GoalTest, UnderstandsFormulas) {
  state_.Make(Predicate::kInReceptacle, 3, 1);
  EXPECT_TRUE(Holds("()"));
  EXPECT_TRUE(Holds("(exists (?o ?r) (inReceptacle ?o ?r))"));
  EXPECT_TRUE(Holds("(exists (?o - object) (and (cleanable ?o) (not (isClean ?o))))"));
  EXPECT_FALSE(Holds("(exists (?o - object) (isClean ?o))"));
  EXPECT_TRUE(Holds("(or (exists (?o - object) (isClean ?o)) (exists () (and)))"));
  EXPECT_FALSE(Holds("(exists (?o - object) (objectType ?o SpoonType))"));
  EXPECT_TRUE(
      Holds("(exists (?o - object) (exists (?o - receptacle) (receptacleType ?o DeskType)))"));
}

TEST_F(GoalTest, KnowsTheSixKinds) {
  const auto kind = [&](std::string_view text) {
    const auto goal = Compile(text);
    EXPECT_TRUE(goal.ok()) << goal.status();
    return goal->aim().has_value() ? static_cast<int>(goal->aim()->kind) : 0;
  };
  const auto put = [](std::string_view more) {
    return absl::StrCat(
        "(and (exists (?r - receptacle) (exists (?o - object) (and ", std::string(more),
        "(inReceptacle ?o ?r) (objectType ?o MugType) (receptacleType ?r DeskType)))))");
  };
  EXPECT_EQ(kind(put("")), 2);
  EXPECT_EQ(kind(put("(cleanable ?o) (isClean ?o)")), 3);
  EXPECT_EQ(kind(put("(heatable ?o) (isHot ?o)")), 4);
  EXPECT_EQ(kind(put("(coolable ?o) (isCool ?o)")), 5);
  EXPECT_TRUE(Compile(put("(isSliced ?o)"))->aim()->sliced);
  EXPECT_EQ(kind("(and (exists (?ot - object ?r - receptacle ?a - agent ?l - location) (and "
                 "(objectType ?ot "
                 "PenType) (toggleable ?ot) (isToggled ?ot) (receptacleAtLocation ?r ?l) "
                 "(atLocation ?a ?l) "
                 "(inReceptacle ?ot ?r))) (exists (?o - object ?a - agent) (and (objectType ?o "
                 "MugType) (holds "
                 "?a ?o))))"),
            1);
  EXPECT_EQ(kind("(exists (?o - object) (isClean ?o))"), 0);
  EXPECT_EQ(kind("(or (exists (?o - object) (isClean ?o)))"), 0);
}

TEST_F(GoalTest, RefusesWhatItCannotTest) {
  EXPECT_THAT(ErrorOf("(forall (?o - object) (isClean ?o))"), HasSubstr("not understood"));
  EXPECT_THAT(ErrorOf("(isClean ?o)"), HasSubstr("nothing is called ?o here"));
  EXPECT_THAT(ErrorOf("(exists (?o - thing) (isClean ?o))"), HasSubstr("no type \"thing\""));
  EXPECT_THAT(ErrorOf("(exists ?o (isClean ?o))"), HasSubstr("expected"));
  EXPECT_THAT(ErrorOf("(isClean (a))"), HasSubstr("expected a name"));
  EXPECT_THAT(ErrorOf("(and x)"), HasSubstr("in brackets"));
  std::string many = "(exists (";
  for (int i = 0; i < 24; ++i) absl::StrAppend(&many, "?v", i, " ");
  EXPECT_THAT(ErrorOf(many + "- object) (isClean ?v1))"), HasSubstr("too long to test"));
}

}  // namespace
}  // namespace sojourn::envs::alfworld
