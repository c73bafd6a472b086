// Whole files; errors name the path.
#ifndef SOJOURN_COMMON_FILES_H_
#define SOJOURN_COMMON_FILES_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sojourn {

// NotFound when there is no such file, else what errno says. Refuses files over `max_bytes`.
absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes = int64_t{1} << 31);

// The file is the old one or the new one, never half of it, after a crash too: writes PATH.part,
// syncs, renames, syncs the folder. Makes missing folders.
absl::Status WriteFileAtomically(const std::string& path, std::string_view content);

}  // namespace sojourn

#endif  // SOJOURN_COMMON_FILES_H_
