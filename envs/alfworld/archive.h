// Files in a tar archive that xz has packed.
#ifndef SOJOURN_ENVS_ALFWORLD_ARCHIVE_H_
#define SOJOURN_ENVS_ALFWORLD_ARCHIVE_H_

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace sojourn::envs::alfworld {

// Calls `visit` with each regular file whose name ends in `suffix`, in the order of the archive.
// One file is held in memory at a time; one of more than `most_bytes` is given as an empty text.
// DataLoss when the archive is broken, after the files before the break; NotFound when there is
// none.
absl::Status ForEachFileInArchive(
    const std::string& path, std::string_view suffix, size_t most_bytes,
    const std::function<void(const std::string& name, std::string text)>& visit);

}  // namespace sojourn::envs::alfworld

#endif  // SOJOURN_ENVS_ALFWORLD_ARCHIVE_H_
