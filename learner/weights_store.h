// The policy versions that this learner hands out: immutable bytes with their manifest.
#ifndef SOJOURN_LEARNER_WEIGHTS_STORE_H_
#define SOJOURN_LEARNER_WEIGHTS_STORE_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sojourn/v1/weights.pb.h"

namespace sojourn::learner {

inline constexpr uint32_t kChunkBytes = 1 << 20;

struct PolicyVersion {
  v1::WeightsManifest manifest;
  std::string bytes;  // the tensors one after another, in the manifest's order
};
using PolicyVersionPtr = std::shared_ptr<const PolicyVersion>;

// Thread-safe. Keeps the newest `keep` versions of one arm, and the pinned one.
class WeightsStore {
 public:
  WeightsStore();
  ~WeightsStore();

  // Forgets all versions, and from now on holds this arm's.
  void StartArm(const std::string& job_id, uint32_t arm, size_t keep);

  // InvalidArgument when the sizes do not add up. AlreadyExists when the version is there with
  // other bytes: a version never changes. The same bytes again are fine. Versions come in ascending
  // order.
  absl::Status Publish(uint64_t version, std::vector<v1::TensorInfo> tensors, std::string bytes);

  // Keeps `version`, if it is here, until the next Pin or arm.
  void Pin(uint64_t version);

  // NotFound when the version is gone or another arm is trained; DeadlineExceeded when it is not
  // made by then. Both say what there is. `done` is called exactly once, at once or on another
  // thread; Unavailable after Close.
  using Done = std::function<void(absl::StatusOr<PolicyVersionPtr>)>;
  void Wait(const std::string& job_id, uint32_t arm, uint64_t version, absl::Time deadline,
            Done done);
  // The same without waiting; Unavailable when there is nothing at all yet.
  absl::StatusOr<PolicyVersionPtr> Find(const std::string& job_id, uint32_t arm,
                                        uint64_t version) const;

  std::vector<PolicyVersionPtr> All() const;  // ascending
  void Close();                               // ends all waits, now and from now on

  // Beside a checkpoint at `version`: makes `directory` hold the older versions that are kept, so
  // that a restarted learner can still hand out what outstanding groups name. RemoveStale comes
  // after the checkpoint is written.
  absl::Status SaveOlder(const std::string& directory, uint64_t version) const;
  absl::Status RemoveStale(const std::string& directory) const;
  // Publishes the saved versions older than `version`: [version - (keep - 1), version), and pins
  // the newest one before those. A damaged file is skipped with a warning.
  absl::Status LoadOlder(const std::string& directory, uint64_t version);

 private:
  struct Waiter {
    std::string job_id;
    uint32_t arm;
    uint64_t version;
    absl::Time deadline;
    Done done;
  };
  using Answers = std::vector<std::function<void()>>;

  // The answer, or nullopt: wait.
  std::optional<absl::StatusOr<PolicyVersionPtr>> AnswerLocked(const std::string& job_id,
                                                               uint32_t arm,
                                                               uint64_t version) const;
  std::string WhatThereIsLocked() const;
  Answers TakeAnswersLocked();
  void EvictLocked();
  void RunTimer();

  mutable std::mutex mu_;            // guards what follows
  std::condition_variable changed_;  // an earlier deadline, or closing
  std::string job_id_;               // empty: no arm
  uint32_t arm_ = 0;
  size_t keep_ = 1;
  std::map<uint64_t, PolicyVersionPtr> versions_;
  std::optional<uint64_t> pinned_;
  std::list<Waiter> waiters_;
  bool closed_ = false;

  std::thread timer_;
};

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_WEIGHTS_STORE_H_
