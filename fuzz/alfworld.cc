#include <cstdint>
#include <string_view>

#include "envs/alfworld/expert.h"
#include "envs/alfworld/game_file.h"
#include "envs/alfworld/play.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A file game.tw-pddl, and behind a zero byte what chooses commands.
  using namespace sojourn::envs::alfworld;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\0'), input.size());
  static auto& reader = *new GameReader;
  const auto file = reader.Parse(input.substr(0, end));
  if (!file.ok()) return 0;
  Play play(file->game);
  (void)play.Intro();
  Expert expert;
  expert.Reset(play);
  for (const char c : input.substr(end, 30)) {
    const auto& commands = play.admissible();
    if (commands.empty()) __builtin_trap();
    for (size_t i = 1; i < commands.size(); ++i) {
      if (!(commands[i - 1].text < commands[i].text)) __builtin_trap();
    }
    const std::string command = commands[static_cast<uint8_t>(c) % commands.size()].text;
    expert.Note(play.Step(command));
    if (file->game->goal().aim().has_value()) {
      (void)expert.Advise(play, *file->game->goal().aim());
      (void)OtherAim(play, *file->game->goal().aim());
      const double progress = Progress(play, *file->game->goal().aim());
      if (!(progress >= 0 && progress <= 1)) __builtin_trap();
    }
  }
  (void)play.Step(input.substr(end));
  for (const std::string& command : file->walkthrough) (void)play.Step(command);
  return 0;
}
