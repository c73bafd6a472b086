#include "envs/textcraft/valid_actions.h"

#include <numeric>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::textcraft {
namespace {

using ::testing::ElementsAre;

class ValidActionsTest : public ::testing::Test {
 protected:
  ValidActionsTest()
      : game_(*RecipeBook::Parse("4 oak_planks (planks) = 1 #oak_logs\n"
                                 "4 birch_planks (planks) = 1 birch_log\n"
                                 "1 loom = 2 #planks, 2 string\n"
                                 "1 bow = 2 string\n")) {
    game_.Reset(game_.book().Find("loom"), {2, 0, 1, 3});
  }
  Game game_;
};

TEST_F(ValidActionsTest, WithNothingInHandIngredientsCanBeTaken) {
  EXPECT_THAT(ValidActions(game_),
              ElementsAre("get 2 string", "get 1 oak logs", "get 1 birch log", "inventory"));
}

TEST_F(ValidActionsTest, RecipesWithEnoughInHandCanBeMadeFromEveryItemOfATag) {
  for (const char* const action :
       {"get 2 string", "get 1 oak logs", "get 1 birch log", "craft 4 oak planks using 1 oak logs",
        "craft 4 birch planks using 1 birch log"}) {
    ASSERT_THAT(ValidActions(game_), ::testing::Contains(action));
    ASSERT_FALSE(game_.Step(action)->refused);
  }
  EXPECT_THAT(ValidActions(game_), ElementsAre("get 2 string", "get 1 oak logs", "get 1 birch log",
                                               "craft 1 loom using 2 oak planks, 2 string",
                                               "craft 1 loom using 2 birch planks, 2 string",
                                               "craft 1 bow using 2 string", "inventory"));
}

}  // namespace
}  // namespace sojourn::envs::textcraft
