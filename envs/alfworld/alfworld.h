// ALFWorld as an environment: household tasks in text. A task's difficulty is its kind: 1 look at
// something under a lamp, 2 put something somewhere, 3 to 5 clean, heat or cool it before, 6 put
// two.
#ifndef SOJOURN_ENVS_ALFWORLD_ALFWORLD_H_
#define SOJOURN_ENVS_ALFWORLD_ALFWORLD_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/alfworld/library.h"
#include "envs/alfworld/play.h"
#include "envs/environment.h"

namespace sojourn::envs {

const Spec& AlfWorldSpec();

// Options (defaults in the spec):
//   data         a folder of ALFWorld's games (library.h); "": households that are made up.
//   seed         of the households.
//   receptacles  a household has at most, 12 to 50.
//   action_list  which observations end with the admissible commands: first (as AgentGym's), all,
//   none.
//
// The reward is the original's: 1 when the goal is reached, else 0. A command is played exactly as
// it is written, but for white space around it; any other is invalid.
absl::StatusOr<std::unique_ptr<Environment>> MakeAlfWorld(const Options& options);

DataReport CheckAlfWorldData(const std::string& directory);

// What the options name, for those who play it otherwise (AgentGym's server).
absl::StatusOr<std::shared_ptr<const alfworld::Library>> LoadAlfWorldLibrary(
    const Options& options);

// How AgentGym's client of ALFWorld reads a response: what follows the last "Action:", white space
// and a final "</s>" taken off; "" when there is none.
absl::StatusOr<std::string> ReadAlfWorldAction(std::string_view response);

// What AgentGym's server makes of the engine's first text, and of its later ones.
std::string AgentGymIntro(std::string_view intro);
std::string AgentGymReply(std::string_view reply);

}  // namespace sojourn::envs

#endif  // SOJOURN_ENVS_ALFWORLD_ALFWORLD_H_
