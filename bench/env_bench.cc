// How fast one core plays the environments, and (--players) how their players fare. All times are
// processor time, so other load on the machine counts little. bench/environments compares the first
// table with Python's MiniGrid, bench/searchqa the searches (--index) with Python's bm25s.
#include <malloc.h>
#include <zlib.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "envs/babyai/minigrid.h"
#include "envs/environment.h"
#include "envs/searchqa/library.h"
#include "envs/webshop/generator.h"
#include "envs/webshop/session.h"

namespace sojourn::envs {
namespace {

using nlohmann::json;

constexpr int kSteps = 200;         // primitive steps after a reset
constexpr int kTasksPerLevel = 25;  // of text play, for each difficulty

// Small and large levels, with and without doors. bench/environments.py plays the same.
constexpr const char* kLevels[] = {"BabyAI-GoToRedBall-v0", "BabyAI-GoToLocalS8N7-v0",
                                   "BabyAI-PickupLoc-v0",   "BabyAI-PutNextLocalS6N4-v0",
                                   "BabyAI-Open-v0",        "BabyAI-UnlockPickupDist-v0",
                                   "BabyAI-OneRoomS20-v0",  "BabyAI-BossLevel-v0"};

double Seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// The same numbers as in bench/environments.py.
class Lcg {
 public:
  explicit Lcg(uint64_t seed) : state_(seed) {}
  uint32_t Below(uint32_t bound) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state_ >> 33) % bound;
  }

 private:
  uint64_t state_;
};

struct Speed {
  std::string name;
  int64_t steps = 0, resets = 0;
  double step_seconds = 0, reset_seconds = 0;
  uint32_t checksum = 0;  // of what was seen, as far as a peer can show the same
};

// `pass` times the seeds 0 .. seeds-1 of a level: reset, then random primitives, each with the
// view.
Speed Primitives(const char* level, int seeds, int passes) {
  Speed speed{.name = level};
  const auto grid = babyai::MakeLevel(level);
  if (!grid.ok()) return speed;
  for (int pass = 0; pass < passes; ++pass) {
    speed.checksum = 0;
    for (int seed = 0; seed < seeds; ++seed) {
      Lcg random(seed);
      std::vector<babyai::Action> actions;
      for (int i = 0; i < kSteps; ++i)
        actions.push_back(static_cast<babyai::Action>(random.Below(6)));
      const double begin = Seconds();
      (*grid)->Reset(seed);
      babyai::View view = (*grid)->view();
      const double between = Seconds();
      double reward = 0;
      for (const babyai::Action action : actions) {
        reward += (*grid)->Step(action).reward;
        view = (*grid)->view();
      }
      speed.step_seconds += Seconds() - between;
      speed.reset_seconds += between - begin;
      speed.steps += kSteps;
      ++speed.resets;
      std::vector<uint8_t> seen;
      for (const auto& column : view) {
        for (const babyai::Cell& cell : column) {
          seen.push_back(static_cast<uint8_t>(cell.kind));
          seen.push_back(static_cast<uint8_t>(cell.color));
          seen.push_back(static_cast<uint8_t>(cell.state));
        }
      }
      seen.push_back(static_cast<uint8_t>(reward * 100));
      speed.checksum = crc32(speed.checksum, seen.data(), seen.size());
    }
  }
  return speed;
}

// Random valid actions on every difficulty: recorded once, then played again for the time.
Speed TextPlay(const std::string& name, const Options& options, const std::string& label,
               int passes) {
  Speed speed{.name = label};
  const auto environment = Make(name, options);
  if (!environment.ok()) return speed;
  const auto instance = (*environment)->NewInstance();
  struct Episode {
    TaskId task;
    std::vector<std::string> actions;
  };
  std::vector<Episode> episodes;
  Lcg random(1);
  for (const DifficultySpec& difficulty : (*environment)->spec().difficulties) {
    for (int index = 0; index < kTasksPerLevel; ++index) {
      Episode episode{{Split::kTrain, difficulty.difficulty, index}, {}};
      absl::StatusOr<Turn> turn = instance->Reset(episode.task);
      while (turn.ok() && !turn->done && episode.actions.size() < 20) {
        const std::vector<std::string> actions = instance->ValidActions();
        episode.actions.push_back(actions[random.Below(actions.size())]);
        turn = instance->Step(episode.actions.back());
      }
      episodes.push_back(std::move(episode));
    }
  }
  for (int pass = 0; pass < passes; ++pass) {
    for (const Episode& episode : episodes) {
      const double begin = Seconds();
      (void)instance->Reset(episode.task);
      const double between = Seconds();
      for (const std::string& action : episode.actions) (void)instance->Step(action);
      speed.step_seconds += Seconds() - between;
      speed.reset_seconds += between - begin;
      speed.steps += episode.actions.size();
      ++speed.resets;
    }
  }
  return speed;
}

