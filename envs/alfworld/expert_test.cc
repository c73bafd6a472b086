#include "envs/alfworld/expert.h"

#include <filesystem>

#include "common/random.h"
#include "envs/alfworld/game_file.h"
#include "envs/alfworld/game_folder.h"
#include "envs/alfworld/household.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::alfworld {
namespace {

using ::testing::AllOf;
using ::testing::Ge;
using ::testing::Le;

constexpr char kRealGames[] = "../shared/data/alfworld";

// Turns to the goal; 0 when the expert does not get there.
int Solve(Play& play, Expert& expert, int limit) {
  double progress = 0;
  for (int turn = 1; turn <= limit; ++turn) {
    const auto advice = expert.Advise(play, *play.game().goal().aim());
    if (!advice.ok()) return 0;
    EXPECT_EQ(advice->thought.find('\n'), std::string::npos);
    const Play::Reply reply = play.Step(advice->action);
    EXPECT_TRUE(reply.understood) << advice->action;
    expert.Note(reply);
    progress = Progress(play, *play.game().goal().aim());
    EXPECT_THAT(progress, AllOf(Ge(0), Le(1)));
    EXPECT_EQ(progress == 1, play.won());
    if (play.won()) return turn;
  }
  return 0;
}

TEST(Expert, SolvesMadeUpTasksInTheTurnLimit) {
  for (int kind = 1; kind <= kKinds; ++kind) {
    for (const int receptacles : {12, 20, 50}) {
      for (int i = 0; i < 100; ++i) {
        Play play(
            *MakeGame(MakeHousehold(0, Split::kTest, static_cast<Kind>(kind), i, receptacles)));
        Expert expert;
        expert.Reset(play);
        const int turns = Solve(play, expert, 30);
        EXPECT_GT(turns, 2) << kind << " " << receptacles << " " << i;
      }
    }
  }
}

TEST(Expert, FindsAWayFromAnyState) {
  for (int kind = 1; kind <= kKinds; ++kind) {
    for (int i = 0; i < 50; ++i) {
      Play play(*MakeGame(MakeHousehold(0, Split::kTrain, static_cast<Kind>(kind), i, 20)));
      Expert expert;
      expert.Reset(play);
      Random random(RandomKey(2).With(static_cast<uint64_t>(i)));
      for (int step = 0; step < 60 && !play.won(); ++step) {
        expert.Note(play.Step(play.admissible()[random.Below(play.admissible().size())].text));
      }
      EXPECT_TRUE(play.won() || Solve(play, expert, 50) > 0) << kind << " " << i;
    }
  }
}

TEST(Expert, AnotherAimDoesNotReachTheGoal) {
  int moved = 0;
  for (int kind = 1; kind <= kKinds; ++kind) {
    for (int i = 0; i < 20; ++i) {
      Play play(*MakeGame(MakeHousehold(0, Split::kTrain, static_cast<Kind>(kind), i, 20)));
      Expert expert;
      expert.Reset(play);
      for (int step = 0; step < 30; ++step) {
        const auto aim = OtherAim(play, *play.game().goal().aim());
        if (!aim.has_value()) break;
        const auto advice = expert.Advise(play, *aim);
        if (!advice.ok()) break;
        moved += advice->action.starts_with("move ") ? 1 : 0;
        expert.Note(play.Step(advice->action));
        ASSERT_FALSE(play.won()) << kind << " " << i;
      }
    }
  }
  EXPECT_GT(moved, 200);
}

TEST(Expert, SolvesTheOriginalsGames) {
  if (!std::filesystem::exists(kRealGames)) GTEST_SKIP() << "no " << kRealGames;
  GameReader reader;
  int games = 0;
  ForEachGameFile(kRealGames, [&](const std::string& name, const std::string&,
                                  absl::StatusOr<std::string> text) {
    ASSERT_TRUE(text.ok()) << text.status();
    const auto file = reader.Parse(*text);
    ASSERT_TRUE(file.ok()) << name << ": " << file.status();
    ++games;
    Play walk(file->game);
    for (const std::string& command : file->walkthrough) walk.Step(command);
    EXPECT_TRUE(walk.won()) << name;
    Play play(file->game);
    Expert expert;
    expert.Reset(play);
    EXPECT_GT(Solve(play, expert, 30), 0) << name;
  });
  EXPECT_GT(games, 0);
}

}  // namespace
}  // namespace sojourn::envs::alfworld
