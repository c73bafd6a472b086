#include "envs/environment.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(RegistryTest, NamesAreSortedAndEachCanBeMade) {
  const std::vector<std::string> names = Names();
  EXPECT_THAT(names, ElementsAre("alfworld", "babyai", "searchqa", "textcraft", "webshop"));
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  for (const std::string& name : names) {
    const auto spec = FindSpec(name);
    ASSERT_TRUE(spec.ok()) << spec.status();
    EXPECT_EQ((*spec)->name, name);
    const auto environment = Make(name);
    ASSERT_TRUE(environment.ok()) << environment.status();
    EXPECT_EQ(&(*environment)->spec(), *spec);
  }
}

TEST(RegistryTest, EveryEnvironmentKeepsTheContract) {
  for (const std::string& name : Names()) {
    const auto environment = Make(name);
    ASSERT_TRUE(environment.ok()) << environment.status();
    const auto instance = (*environment)->NewInstance();
    EXPECT_EQ(instance->Step("inventory").status().code(), absl::StatusCode::kFailedPrecondition);
    for (const DifficultySpec& difficulty : (*environment)->spec().difficulties) {
      for (const Split split : {Split::kTrain, Split::kTest}) {
        const auto count = (*environment)->TaskCount(split, difficulty.difficulty);
        ASSERT_TRUE(count.ok()) << name << ": " << count.status();
        EXPECT_GT(*count, 0);
        const TaskId last{split, difficulty.difficulty, *count - 1};
        const auto first = instance->Reset(last);
        ASSERT_TRUE(first.ok()) << name << " " << difficulty.name << ": " << first.status();
        EXPECT_FALSE(instance->ValidActions().empty());
        EXPECT_EQ((*environment)->NewInstance()->Reset(last)->observation, first->observation);
        EXPECT_FALSE(instance->Reset({split, difficulty.difficulty, *count}).ok());
        EXPECT_FALSE(instance->Reset({split, difficulty.difficulty, -1}).ok());
      }
    }
    EXPECT_EQ((*environment)->TaskCount(Split::kTrain, -7).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(RegistryTest, AnUnknownEnvironmentIsNamedWithTheNearestKnown) {
  for (const absl::Status& status : {FindSpec("textcarft").status(), Make("textcarft").status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("alfworld, babyai, searchqa, textcraft, webshop, remote"), HasSubstr("did you mean \"textcraft\"?")));
  }
  EXPECT_THAT(std::string(FindSpec("chess").status().message()), Not(HasSubstr("did you mean")));
}

TEST(RegistryTest, UnknownOptionsAndImpossibleValuesAreRefused) {
  const absl::Status option = Make("textcraft", {{"recipe", "real"}}).status();
  EXPECT_EQ(option.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(option.message()),
              AllOf(HasSubstr("recipes, distractors"), HasSubstr("did you mean \"recipes\"?")));
  const absl::Status value = Make("textcraft", {{"distractors", "21"}}).status();
  EXPECT_EQ(value.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(value.message()), AllOf(HasSubstr("textcraft: "), HasSubstr("0 to 20")));
}

}  // namespace
}  // namespace sojourn::envs