void Print(const Speed& speed, bool as_json) {
  if (as_json) {
    std::printf("%s\n", json({{"name", speed.name},
                              {"steps", speed.steps},
                              {"step_seconds", speed.step_seconds},
                              {"resets", speed.resets},
                              {"reset_seconds", speed.reset_seconds},
                              {"checksum", speed.checksum}})
                            .dump()
                            .c_str());
  } else {
    std::printf("%-32s %12.0f %12.0f\n", speed.name.c_str(), speed.steps / speed.step_seconds,
                speed.resets / speed.reset_seconds);
  }
  std::fflush(stdout);
}

// Each question of a file as one search, of `results` passages: milliseconds of the passes' best.
int Searches(const std::string& index_path, const std::string& questions_path, int results,
             int passes, bool as_json) {
  const auto index = searchqa::PassageIndex::Open(index_path);
  std::vector<searchqa::Question> questions;
  searchqa::Faults faults;
  const absl::Status read = searchqa::ReadQuestions(questions_path, &questions, &faults);
  if (!index.ok() || !read.ok() || questions.empty()) {
    std::fprintf(stderr, "%s\n",
                 std::string((index.ok() ? read : index.status()).message()).c_str());
    return 1;
  }
  std::vector<double> best(questions.size(), 1e9);
  std::vector<std::vector<uint32_t>> found(questions.size());
  for (int pass = 0; pass < passes; ++pass) {
    for (size_t i = 0; i < questions.size(); ++i) {
      const double begin = Seconds();
      const auto hits = (*index)->Search(questions[i].text, results);
      best[i] = std::min(best[i], 1000 * (Seconds() - begin));
      if (!hits.ok() || pass > 0) continue;
      for (const auto& hit : *hits) found[i].push_back(hit.passage);
    }
  }
  std::vector<double> sorted = best;
  std::sort(sorted.begin(), sorted.end());
  double mean = 0;
  for (const double ms : sorted) mean += ms / sorted.size();
  const auto quantile = [&](double q) {
    return sorted[static_cast<size_t>(q * (sorted.size() - 1))];
  };
  if (as_json) {
    std::printf("%s\n", json({{"ms", best}, {"found", found}}).dump().c_str());
  } else {
    std::printf("%u passages, %zu searches, ms: mean %.3f, median %.3f, 99%% %.3f, worst %.3f\n",
                (*index)->size(), sorted.size(), mean, quantile(0.5), quantile(0.99),
                sorted.back());
  }
  return 0;
}

// The words of instructions searched for among 100,000 made-up products.
void ShopSearches(int passes) {
  constexpr int kProducts = 100'000, kTasks = 100;
  const Options options = {{"products", absl::StrCat(kProducts)}};
  const auto environment = Make("webshop", options);
  if (!environment.ok()) return;
  const auto catalogue = webshop::Catalogue::Make(webshop::MakeProducts(0, kProducts));
  const auto instance = (*environment)->NewInstance();
  std::vector<double> ms;
  for (const DifficultySpec& difficulty : (*environment)->spec().difficulties) {
    for (int index = 0; index < kTasks; ++index) {
      (void)instance->Reset({Split::kTrain, difficulty.difficulty, index});
      for (const std::string& action : instance->ValidActions()) {
        double best = 1e9;
        for (int pass = 0; pass < passes; ++pass) {
          const double begin = Seconds();
          (void)catalogue->index().Search(webshop::ParseShopAction(action).argument, 50);
          best = std::min(best, 1000 * (Seconds() - begin));
        }
        ms.push_back(best);
      }
    }
  }
  std::sort(ms.begin(), ms.end());
  double mean = 0;
  for (const double value : ms) mean += value / static_cast<double>(ms.size());
  std::printf("webshop: %d products, %zu searches, ms: mean %.3f, median %.3f, worst %.3f\n", kProducts,
              ms.size(), mean, ms[ms.size() / 2], ms.back());
}

// What an instance takes that is in the middle of its hardest task.
void Memory() {
  constexpr int kInstances = 1000;
  for (const std::string& name : Names()) {
    const auto environment = Make(name);
    if (!environment.ok()) continue;
    const int difficulty = (*environment)->spec().difficulties.back().difficulty;
    const auto play = [&](Instance& instance, int index) {
      (void)instance.Reset({Split::kTrain, difficulty, index});
      for (int step = 0; step < 3; ++step) {
        const auto advice = instance.Expert();
        if (advice.ok()) (void)instance.Step(advice->action);
      }
    };
    play(*(*environment)->NewInstance(), kInstances);  // what is shared is there afterwards
    const size_t before = mallinfo2().uordblks;
    std::vector<std::unique_ptr<Instance>> instances;
    for (int i = 0; i < kInstances; ++i) play(*instances.emplace_back((*environment)->NewInstance()), i);
    std::printf("%-32s %12.1f KiB an instance in play\n", name.c_str(),
                static_cast<double>(mallinfo2().uordblks - before) / 1024 / kInstances);
  }
}

using Chooser = std::function<absl::StatusOr<std::string>(Instance&)>;

