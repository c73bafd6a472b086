// Recordings of the original environments' servers: files of JSON lines, bare or packed by xz. What
// replays them (ReplayEpisode of each environment, ReplayClientParse) stands beside what it checks.
#ifndef SOJOURN_ENVS_RECORDINGS_H_
#define SOJOURN_ENVS_RECORDINGS_H_

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sojourn::envs {

// The text of a file; a path that ends in .xz is unpacked. NotFound when there is no such file.
absl::StatusOr<std::string> ReadRecordingText(const std::string& path);

// The lines of such a text. InvalidArgument names the line that is no JSON.
absl::StatusOr<std::vector<nlohmann::json>> ReadRecording(const std::string& path);

// Compares one recorded line with what ours does; every difference in words.
using Replay = std::function<absl::StatusOr<std::vector<std::string>>(const nlohmann::json& line)>;

// The differences of all lines of a file, each with its line's number before it.
absl::StatusOr<std::vector<std::string>> ReplayRecording(const std::string& path,
                                                         const Replay& replay);

}  // namespace sojourn::envs

#endif  // SOJOURN_ENVS_RECORDINGS_H_
