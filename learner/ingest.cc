#include "learner/ingest.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"

namespace sojourn::learner {
namespace {

std::string NameOf(const v1::Trajectory& t) {
  return absl::StrCat("trajectory (", t.name().job_id(), ", arm ", t.name().arm(), ", group ",
                      t.name().group(), ", member ", t.member(), ")");
}

std::chrono::system_clock::time_point ToChrono(absl::Time time) {
  // A wait until the end of time overflows in the condition variable; a day is as good.
  return absl::ToChronoTime(std::min(time, absl::Now() + absl::Hours(24)));
}

}  // namespace

Ingest::Ingest(const IngestOptions& options)
    : options_(options),
      next_update_(options.first_update),
      window_base_(options.first_update + options.behind_updates) {}

absl::StatusOr<Ingest::Verdict> Ingest::Check(const v1::Trajectory& t) const {
  if (t.name().job_id() != options_.job_id || t.name().arm() != options_.arm) {
    return absl::InvalidArgumentError(absl::StrCat(NameOf(t), ": this learner trains (",
                                                   options_.job_id, ", arm ", options_.arm, ")"));
  }
  const uint64_t group = t.name().group();
  if (group % options_.ranks != options_.rank) {
    return absl::InvalidArgumentError(absl::StrCat(NameOf(t), ": the group belongs to rank ",
                                                   group % options_.ranks, " of ", options_.ranks,
                                                   "; this is rank ", options_.rank));
  }
  {
    std::lock_guard lock(mu_);
    const uint64_t update = group / options_.groups_per_update;
    if (update < next_update_) return Verdict::kKnown;
    if (group >= WindowEnd()) {
      return absl::OutOfRangeError(absl::StrCat(
          NameOf(t), ": beyond the window: ", next_update_, " updates are made, so groups below ",
          WindowEnd(), " are taken (", options_.groups_per_update, " per update, max_staleness ",
          options_.max_staleness, ")"));
    }
    const auto it = groups_.find(group);
    if (it != groups_.end() && t.member() < it->second.members.size() &&
        it->second.members[t.member()]) {
      return Verdict::kKnown;
    }
  }
  if (absl::Status status = Validate(t); !status.ok()) return status;
  return Verdict::kNew;
}

absl::Status Ingest::Validate(const v1::Trajectory& t) const {
  if (t.group_size() != options_.group_size) {
    return absl::InvalidArgumentError(absl::StrCat(NameOf(t), ": group_size is ", t.group_size(),
                                                   ", the job's is ", options_.group_size));
  }
  if (t.member() >= t.group_size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(NameOf(t), ": member must be less than group_size, ", t.group_size()));
  }
  const uint64_t update = t.name().group() / options_.groups_per_update;
  if (t.policy_version() > update) {
    return absl::InvalidArgumentError(absl::StrCat(
        NameOf(t), ": policy_version is ", t.policy_version(), ", but the group belongs to update ",
        update, ", which is played with that version at the latest"));
  }
  if (absl::Status status = options_.validate(t); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat(NameOf(t), ": ", status.message()));
  }
  return absl::OkStatus();
}

bool Ingest::Add(v1::Trajectory trajectory) {
  std::lock_guard lock(mu_);
  return AddLocked(std::move(trajectory));
}

bool Ingest::Replay(v1::Trajectory t) {
  const bool ours = t.name().job_id() == options_.job_id && t.name().arm() == options_.arm &&
                    t.name().group() % options_.ranks == options_.rank && Validate(t).ok();
  if (!ours) return false;
  std::lock_guard lock(mu_);
  return AddLocked(std::move(t));
}

bool Ingest::AddLocked(v1::Trajectory trajectory) {
  const uint64_t group = trajectory.name().group();
  if (group / options_.groups_per_update < next_update_) return false;
  Partial& partial = groups_[group];
  partial.members.resize(options_.group_size);
  std::optional<v1::Trajectory>& place = partial.members[trajectory.member()];
  if (place) return false;
  place = std::move(trajectory);
  if (++partial.present == options_.group_size) changed_.notify_all();
  return true;
}

