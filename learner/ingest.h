// Puts a rank's groups together from trajectories that arrive in any order, any number of times.
//
// Update u needs the groups [u * groups_per_update, (u + 1) * groups_per_update); this rank has
// those with group % ranks == rank. What has not been used yet is bounded by the window that the
// coordinator's admission keeps as well: (1 + max_staleness) updates from the first unused one.
#ifndef SOJOURN_LEARNER_INGEST_H_
#define SOJOURN_LEARNER_INGEST_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sojourn/v1/trajectory.pb.h"

namespace sojourn::learner {

struct IngestOptions {
  std::string job_id;
  uint32_t arm = 0;
  uint32_t rank = 0, ranks = 1;
  uint32_t group_size = 0;
  uint32_t groups_per_update = 0;  // divisible by ranks
  uint32_t max_staleness = 0;
  uint64_t first_update = 0;  // the version of the checkpoint: earlier groups are used already
  // How many updates past the checkpoint the coordinator may have counted already: it issues groups
  // from there. Widens the window until the learner has caught up.
  uint64_t behind_updates = 0;
  // Why the content of a trajectory could never be trained on; it is refused on arrival. Called on
  // many threads at once.
  std::function<absl::Status(const v1::Trajectory&)> validate;
};

// Thread-safe.
class Ingest {
 public:
  explicit Ingest(const IngestOptions& options);

  enum class Verdict {
    kNew,    // wanted: journal it, then Add it
    kKnown,  // here already, or its group is used already: acknowledge it
  };
  // InvalidArgument: malformed, or not this job's or rank's. OutOfRange: beyond the window. Both
  // say what was expected; the trajectory is refused for good.
  absl::StatusOr<Verdict> Check(const v1::Trajectory& trajectory) const;

  // Takes a checked trajectory. False: it came a second time, or its group is used already;
  // dropped.
  bool Add(v1::Trajectory trajectory);

  // As Add, for a record of the journal: it was checked in an earlier life, but the journal may
  // hold what is not wanted any more.
  bool Replay(v1::Trajectory trajectory);

  // Waits until this rank's groups of update `update`, the next unused one, are whole; takes them
  // out, sorted by (group, member), and moves the window on. DeadlineExceeded names what is
  // missing; Cancelled after Interrupt.
  absl::StatusOr<std::vector<v1::Trajectory>> WaitForUpdate(uint64_t update, absl::Time deadline);

  // The same without taking them: OK when all is there.
  absl::Status WaitUntilWhole(uint64_t update, absl::Time deadline);

  // What WaitForUpdate(update) waits for: "group 12 (5 of 8 episodes), group 14 (0 of 8 episodes),
  // and 3 more groups"; empty when all is there.
  std::string Missing(uint64_t update) const;

  std::vector<uint64_t> MissingGroups(size_t most) const;  // the first ones of the next update
  std::vector<uint64_t> WholeGroups() const;  // unused ones, ascending
  size_t waiting_trajectories() const;        // taken in, not used

  void Interrupt();  // the present, or else the next, WaitForUpdate returns at once

 private:
  struct Partial {
    uint32_t present = 0;
    std::vector<std::optional<v1::Trajectory>> members;
  };

  bool AddLocked(v1::Trajectory trajectory);
  absl::Status WaitLocked(std::unique_lock<std::mutex>& lock, uint64_t update, absl::Time deadline);
  absl::Status Validate(const v1::Trajectory& trajectory) const;
  uint64_t WindowEnd() const {
    return (window_base_ + 1 + options_.max_staleness) * options_.groups_per_update;
  }
  std::string MissingLocked(uint64_t update) const;
  uint64_t FirstGroup(uint64_t update) const;  // of this rank
  bool WholeLocked(uint64_t update) const;

  const IngestOptions options_;
  mutable std::mutex mu_;  // guards what follows
  std::condition_variable changed_;
  std::map<uint64_t, Partial> groups_;
  uint64_t next_update_;  // the first unused one
  uint64_t window_base_;  // >= next_update_
  bool interrupted_ = false;
};

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_INGEST_H_
