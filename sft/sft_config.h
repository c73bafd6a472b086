// Configurations of `sojourn sft`: YAML with SftConfig's field names (proto/sojourn/v1/sft.proto).
#ifndef SOJOURN_SFT_SFT_CONFIG_H_
#define SOJOURN_SFT_SFT_CONFIG_H_

#include <string>

#include "absl/status/statusor.h"
#include "sojourn/v1/sft.pb.h"

namespace sojourn::sft {

// Reads, fills in defaults and checks; the error lists every fault, one a line.
absl::StatusOr<v1::SftConfig> LoadSftConfig(const std::string& path);

}  // namespace sojourn::sft

#endif  // SOJOURN_SFT_SFT_CONFIG_H_
