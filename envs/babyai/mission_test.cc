#include "envs/babyai/mission.h"

#include <gtest/gtest.h>

#include "envs/babyai/text.h"

namespace sojourn::envs::babyai {
namespace {

TEST(Mission, FindsTheObjectsOfEveryInstruction) {
  AgentGymBabyAI game;
  Mission mission;
  for (int number = 1; number <= kAgentGymLevels; ++number) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      game.Start(number, seed);
      mission.Start(game.grid());
      const std::string where = game.grid().mission() + " (level " + std::to_string(number) + ")";
      ASSERT_FALSE(mission.current().empty()) << where;
      std::vector<Clause> clauses = mission.current();
      if (mission.next() != nullptr) {
        clauses.insert(clauses.end(), mission.next()->begin(), mission.next()->end());
      }
      for (const Clause& clause : clauses) {
        EXPECT_FALSE(clause.object.ids.empty()) << where;
        EXPECT_EQ(clause.task == Task::kPutNext, !clause.fixed.ids.empty()) << where;
        EXPECT_FALSE(clause.done) << where;
      }
      // "the" promises one object, "a" more than one.
      // (Walls are grey objects.)
      if (clauses.size() == 1 && clauses[0].task != Task::kPutNext &&
          clauses[0].object.words != "grey object") {
        const bool one = game.grid().mission().find(" the ") != std::string::npos;
        EXPECT_EQ(one, clauses[0].object.ids.size() == 1) << where;
      }
    }
  }
}

TEST(Mission, AgreesWithMiniGridAboutEveryPrimitive) {
  AgentGymBabyAI game;
  Mission mission;
  int completed = 0, played = 0;
  std::vector<bool> told;
  game.Watch([&](Action action) { told.push_back(mission.Observe(action, game.grid())); });
  uint64_t random = 12345;
  for (int number = 1; number <= kAgentGymLevels; ++number) {
    for (uint64_t seed = 0; seed < 6; ++seed) {
      game.Start(number, seed);
      mission.Start(game.grid());
      for (int turn = 0; turn < 60; ++turn) {  // past the end, too
        random = random * 6364136223846793005u + 1442695040888963407u;
        const auto& choices = game.scene().choices();
        told.clear();
        game.Act(std::string(choices[(random >> 33) % choices.size()].text));
        if (told.empty()) continue;
        ++played;
        ASSERT_EQ(told.back(), game.outcome().terminated && game.outcome().reward != 0)
            << "level " << number << " seed " << seed << " turn " << turn;
        completed += told.back();
      }
    }
  }
  EXPECT_GT(completed, 100);
  EXPECT_GT(played, 5000);
}

}  // namespace
}  // namespace sojourn::envs::babyai
