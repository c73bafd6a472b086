// Finds the game files in a folder.
#ifndef SOJOURN_ENVS_ALFWORLD_GAME_FOLDER_H_
#define SOJOURN_ENVS_ALFWORLD_GAME_FOLDER_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"

namespace sojourn::envs::alfworld {

// Calls `visit` with every file *.tw-pddl under `directory`, packed ones in *.tar.xz too: by its
// path below `directory` (in an archive: the archive's folder and the path in the archive), what to
// call it in an error, and its text or why that cannot be read. Folders are gone through in the
// order of names, archives in their own.
void ForEachGameFile(const std::string& directory,
                     const std::function<void(const std::string& name, const std::string& place,
                                              absl::StatusOr<std::string> text)>& visit);

}  // namespace sojourn::envs::alfworld

#endif  // SOJOURN_ENVS_ALFWORLD_GAME_FOLDER_H_
