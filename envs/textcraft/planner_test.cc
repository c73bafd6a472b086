#include "envs/textcraft/planner.h"

#include <numeric>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::textcraft {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A game about `goal` that lists the whole table.
Game Play(std::string_view table, std::string_view goal) {
  const auto book = *RecipeBook::Parse(table);
  std::vector<int> listing(book->recipes().size());
  std::iota(listing.begin(), listing.end(), 0);
  Game game(book);
  game.Reset(book->Find(goal), listing);
  return game;
}

std::vector<std::string> Solve(Game& game) {
  std::vector<std::string> actions;
  for (bool done = false; !done && actions.size() < 50;) {
    const auto plan = FindPlan(game, game.book().names()[game.goal()].recipes);
    if (!plan) break;
    actions.push_back(FirstAction(game, *plan).action);
    const auto reply = game.Step(actions.back());
    EXPECT_FALSE(reply->refused) << reply->observation;
    EXPECT_TRUE(reply->done || plan->turns() > 1);
    done = reply->done;
  }
  return actions;
}

constexpr char kSign[] =
    "4 oak_planks (planks) = 1 #oak_logs\n"
    "4 birch_planks (planks) = 1 birch_log\n"
    "4 stick = 2 #planks\n"
    "3 oak_sign = 6 oak_planks, 1 stick\n";

TEST(PlannerTest, TakesExactCountsAndSharesWhatIsLeftOver) {
  Game game = Play(kSign, "oak_sign");
  EXPECT_THAT(Solve(game),
              ElementsAre("get 2 oak logs", "craft 4 oak planks using 1 oak logs",
                          "craft 4 oak planks using 1 oak logs", "craft 4 stick using 2 oak planks",
                          "craft 3 oak sign using 6 oak planks, 1 stick"));
}

TEST(PlannerTest, UsesWhatIsHeld) {
  Game game = Play(kSign, "oak_sign");
  for (const char* const action :
       {"get 1 birch log", "craft 4 birch planks using 1 birch log", "get 5 oak logs"}) {
    ASSERT_FALSE(game.Step(action)->refused);
  }
  EXPECT_EQ(FindPlan(game, game.book().names()[game.goal()].recipes)->turns(), 4);
  EXPECT_THAT(Solve(game),
              ElementsAre("craft 4 oak planks using 1 oak logs",
                          "craft 4 oak planks using 1 oak logs", "craft 4 stick using 2 oak planks",
                          "craft 3 oak sign using 6 oak planks, 1 stick"));
}

TEST(PlannerTest, ThoughtsNameTheRecipeAndTheItem) {
  Game game = Play("4 stick = 2 bamboo\n", "stick");
  const auto next = [&] {
    return FirstAction(game, *FindPlan(game, game.book().names()[game.goal()].recipes));
  };
  EXPECT_EQ(next().thought, "for stick using 2 bamboo");
  EXPECT_EQ(next().action, "get 2 bamboo");
  ASSERT_FALSE(game.Step(next().action)->refused);
  EXPECT_EQ(next().thought, "make stick");
  EXPECT_EQ(next().action, "craft 4 stick using 2 bamboo");
}

TEST(PlannerTest, TakesTheShorterOfTwoRecipes) {
  Game game = Play("1 dye = 1 paste, 1 oil\n1 paste = 1 rose\n1 dye = 1 ink\n", "dye");
  EXPECT_THAT(Solve(game), ElementsAre("get 1 ink", "craft 1 dye using 1 ink"));
}

TEST(PlannerTest, UnlistedRecipesAreNotUsed) {
  Game game = Play(kSign, "oak_sign");
  game.Reset(game.goal(), {3, 2});
  EXPECT_THAT(Solve(game), IsEmpty());
}

}  // namespace
}  // namespace sojourn::envs::textcraft
