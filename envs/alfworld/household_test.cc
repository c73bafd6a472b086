#include "envs/alfworld/household.h"

#include <set>

#include "common/random.h"
#include "envs/alfworld/catalogue.h"
#include "envs/alfworld/game_file.h"
#include "envs/alfworld/game_writer.h"
#include "envs/alfworld/play.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::alfworld {
namespace {

using ::testing::HasSubstr;

Play Begin(Split split, Kind kind, int64_t index, int receptacles = 20) {
  const auto game = MakeGame(MakeHousehold(5, split, kind, index, receptacles));
  EXPECT_TRUE(game.ok()) << game.status();
  return Play(*game);
}

TEST(Catalogue, ObjectsHavePlacesInTheirRooms) {
  for (const ObjectKind& object : ObjectKinds()) {
    for (int room = 0; room < kRooms; ++room) {
      if (!object.in_room[room]) continue;
      const bool has_place =
          std::any_of(object.places.begin(), object.places.end(),
                      [&](int place) { return ReceptacleKinds()[place].counts[room].most > 0; });
      EXPECT_TRUE(has_place) << object.name << " in room " << room;
    }
    for (const int place : object.places) ASSERT_LT(place, ReceptacleKinds().size()) << object.name;
  }
}

TEST(Household, IsTheSameEachTime) {
  const auto text = [](uint64_t seed) { return *GameFileText(seed, {Split::kTest, 4, 7}, 20); };
  EXPECT_EQ(text(1), text(1));
  EXPECT_NE(text(1), text(2));
}

TEST(Household, SplitsShareNoFirstObservation) {
  for (int kind = 1; kind <= kKinds; ++kind) {
    std::set<std::string> train;
    for (int i = 0; i < 300; ++i) {
      train.insert(Begin(Split::kTrain, static_cast<Kind>(kind), i).Intro());
    }
    EXPECT_GT(train.size(), 250) << kind;
    for (int i = 0; i < 300; ++i) {
      EXPECT_FALSE(train.contains(Begin(Split::kTest, static_cast<Kind>(kind), i).Intro()));
    }
  }
}

TEST(Household, HasItsKindAndSizeAndIsNotSolved) {
  for (int kind = 1; kind <= kKinds; ++kind) {
    for (const int receptacles : {kFewestReceptacles, 20, kMostReceptacles}) {
      size_t largest = 0;
      for (int i = 0; i < 40; ++i) {
        const Play play = Begin(Split::kTrain, static_cast<Kind>(kind), i, receptacles);
        EXPECT_FALSE(play.won());
        ASSERT_TRUE(play.game().goal().aim().has_value());
        EXPECT_EQ(static_cast<int>(play.game().goal().aim()->kind), kind);
        largest = std::max(largest, play.world()[Predicate::kReceptacleAtLocation].all().size());
      }
      EXPECT_LE(largest, receptacles);
      EXPECT_GE(largest, std::min(20, receptacles - 2));
    }
  }
}

TEST(Household, WrittenAndReadAgainPlaysTheSame) {
  GameReader reader;
  for (int kind = 1; kind <= kKinds; ++kind) {
    const TaskId task{Split::kTrain, kind, 3};
    const auto text = GameFileText(5, task, 20);
    ASSERT_TRUE(text.ok()) << text.status();
    const auto file = reader.Parse(*text);
    ASSERT_TRUE(file.ok()) << file.status();
    Play made = Begin(task.split, static_cast<Kind>(kind), task.index), read(file->game);
    EXPECT_EQ(made.Intro(), read.Intro());
    Random random(RandomKey(1).With(static_cast<uint64_t>(kind)));
    for (int step = 0; step < 200; ++step) {
      ASSERT_EQ(made.admissible().size(), read.admissible().size());
      const std::string command = made.admissible()[random.Below(made.admissible().size())].text;
      EXPECT_EQ(made.Step(command).text, read.Step(command).text);
      EXPECT_EQ(made.won(), read.won());
    }
  }
}

}  // namespace
}  // namespace sojourn::envs::alfworld
