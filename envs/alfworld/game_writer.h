// Writes made-up households as files of ALFWorld's form.
#ifndef SOJOURN_ENVS_ALFWORLD_GAME_WRITER_H_
#define SOJOURN_ENVS_ALFWORLD_GAME_WRITER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "envs/alfworld/library.h"

namespace sojourn::envs::alfworld {

// The expert's commands, as the walkthrough of a file. Internal when it does not get there.
absl::StatusOr<std::vector<std::string>> Walkthrough(std::shared_ptr<const Game> game);

// The text of a task's file, game.tw-pddl.
absl::StatusOr<std::string> GameFileText(uint64_t seed, const TaskId& task, int receptacles);

// FOLDER/train and FOLDER/valid_unseen, with the first `games` tasks of each kind: the same tasks
// as the library makes of the seed.
absl::Status WriteGames(const std::string& folder, uint64_t seed, int receptacles, int64_t games);

}  // namespace sojourn::envs::alfworld

#endif  // SOJOURN_ENVS_ALFWORLD_GAME_WRITER_H_
