// Prints how many turns a second one core plays, and how the expert, the goal-blind player and
// random valid actions fare on each level. Usage: babyai_bench [tasks per level = 100] [turn limit
// = 20]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>

#include "envs/babyai/babyai.h"

namespace sojourn::envs {
namespace {

using Player = std::function<absl::StatusOr<std::string>(Instance&)>;

struct Score {
  int tasks = 0, solved = 0;
  int64_t turns = 0, turns_solved = 0, characters = 0;
  double seconds = 0;
};

Score Play(Instance& instance, int level, int tasks, int turn_limit, const Player& player) {
  Score score;
  const std::clock_t begin = std::clock();  // processor time: other load does not count
  for (int index = 0; index < tasks; ++index) {
    absl::StatusOr<Turn> turn = instance.Reset({Split::kTrain, level, 45 + index});
    int turns = 0;
    while (turn.ok() && !turn->done && turns < turn_limit) {
      const auto action = player(instance);
      if (!action.ok()) break;
      turn = instance.Step(*action);
      ++turns;
      if (turn.ok()) score.characters += turn->observation.size();
    }
    ++score.tasks;
    score.turns += turns;
    if (!turn.ok() || !turn->success) continue;
    ++score.solved;
    score.turns_solved += turns;
  }
  score.seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  return score;
}

int Run(int tasks, int turn_limit) {
  const auto environment = MakeBabyAI({});
  if (!environment.ok()) return 1;
  const auto instance = (*environment)->NewInstance();
  uint64_t state = 1;
  const Player random = [&](Instance& player) -> absl::StatusOr<std::string> {
    const std::vector<std::string> actions = player.ValidActions();
    state = state * 6364136223846793005u + 1442695040888963407u;
    return actions[(state >> 33) % actions.size()];
  };
  const Player expert = [](Instance& player) -> absl::StatusOr<std::string> {
    const auto advice = player.Expert();
    if (!advice.ok()) return advice.status();
    return advice->action;
  };
  const Player blind = [](Instance& player) -> absl::StatusOr<std::string> {
    const auto advice = player.GoalBlind();
    if (!advice.ok()) return advice.status();
    return advice->action;
  };
  std::printf("%d tasks per level; a limit of %d turns\n", tasks, turn_limit);
  std::printf("%-28s %7s %7s %7s %7s %7s %9s %9s\n", "level", "expert", "in lim", "turns", "blind",
              "random", "turns/s", "chars");
  int64_t turns = 0, expert_turns = 0;
  double seconds = 0, expert_seconds = 0;
  for (const DifficultySpec& level : (*environment)->spec().difficulties) {
    const Score all = Play(*instance, level.difficulty, tasks, 400, expert);
    const Score limited = Play(*instance, level.difficulty, tasks, turn_limit, expert);
    const Score blinded = Play(*instance, level.difficulty, tasks, turn_limit, blind);
    const Score valid = Play(*instance, level.difficulty, tasks, turn_limit, random);
    std::printf("%2d %-25s %6.1f%% %6.1f%% %7.1f %6.1f%% %6.1f%% %9.0f %9.0f\n", level.difficulty,
                level.name.c_str(), 100.0 * all.solved / tasks, 100.0 * limited.solved / tasks,
                static_cast<double>(all.turns_solved) / std::max(1, all.solved),
                100.0 * blinded.solved / tasks, 100.0 * valid.solved / tasks,
                valid.turns / valid.seconds, 1.0 * valid.characters / valid.turns);
    turns += valid.turns;
    seconds += valid.seconds;
    expert_turns += limited.turns;
    expert_seconds += limited.seconds;
  }
  std::printf("random play, resets included: %.0f turns/s; expert: %.0f turns/s\n", turns / seconds,
              expert_turns / expert_seconds);
  return 0;
}

}  // namespace
}  // namespace sojourn::envs

int main(int argc, char** argv) {
  const int tasks = argc > 1 ? std::atoi(argv[1]) : 100;
  const int turn_limit = argc > 2 ? std::atoi(argv[2]) : 20;
  if (tasks <= 0 || turn_limit <= 0) {
    std::fprintf(stderr, "usage: babyai_bench [tasks per level] [turn limit]\n");
    return 2;
  }
  return sojourn::envs::Run(tasks, turn_limit);
}
