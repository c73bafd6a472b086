#include "envs/textcraft/game.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::textcraft {
namespace {

using ::testing::HasSubstr;

class GameTest : public ::testing::Test {
 protected:
  GameTest() : game_(*RecipeBook::Minecraft()) { Start("oak_sign"); }

  void Start(std::string_view goal) { game_.Reset(game_.book().Find(goal), {}); }

  std::string Say(std::string_view action) {
    const auto reply = game_.Step(action);
    return reply.ok() ? reply->observation : absl::StrCat("error: ", reply.status().message());
  }

  Game game_;
};

TEST_F(GameTest, ResetShowsTheCommandsAndTheGoal) {
  const RecipeBook& book = game_.book();
  EXPECT_EQ(game_.Reset(book.Find("oak_sign"), {book.names()[book.Find("oak_sign")].recipes[0],
                                                book.names()[book.Find("oak_planks")].recipes[0]}),
            "Crafting commands:\ncraft 3 oak sign using 6 oak planks, 1 stick\n"
            "craft 4 oak planks using 1 oak logs\n\nGoal: craft oak sign.");
}

TEST_F(GameTest, MakingTheGoalIsRewardedEveryTime) {
  Say("get 2 oak logs");
  Start("oak_planks");
  Say("get 2 oak logs");
  for (int i = 0; i < 2; ++i) {
    const auto reply = game_.Step("craft 4 oak planks using 1 oak logs");
    EXPECT_EQ(reply->observation, "Crafted 4 minecraft:oak_planks");
    EXPECT_TRUE(reply->done);
  }
  EXPECT_FALSE(game_.Step("inventory")->done);
}

TEST_F(GameTest, TheInventoryIsInTheOrderOfTaking) {
  EXPECT_EQ(Say("inventory"), "Inventory: You are not carrying anything.");
  Say("get 1 oak logs");
  Say("get 3 string");
  Say("get 1 bamboo");
  Say("get 1 bamboo");
  EXPECT_EQ(Say("inventoryxyz"), "Inventory: [oak logs] (1) [string] (3) [bamboo] (2) ");
  Say("craft 4 oak planks using 1 oak logs");
  Say("get 0 oak logs");
  EXPECT_EQ(Say("inventory"),
            "Inventory: [string] (3) [bamboo] (2) [oak planks] (4) [oak logs] (0) ");
}

TEST_F(GameTest, OnlyItemsThatNothingMakesCanBeTaken) {
  EXPECT_EQ(Say("get 01 oak_log"), "Got 1 oak_log");
  EXPECT_EQ(Say("get 1 logs"), "Got 1 logs");
  for (const std::string item : {"oak planks", "planks", "air", " oak log", "oak log,", "Oak log",
                                 "", "minecraft:oak_log"}) {
    EXPECT_EQ(Say(absl::StrCat("get 1 ", item)), absl::StrCat("Could not find ", item));
  }
  const std::string longer_than_any_name(100, 'a');
  EXPECT_EQ(Say("get 1 " + longer_than_any_name), "Could not find " + longer_than_any_name);
}

TEST_F(GameTest, WhatIsNotUnderstoodIsRepeated) {
  for (const std::string action :
       {"", "look", "Get 1 x", "get  1 oak log", "get 1", "get one oak log", "get -1 oak log",
        " inventory", "craft", "craft 4 oak planks using", "craft using 1 oak logs",
        "craft oak planks\n using 1 oak logs"}) {
    const auto reply = game_.Step(action);
    EXPECT_EQ(reply->observation, "Could not execute " + action);
    EXPECT_TRUE(reply->refused);
  }
}

TEST_F(GameTest, OnlyTheFirstLineIsRead) {
  EXPECT_EQ(Say("get 1 oak log\nget 2 oak log"), "Got 1 oak log");
}

TEST_F(GameTest, CraftingChecksFormThenStockThenRecipe) {
  EXPECT_EQ(Say("craft 4 oak planks using oak logs"), "Wrong item format: oak logs");
  EXPECT_EQ(Say("craft 4 oak planks using 1 oak logs,"), "Wrong item format: ");
  EXPECT_EQ(Say("craft 4 x y using 1 oak logs"),
            "Could not find enough items to craft minecraft:x_y");
  EXPECT_EQ(Say("craft 4 planks using 1 oak logs"), "Could not find enough items to craft None");
  EXPECT_EQ(Say("craft 1 a using b using 1 c"),
            "Could not find enough items to craft minecraft:a_using_b");
  Say("get 5 oak logs");
  EXPECT_EQ(Say("craft 07 oak planks using 2 oak logs"),
            "Could not find a valid recipe for ItemTagWithCount(item_tag=ItemTag(tag=None, "
            "item_id='minecraft:oak_planks'), count=7)");
  EXPECT_EQ(Say("craft planks using 1 oak logs"),
            "Could not find a valid recipe for ItemTagWithCount(item_tag=ItemTag("
            "tag='minecraft:planks', item_id=None), count=1)");
  EXPECT_EQ(Say("craft it's\ta \"thing\" using 1 oak logs"),
            "Could not find a valid recipe for ItemTagWithCount(item_tag=ItemTag(tag=None, "
            "item_id='minecraft:it\\'s\\ta_\"thing\"'), count=1)");
  EXPECT_EQ(Say("craft 7 oak planks using \u2003 1 oak logs "), "Crafted 4 minecraft:oak_planks");
}

TEST_F(GameTest, ATagTakesAnyOfItsItemsButNotItsOwnName) {
  Say("get 1 oak logs");
  Say("craft 4 oak planks using 1 oak logs");
  EXPECT_EQ(Say("craft 4 stick using 2 planks"),
            "Could not find enough items to craft minecraft:stick");
  EXPECT_THAT(Say("craft 4 stick using 1 oak planks, 1 oak planks"), HasSubstr("valid recipe"));
  EXPECT_EQ(Say("craft 1 stick using 2 oak planks"), "Crafted 4 minecraft:stick");
}

TEST_F(GameTest, NumbersMayBeLongButNotLongerThanPythonsLimit) {
  const std::string big(4300, '9');
  EXPECT_EQ(Say("get " + big + " string"), "Got " + big + " string");
  EXPECT_EQ(Say("get " + std::string(5000, '0') + " air"),
            "error: Exceeds the limit (4300 digits) for integer string conversion: value has 5000 "
            "digits; use sys.set_int_max_str_digits() to increase the limit");
  Say("get 1 string");
  EXPECT_EQ(Say("inventory"),
            "error: Exceeds the limit (4300 digits) for integer string conversion; use "
            "sys.set_int_max_str_digits() to increase the limit");
}

}  // namespace
}  // namespace sojourn::envs::textcraft
