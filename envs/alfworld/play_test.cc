#include "envs/alfworld/play.h"

#include "absl/strings/str_cat.h"
#include "envs/alfworld/problem.h"
#include "envs/alfworld/wording.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::alfworld {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

// A kitchen: a desk and a shelf in one place, a fridge, a microwave, a sink, two drawers of which
// the second is in the desk's place. A cool apple, two mugs on the desk, a knife, a lamp in the
// drawer.
constexpr std::string_view kKitchen = R"((define (problem kitchen) (:domain alfred)
(:objects agent1 - agent
  desk_bar_1 shelf_bar_1 fridge_bar_1 microwave_bar_1 sink_bar_1_bar_sinkbasin drawer_bar_1 drawer_bar_2 - receptacle
  apple_bar_1 mug_bar_1 mug_bar_2 knife_bar_1 desklamp_bar_1 pot_bar_1 - object
  loc_bar_0 loc_bar_1 loc_bar_2 loc_bar_3 loc_bar_4 loc_bar_5 - location
  desktype shelftype fridgetype microwavetype sinkbasintype drawertype - rtype
  appletype mugtype knifetype desklamptype pottype - otype)
(:init (atLocation agent1 loc_bar_0)
  (receptacleType desk_bar_1 desktype) (receptacleAtLocation desk_bar_1 loc_bar_1)
  (receptacleType shelf_bar_1 shelftype) (receptacleAtLocation shelf_bar_1 loc_bar_1)
  (receptacleType drawer_bar_2 drawertype) (receptacleAtLocation drawer_bar_2 loc_bar_1) (openable drawer_bar_2)
  (receptacleType drawer_bar_1 drawertype) (receptacleAtLocation drawer_bar_1 loc_bar_2) (openable drawer_bar_1)
  (receptacleType fridge_bar_1 fridgetype) (receptacleAtLocation fridge_bar_1 loc_bar_3) (openable fridge_bar_1)
  (receptacleType microwave_bar_1 microwavetype) (receptacleAtLocation microwave_bar_1 loc_bar_4) (openable microwave_bar_1)
  (receptacleType sink_bar_1_bar_sinkbasin sinkbasintype) (receptacleAtLocation sink_bar_1_bar_sinkbasin loc_bar_5)
  (objectType apple_bar_1 appletype) (objectAtLocation apple_bar_1 loc_bar_3) (inReceptacle apple_bar_1 fridge_bar_1)
  (isCool apple_bar_1) (cleanable apple_bar_1) (heatable apple_bar_1) (coolable apple_bar_1) (sliceable apple_bar_1)
  (objectType mug_bar_1 mugtype) (objectAtLocation mug_bar_1 loc_bar_1) (inReceptacle mug_bar_1 desk_bar_1)
  (inReceptacle mug_bar_1 drawer_bar_1)
  (objectType mug_bar_2 mugtype) (objectAtLocation mug_bar_2 loc_bar_1) (inReceptacle mug_bar_2 desk_bar_1)
  (objectType knife_bar_1 knifetype) (objectAtLocation knife_bar_1 loc_bar_1) (inReceptacle knife_bar_1 shelf_bar_1)
  (objectType desklamp_bar_1 desklamptype) (objectAtLocation desklamp_bar_1 loc_bar_2)
  (inReceptacle desklamp_bar_1 drawer_bar_1) (toggleable desklamp_bar_1)
  (objectType pot_bar_1 pottype) (objectAtLocation pot_bar_1 loc_bar_5) (inReceptacle pot_bar_1 sink_bar_1_bar_sinkbasin)
  (isReceptacleObject pot_bar_1) (inReceptacleObject apple_bar_1 pot_bar_1)
  (pickupable apple_bar_1) (pickupable mug_bar_1) (pickupable mug_bar_2) (pickupable knife_bar_1) (pickupable pot_bar_1)
  (canContain desktype mugtype) (canContain desktype appletype) (canContain desktype knifetype)
  (canContain shelftype mugtype) (canContain drawertype mugtype) (canContain fridgetype appletype))
(:goal (exists (?r - receptacle) (exists (?o - object) (and (inReceptacle ?o ?r) (objectType ?o mugtype)
  (receptacleType ?r shelftype))))))
)";

class PlayTest : public ::testing::Test {
 protected:
  static std::shared_ptr<const Game> Kitchen(std::string text = std::string(kKitchen)) {
    const auto problem = ParseProblem(text);
    EXPECT_TRUE(problem.ok()) << problem.status();
    auto game = Game::Make(*problem, Rules{.has_help = true}, Wording(),
                           "Your task is to: put a mug in shelf.");
    EXPECT_TRUE(game.ok()) << game.status();
    return *std::move(game);
  }

  std::string Do(std::string_view command) { return play_.Step(command).text; }

  std::vector<std::string> Commands() const {
    std::vector<std::string> commands;
    for (const Play::Command& command : play_.admissible()) commands.push_back(command.text);
    return commands;
  }

