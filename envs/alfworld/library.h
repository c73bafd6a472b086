// What ALFWorld's instances share: the games of each split, made up or loaded from a folder.
#ifndef SOJOURN_ENVS_ALFWORLD_LIBRARY_H_
#define SOJOURN_ENVS_ALFWORLD_LIBRARY_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/alfworld/game.h"
#include "envs/alfworld/goal.h"
#include "envs/alfworld/household.h"
#include "envs/environment.h"

namespace sojourn::envs::alfworld {

// Immutable and thread-safe.
class Library {
 public:
  struct Entry {
    std::shared_ptr<const Game> game;
    std::string title;  // "pick_heat_then_place_in_recep-Apple-None-Fridge-14/trial_T2019..."
  };

  static std::shared_ptr<const Library> Generate(uint64_t seed, int receptacles);

  // All files *.tw-pddl in the folder and below, packed ones in *.tar.xz too. Folders decide the
  // split: "train" is for training; "valid_seen", "valid_unseen" and "valid_train" are for testing,
  // but that without games of "train" those of "valid_train" are for training. When one of the
  // splits has no games so, every game goes by a hash of its path, one in five to the test split. A
  // game to train on that shows the same at its start as one of the test split is left out.
  //
  // What was found, and what is wrong, is added to `report`. FailedPrecondition when there are no
  // games.
  static absl::StatusOr<std::shared_ptr<const Library>> Load(const std::string& folder,
                                                             DataReport* report);

  // InvalidArgument when there are no such games, with the difficulties that there are.
  absl::StatusOr<int64_t> TaskCount(Split split, int difficulty) const;

  // OutOfRange when there is no such task, else as TaskCount.
  absl::StatusOr<Entry> Get(const TaskId& task) const;

  // Games as AgentGym's server numbers them: first those to train on, then the test games. Of
  // made-up ones as many as AgentGym has, the kinds by turns.
  int64_t games() const;
  TaskId Numbered(int64_t game) const;  // 0 <= game < games()

 private:
  using Games = std::array<std::vector<Entry>, kKinds + 1>;  // by kind
  int64_t Count(Split split, int difficulty) const;

  bool is_generated_ = false;
  uint64_t seed_ = 0;
  int receptacles_ = 0;
  std::array<Games, 2> loaded_;  // by split
};

}  // namespace sojourn::envs::alfworld

#endif  // SOJOURN_ENVS_ALFWORLD_LIBRARY_H_
