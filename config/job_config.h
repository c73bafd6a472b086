// Job configurations: a YAML file with JobConfig's field names (proto/sojourn/v1/job.proto), defaults
// filled in, checked in full before anything starts.
#ifndef SOJOURN_CONFIG_JOB_CONFIG_H_
#define SOJOURN_CONFIG_JOB_CONFIG_H_

#include <string>

#include "absl/status/statusor.h"
#include "sojourn/v1/job.pb.h"

namespace sojourn::config {

// Reads, resolves (defaults, paths relative to the file, seeds into arms) and validates. The error lists
// every fault found, one a line, each `path: reason; suggestion`, with the line in the file where known.
absl::StatusOr<v1::JobConfig> LoadJobConfig(const std::string& path);

// The same from text; `path` is for messages and as the base of relative paths.
absl::StatusOr<v1::JobConfig> ParseJobConfig(const std::string& yaml, const std::string& path);

// What a file that says nothing has; and what is done with what a file says: resolved and validated.
v1::JobConfig DefaultJobConfig();
absl::StatusOr<v1::JobConfig> ResolveJobConfig(v1::JobConfig config, const std::string& path);

// What can be said against a resolved configuration: impossible values, unknown names, and settings that
// could only deadlock or never learn. Reads the model's config.json when it is there.
absl::Status ValidateJobConfig(const v1::JobConfig& config);

// The resolved whole, as YAML that LoadJobConfig reads back to the same message.
std::string JobConfigYaml(const v1::JobConfig& config);

}  // namespace sojourn::config

#endif  // SOJOURN_CONFIG_JOB_CONFIG_H_