uint64_t Ingest::FirstGroup(uint64_t update) const {
  const uint64_t first = update * options_.groups_per_update;
  return first + (options_.rank + options_.ranks - first % options_.ranks) % options_.ranks;
}

bool Ingest::WholeLocked(uint64_t update) const {
  for (uint64_t g = FirstGroup(update); g < (update + 1) * options_.groups_per_update;
       g += options_.ranks) {
    const auto it = groups_.find(g);
    if (it == groups_.end() || it->second.present < options_.group_size) return false;
  }
  return true;
}

absl::Status Ingest::WaitLocked(std::unique_lock<std::mutex>& lock, uint64_t update,
                                absl::Time deadline) {
  if (update != next_update_) {
    return absl::FailedPreconditionError(
        absl::StrCat("update ", update, " was asked for, but the next one is ", next_update_));
  }
  changed_.wait_until(lock, ToChrono(deadline),
                      [&] { return interrupted_ || WholeLocked(update); });
  if (std::exchange(interrupted_, false)) return absl::CancelledError("interrupted");
  if (!WholeLocked(update)) {
    return absl::DeadlineExceededError(
        absl::StrCat("update ", update, " waits for ", MissingLocked(update)));
  }
  return absl::OkStatus();
}

absl::Status Ingest::WaitUntilWhole(uint64_t update, absl::Time deadline) {
  std::unique_lock lock(mu_);
  return WaitLocked(lock, update, deadline);
}

absl::StatusOr<std::vector<v1::Trajectory>> Ingest::WaitForUpdate(uint64_t update,
                                                                  absl::Time deadline) {
  std::unique_lock lock(mu_);
  if (absl::Status status = WaitLocked(lock, update, deadline); !status.ok()) return status;
  std::vector<v1::Trajectory> trajectories;
  for (uint64_t g = FirstGroup(update); g < (update + 1) * options_.groups_per_update;
       g += options_.ranks) {
    auto node = groups_.extract(g);
    for (std::optional<v1::Trajectory>& member : node.mapped().members) {
      trajectories.push_back(*std::move(member));
    }
  }
  next_update_ = update + 1;
  window_base_ = std::max(window_base_, next_update_);
  return trajectories;
}

std::string Ingest::Missing(uint64_t update) const {
  std::lock_guard lock(mu_);
  return MissingLocked(update);
}

std::string Ingest::MissingLocked(uint64_t update) const {
  constexpr size_t kNamed = 4;
  std::vector<std::string> named;
  size_t more = 0;
  for (uint64_t g = FirstGroup(update); g < (update + 1) * options_.groups_per_update;
       g += options_.ranks) {
    const auto it = groups_.find(g);
    const uint32_t present = it == groups_.end() ? 0 : it->second.present;
    if (present == options_.group_size) continue;
    if (named.size() < kNamed) {
      named.push_back(
          absl::StrCat("group ", g, " (", present, " of ", options_.group_size, " episodes)"));
    } else {
      ++more;
    }
  }
  if (more > 0) named.push_back(absl::StrCat("and ", more, " more groups"));
  return absl::StrJoin(named, ", ");
}

std::vector<uint64_t> Ingest::MissingGroups(size_t most) const {
  std::lock_guard lock(mu_);
  std::vector<uint64_t> missing;
  for (uint64_t g = FirstGroup(next_update_);
       g < (next_update_ + 1) * options_.groups_per_update && missing.size() < most;
       g += options_.ranks) {
    const auto it = groups_.find(g);
    if (it == groups_.end() || it->second.present < options_.group_size) missing.push_back(g);
  }
  return missing;
}

std::vector<uint64_t> Ingest::WholeGroups() const {
  std::lock_guard lock(mu_);
  std::vector<uint64_t> whole;
  for (const auto& [index, partial] : groups_) {
    if (partial.present == options_.group_size) whole.push_back(index);
  }
  return whole;
}

size_t Ingest::waiting_trajectories() const {
  std::lock_guard lock(mu_);
  size_t count = 0;
  for (const auto& [index, partial] : groups_) count += partial.present;
  return count;
}

void Ingest::Interrupt() {
  {
    std::lock_guard lock(mu_);
    interrupted_ = true;
  }
  changed_.notify_all();
}

}  // namespace sojourn::learner