  Play play_{Kitchen()};
};

TEST_F(PlayTest, BeginsInTheMiddleOfTheRoom) {
  EXPECT_EQ(
      play_.Intro(),
      "-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room. Looking quickly "
      "around "
      "you, you see a desk 1, a drawer 2, a drawer 1, a fridge 1, a microwave 1, a shelf 1, and a "
      "sinkbasin 1.\n\nYour task is to: put a mug in shelf.");
  // Asked again, the place is known, and nothing stands there.
  EXPECT_EQ(Do("look"),
            "You are in the middle of a room. Looking quickly around you, you see nothing.");
  EXPECT_THAT(Commands(), ElementsAre("go to desk 1", "go to drawer 1", "go to drawer 2",
                                      "go to fridge 1", "go to microwave 1", "go to shelf 1",
                                      "go to sinkbasin 1", "help", "inventory", "look"));
  EXPECT_THAT(Do("help"), ::testing::StartsWith("Available commands:\n  look: "));
  EXPECT_THAT(Do("help"), EndsWith("sharp object\n"));
}

TEST_F(PlayTest, CommandsAreExactButForSpaceAroundThem) {
  EXPECT_EQ(Do("Look"), "Nothing happens.");
  EXPECT_EQ(Do("go to  desk 1"), "Nothing happens.");
  EXPECT_EQ(Do(""), "Nothing happens.");
  EXPECT_FALSE(play_.Step("take mug 1 from desk 1").understood);
  EXPECT_THAT(Do(" \tgo to desk 1\n"), HasSubstr("You arrive at desk 1."));
}

TEST_F(PlayTest, NeighboursAreAtHandButCannotBeGoneTo) {
  EXPECT_EQ(Do("go to desk 1"),
            "You arrive at desk 1. On the desk 1, you see a mug 2, and a mug 1.");
  EXPECT_EQ(Do("go to shelf 1"), "Nothing happens.");
  EXPECT_EQ(Do("go to desk 1"), "Nothing happens.");
  EXPECT_EQ(Do("look"),
            "You are facing the desk 1, drawer 1, and shelf 1. Next to it, you see nothing.");
  EXPECT_EQ(Do("take knife 1 from shelf 1"), "You pick up the knife 1 from the shelf 1.");
  EXPECT_EQ(Do("inventory"), "You are carrying: a knife 1.");
  EXPECT_EQ(Do("take mug 1 from desk 1"), "Nothing happens.");
  EXPECT_EQ(Do("examine mug 1"), "Nothing happens.");
  EXPECT_EQ(Do("examine knife 1"), "There's nothing special about knife 1.");
}

TEST_F(PlayTest, DoorsOpenAndClose) {
  EXPECT_EQ(Do("go to drawer 1"), "You arrive at drawer 1. The drawer 1 is closed.");
  EXPECT_EQ(Do("open drawer 1"),
            "You open the drawer 1. The drawer 1 is open. In it, you see nothing.");
  EXPECT_EQ(Do("open drawer 1"), "Nothing happens.");
  EXPECT_EQ(Do("examine drawer 1"), "The drawer 1 is open. In it, you see nothing.");
  EXPECT_EQ(Do("close drawer 1"), "You close the drawer 1.");
}

TEST_F(PlayTest, WhatIsTakenFromOnePlaceAndPutInAnotherLiesBesideIt) {
  Do("go to desk 1");
  Do("take mug 2 from desk 1");
  EXPECT_EQ(Do("move mug 2 to shelf 1"), "You move the mug 2 to the shelf 1.");
  EXPECT_EQ(Do("look"),
            "You are facing the desk 1, drawer 1, and shelf 1. Next to it, you see a mug 2.");
  Do("take mug 2 from shelf 1");
  Do("move mug 2 to desk 1");
  EXPECT_EQ(Do("look"),
            "You are facing the desk 1, drawer 1, and shelf 1. Next to it, you see a mug 2.");
  Do("take mug 2 from desk 1");
  Do("move mug 2 to shelf 1");
  Do("take mug 2 from shelf 1");
  Do("move mug 2 to shelf 1");
  EXPECT_EQ(Do("look"),
            "You are facing the desk 1, drawer 1, and shelf 1. Next to it, you see a mug 2.");
}

TEST_F(PlayTest, AThingCanBeInTwoPlaces) {
  EXPECT_EQ(Do("go to drawer 2"), "You arrive at drawer 2. The drawer 2 is closed.");
  EXPECT_EQ(Do("open drawer 2"),
            "You open the drawer 2. The drawer 2 is open. In it, you see a desklamp 1, "
            "and a mug 2.");
  EXPECT_EQ(Do("take mug 2 from drawer 2"), "You pick up the mug 2 from the drawer 2.");
  EXPECT_EQ(Do("go to desk 1"),
            "You arrive at desk 1. On the desk 1, you see a mug 2, and a mug 1.");
  EXPECT_EQ(Do("move mug 2 to shelf 1"), "You move the mug 2 to the shelf 1.");
  EXPECT_TRUE(play_.won());
  EXPECT_THAT(Commands(), Contains("take mug 2 from desk 1"));
}

