// A learner rank's checkpoints: all it needs, with its journal, to go on as if nothing had
// happened.
//
// DIRECTORY/version-NNNNNNNN/ holds model.safetensors, optimizer.safetensors, and state.json
// (version, arm, optimizer steps, rank updates not acknowledged yet, SHA-256 of the two files). A
// checkpoint is written beside, synced, then renamed: it is whole or it is not there.
#ifndef SOJOURN_LEARNER_CHECKPOINT_H_
#define SOJOURN_LEARNER_CHECKPOINT_H_

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "learner/trainer.h"
#include "sojourn/v1/fleet.pb.h"

namespace sojourn::learner {

struct Checkpoint {
  std::string job_id;
  uint32_t arm = 0;
  TrainerState state;
  std::vector<v1::RankUpdate> unacknowledged;  // to be reported again after a restart
};

// Writes state.version's checkpoint (taking the place of one with the same version), then removes
// all but the newest `keep` and what earlier crashes left half-written. One writer per directory.
absl::Status WriteCheckpoint(const std::string& directory, const Checkpoint& checkpoint,
                             int keep = 2);

// The newest whole checkpoint of this job and arm whose version is at most `max_version`. A broken
// one is skipped with a warning in the log. NotFound: there is none (or no such directory).
absl::StatusOr<Checkpoint> FindNewestCheckpoint(
    const std::string& directory, const std::string& job_id, uint32_t arm,
    uint64_t max_version = std::numeric_limits<uint64_t>::max());

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_CHECKPOINT_H_
