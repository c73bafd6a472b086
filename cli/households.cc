// sojourn households: writes made-up ALFWorld games as files.
#include <cstdio>

#include "cli/command.h"
#include "envs/alfworld/game_writer.h"

namespace sojourn::cli {
namespace {

struct Arguments {
  std::string folder;
  uint64_t seed = 0;
  int receptacles = 20;
  int64_t games = 10;
};

int Write(const Arguments& a) {
  const absl::Status status = envs::alfworld::WriteGames(a.folder, a.seed, a.receptacles, a.games);
  if (!status.ok()) return Fail(status);
  std::printf("%s: train, valid_unseen: %lld games of each of six kinds\n", a.folder.c_str(),
              static_cast<long long>(a.games));
  return 0;
}

}  // namespace

void AddHouseholds(CLI::App& app, Action& action) {
  auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand(
      "households", "Write made-up games of the environment alfworld as files of ALFWorld's form");
  command->add_option("FOLDER", a->folder, "where to; it serves as option data=FOLDER")->required();
  command->add_option("--games", a->games, "of each split and kind of task")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->add_option("--receptacles", a->receptacles, "a household has at most")
      ->check(CLI::Range(envs::alfworld::kFewestReceptacles, envs::alfworld::kMostReceptacles))
      ->capture_default_str();
  command->add_option("--seed", a->seed, "of the households")->capture_default_str();
  command->footer(
      "They are the tasks that the environment makes of the same seed by itself.\n"
      "Example:\n"
      "  sojourn households data/alfworld --games 100");
  command->callback([a, &action] { action = [a] { return Write(*a); }; });
}

}  // namespace sojourn::cli