struct Score {
  int solved = 0;
  int64_t turns = 0;  // of solved tasks
};

Score PlayAll(Instance& instance, int difficulty, int tasks, int turn_limit,
              const Chooser& choose) {
  Score score;
  for (int index = 0; index < tasks; ++index) {
    absl::StatusOr<Turn> turn = instance.Reset({Split::kTrain, difficulty, 45 + index});
    int turns = 0;
    while (turn.ok() && !turn->done && turns < turn_limit) {
      const auto action = choose(instance);
      if (!action.ok()) break;
      turn = instance.Step(*action);
      ++turns;
    }
    if (!turn.ok() || !turn->success) continue;
    ++score.solved;
    score.turns += turns;
  }
  return score;
}

void Players(int tasks) {
  Lcg generator(1);
  const Chooser random = [&](Instance& player) -> absl::StatusOr<std::string> {
    const std::vector<std::string> actions = player.ValidActions();
    return actions[generator.Below(actions.size())];
  };
  const auto advised = [](absl::StatusOr<Instance::Advice> advice) -> absl::StatusOr<std::string> {
    if (!advice.ok()) return advice.status();
    return advice->action;
  };
  const Chooser expert = [&](Instance& player) { return advised(player.Expert()); };
  const Chooser blind = [&](Instance& player) { return advised(player.GoalBlind()); };
  std::printf("%d tasks per difficulty; success within the limit of evaluation\n", tasks);
  std::printf("%-10s %-28s %8s %8s %8s %8s %8s\n", "", "difficulty", "expert", "in limit", "turns",
              "blind", "random");
  for (const std::string& name : Names()) {
    const auto environment = Make(name);
    if (!environment.ok()) continue;
    const auto instance = (*environment)->NewInstance();
    const int limit = (*environment)->spec().evaluation_turns;
    for (const DifficultySpec& difficulty : (*environment)->spec().difficulties) {
      const auto play = [&](int turn_limit, const Chooser& chooser) {
        return PlayAll(*instance, difficulty.difficulty, tasks, turn_limit, chooser);
      };
      const auto percent = [&](const Score& score) { return 100.0 * score.solved / tasks; };
      const Score any = play(400, expert);
      std::printf("%-10s %3d %-24s %7.1f%% %7.1f%% %8.1f %7.1f%% %7.1f%%\n", name.c_str(),
                  difficulty.difficulty, difficulty.name.c_str(), percent(any),
                  percent(play(limit, expert)),
                  static_cast<double>(any.turns) / std::max(1, any.solved),
                  percent(play(limit, blind)), percent(play(limit, random)));
    }
  }
}

}  // namespace
}  // namespace sojourn::envs

int main(int argc, char** argv) {
  namespace envs = sojourn::envs;
  CLI::App app("How fast one core plays the environments.", "env_bench");
  bool as_json = false, players = false, only_primitives = false;
  int seeds = 10, passes = 20, tasks = 100, results = 3;
  std::string index, questions;
  app.add_flag("--json", as_json, "print a JSON object for every row");
  app.add_flag("--primitives", only_primitives, "only MiniGrid's primitive steps");
  app.add_option("--seeds", seeds, "of each level of primitive steps")->check(CLI::PositiveNumber);
  app.add_option("--passes", passes, "how often everything is played")->check(CLI::PositiveNumber);
  app.add_flag("--players", players,
               "instead: how the expert, the goal-blind and the random player fare");
  app.add_option("--tasks", tasks, "of each difficulty for --players")->check(CLI::PositiveNumber);
  CLI::Option* search = app.add_option("--index", index, "instead: searches in a passage index");
  search->needs(app.add_option("--questions", questions, "what to search for (JSON lines)"));
  app.add_option("--results", results, "of a search")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  if (!index.empty()) return envs::Searches(index, questions, results, passes, as_json);
  if (players) {
    envs::Players(tasks);
    return 0;
  }
  if (!as_json) std::printf("%-32s %12s %12s\n", "one core", "steps/s", "resets/s");
  for (const char* level : envs::kLevels)
    envs::Print(envs::Primitives(level, seeds, passes), as_json);
  if (only_primitives) return 0;
  envs::Print(envs::TextPlay("alfworld", {}, "alfworld", passes), as_json);
  envs::Print(envs::TextPlay("babyai", {}, "babyai text", passes), as_json);
  envs::Print(envs::TextPlay("searchqa", {}, "searchqa", passes), as_json);
  envs::Print(envs::TextPlay("textcraft", {}, "textcraft", passes), as_json);
  envs::Print(
      envs::TextPlay("textcraft", {{"recipes", "fresh"}}, "textcraft, fresh recipes", passes),
      as_json);
  envs::Print(envs::TextPlay("webshop", {}, "webshop", passes), as_json);
  envs::Print(
      envs::TextPlay("webshop", {{"products", "100000"}}, "webshop, 100,000 products", passes),
      as_json);
  if (as_json) return 0;
  envs::ShopSearches(passes);
  envs::Memory();
  return 0;
}
