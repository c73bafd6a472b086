#include "envs/alfworld/game_writer.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/files.h"
#include "envs/alfworld/expert.h"
#include "envs/alfworld/play.h"

namespace sojourn::envs::alfworld {
namespace {

constexpr int kMostTurns = 200;

}  // namespace

absl::StatusOr<std::vector<std::string>> Walkthrough(std::shared_ptr<const Game> game) {
  if (!game->goal().aim().has_value()) {
    return absl::InternalError("the goal is of none of ALFWorld's six kinds");
  }
  Play play(std::move(game));
  Expert expert;
  expert.Reset(play);
  std::vector<std::string> commands;
  while (!play.won()) {
    const auto advice = expert.Advise(play, *play.game().goal().aim());
    if (!advice.ok()) return absl::InternalError(advice.status().message());
    if (commands.size() == kMostTurns) return absl::InternalError("the expert goes in circles");
    commands.push_back(advice->action);
    expert.Note(play.Step(advice->action));
  }
  return commands;
}

absl::StatusOr<std::string> GameFileText(uint64_t seed, const TaskId& task, int receptacles) {
  const Household household =
      MakeHousehold(seed, task.split, static_cast<Kind>(task.difficulty), task.index, receptacles);
  auto game = MakeGame(household);
  if (!game.ok()) return game.status();
  const auto walkthrough = Walkthrough(*std::move(game));
  if (!walkthrough.ok()) return walkthrough.status();
  return HouseholdText(household, *walkthrough);
}

absl::Status WriteGames(const std::string& folder, uint64_t seed, int receptacles, int64_t games) {
  for (const Split split : {Split::kTrain, Split::kTest}) {
    for (int kind = 1; kind <= kKinds; ++kind) {
      for (int64_t index = 0; index < games; ++index) {
        const TaskId task{split, kind, index};
        const auto text = GameFileText(seed, task, receptacles);
        if (!text.ok()) return text.status();
        const Household household =
            MakeHousehold(seed, split, static_cast<Kind>(kind), index, receptacles);
        const std::string path = absl::StrFormat("%s/%s/%s/trial_%08d/game.tw-pddl", folder,
                                                 split == Split::kTrain ? "train" : "valid_unseen",
                                                 household.title, index);
        absl::Status status = WriteFileAtomically(path, *text);
        if (!status.ok()) return status;
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace sojourn::envs::alfworld