TEST_F(PlayTest, TheGoalCanBeUndone) {
  Do("go to desk 1");
  Do("take mug 1 from desk 1");
  EXPECT_FALSE(play_.won());
  Do("move mug 1 to shelf 1");
  EXPECT_TRUE(play_.won());
  Do("look");
  EXPECT_TRUE(play_.won());
  Do("take mug 1 from shelf 1");
  EXPECT_FALSE(play_.won());
}

TEST_F(PlayTest, HeatingAndCoolingUndoEachOther) {
  Do("go to fridge 1");
  Do("open fridge 1");
  Do("take apple 1 from fridge 1");
  EXPECT_EQ(Do("examine apple 1"), "This is a cold apple 1.");
  Do("close fridge 1");
  EXPECT_THAT(Commands(), Not(Contains("move apple 1 to fridge 1")));
  EXPECT_EQ(Do("cool apple 1 with fridge 1"), "You cool the apple 1 using the fridge 1.");
  Do("go to microwave 1");
  EXPECT_EQ(Do("heat apple 1 with microwave 1"), "You heat the apple 1 using the microwave 1.");
  EXPECT_EQ(Do("examine apple 1"), "This is a hot apple 1.");
  Do("go to sinkbasin 1");
  EXPECT_EQ(Do("clean apple 1 with sinkbasin 1"), "You clean the apple 1 using the sinkbasin 1.");
  EXPECT_EQ(Do("examine apple 1"), "This is a hot and clean apple 1.");
  Do("go to fridge 1");
  Do("cool apple 1 with fridge 1");
  EXPECT_EQ(Do("examine apple 1"), "This is a cool and clean apple 1.");
}

TEST_F(PlayTest, AKnifeCutsThroughClosedDoors) {
  Do("go to desk 1");
  Do("take knife 1 from shelf 1");
  Do("go to fridge 1");
  EXPECT_EQ(Do("slice apple 1 with knife 1"), "You sliced the apple 1 with the knife 1.");
  Do("go to desk 1");
  Do("move knife 1 to desk 1");
  Do("go to fridge 1");
  Do("open fridge 1");
  Do("take apple 1 from fridge 1");
  EXPECT_EQ(Do("examine apple 1"), "This is a cool sliced apple 1.");
}

TEST_F(PlayTest, LampsAreTurnedOnThroughClosedDoorsAndNeverOff) {
  Do("go to drawer 2");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Do("use desklamp 1"), "You turn on the desklamp 1.");
  EXPECT_THAT(Commands(), Not(Contains("take desklamp 1 from drawer 2")));
}

TEST_F(PlayTest, WhatThingsHoldNeverChanges) {
  Do("go to sinkbasin 1");
  Do("take pot 1 from sinkbasin 1");
  EXPECT_EQ(Do("examine pot 1"), "This is a normal pot 1. In it, you see a apple 1.");
}

TEST_F(PlayTest, CommandsAreInTheOrderOfTheirBytes) {
  std::string text(kKitchen);
  std::string more;
  for (int i = 3; i <= 11; ++i) {
    absl::StrAppend(&more, "(receptacleAtLocation shelf_bar_", i, " loc_bar_2)");
    text.insert(text.find("shelf_bar_1"), absl::StrCat("shelf_bar_", i, " "));
  }
  text.insert(text.find("(atLocation"), more);
  Play play(Kitchen(text));
  std::vector<std::string> commands;
  for (const Play::Command& command : play.admissible()) commands.push_back(command.text);
  EXPECT_TRUE(std::is_sorted(commands.begin(), commands.end()));
  EXPECT_LT(std::find(commands.begin(), commands.end(), "go to shelf 10"),
            std::find(commands.begin(), commands.end(), "go to shelf 2"));
}

TEST_F(PlayTest, AGameNeedsOneAgentWithEmptyHands) {
  const auto error = [&](std::string_view what, std::string_view other) {
    std::string text(kKitchen);
    text.replace(text.find(what), what.size(), other);
    return std::string(Game::Make(*ParseProblem(text), Rules{}, Wording(), "").status().message());
  };
  EXPECT_THAT(error("(atLocation agent1 loc_bar_0)", ""), HasSubstr("one agent in one place"));
  EXPECT_THAT(error("(atLocation", "(atLocation agent1 loc_bar_1) (atLocation"),
              HasSubstr("2 places"));
  EXPECT_THAT(error("(atLocation", "(holds agent1 pot_bar_1) (atLocation"),
              HasSubstr("empty hands"));
}

}  // namespace
}  // namespace sojourn::envs::alfworld
