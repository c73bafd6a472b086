#include "envs/textcraft/fresh_world.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace sojourn::envs::textcraft {
namespace {

const std::string& GoalRecipe(const World& world) {
  return world.book->recipes()[world.book->names()[world.goal].recipes[0]].text;
}

TEST(FreshWorldTest, TheGoalHasTheDepthAskedForAndOneWay) {
  for (int depth = 1; depth <= 4; ++depth) {
    for (int index = 0; index < 100; ++index) {
      const auto world = MakeFreshWorld(Split::kTrain, depth, index, 10);
      ASSERT_TRUE(world.ok()) << world.status();
      EXPECT_EQ(world->book->names()[world->goal].depth, depth);
      EXPECT_EQ(world->book->Tree(world->goal).size(), depth);
      EXPECT_EQ(world->listing.size(), depth + 10);
    }
  }
}

TEST(FreshWorldTest, DistractorsMakeOtherThingsAndManyShareAnIngredient) {
  int sharing = 0;
  for (int index = 0; index < 100; ++index) {
    const auto world = MakeFreshWorld(Split::kTrain, 1, index, 20);
    ASSERT_TRUE(world.ok()) << world.status();
    EXPECT_EQ(world->book->goals().size(), 21);  // every recipe makes something of its own
    const std::vector<int> tree = world->book->Tree(world->goal);
    for (const Ingredient& input : world->book->recipes()[tree[0]].inputs) {
      sharing += world->book->names()[input.name].uses.size() > 1;
    }
  }
  EXPECT_GT(sharing, 100);
}

TEST(FreshWorldTest, TasksDifferAndComeBackTheSame) {
  std::set<std::string> goals;
  for (int index = 0; index < 200; ++index) {
    const auto world = MakeFreshWorld(Split::kTrain, 2, index, 3);
    goals.insert(GoalRecipe(*world));
    const auto again = MakeFreshWorld(Split::kTrain, 2, index, 3);
    EXPECT_EQ(GoalRecipe(*again), GoalRecipe(*world));
    EXPECT_EQ(again->listing, world->listing);
  }
  EXPECT_GT(goals.size(), 190);
}

TEST(FreshWorldTest, NoGoalRecipeIsInBothSplits) {
  std::set<std::string> train;
  for (int index = 0; index < 5000; ++index) {
    train.insert(GoalRecipe(*MakeFreshWorld(Split::kTrain, 1, index, 0)));
  }
  EXPECT_LT(train.size(), 5000);  // some come again within a split: the rule is needed
  for (int index = 0; index < 5000; ++index) {
    EXPECT_FALSE(train.contains(GoalRecipe(*MakeFreshWorld(Split::kTest, 1, index, 0)))) << index;
  }
}

TEST(FreshWorld, CountsStayWithinWhatIsAskedFor) {
  for (int64_t index = 0; index < 200; ++index) {
    const auto world = MakeFreshWorld(Split::kTrain, 1, index, 2, /*most_of_a_kind=*/1);
    ASSERT_TRUE(world.ok()) << world.status();
    for (const Recipe& recipe : world->book->recipes()) {
      EXPECT_EQ(recipe.output_count, 1);
    }
  }
}

}  // namespace
}  // namespace sojourn::envs::textcraft
