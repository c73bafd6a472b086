// What the coordinator must not forget, in one SQLite file (WAL, synchronous=FULL: a committed
// transaction survives the end of the process and of the machine).
//
// Every method that writes is one transaction: after a crash it happened in whole or not at all.
// Nothing here decides anything. Not thread-safe: the coordinator calls it under its lock.
//
// Which groups were delivered is not stored: the learners' journals know, and say so whenever a
// rendezvous is made (LearnerReady).
#ifndef SOJOURN_COORDINATOR_STORE_H_
#define SOJOURN_COORDINATOR_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/curriculum.h"

struct sqlite3;
struct sqlite3_stmt;

namespace sojourn::coordinator {

struct StoredJob {
  JobPlan plan;
  std::string run_directory;
  v1::JobState state = v1::QUEUED;
  std::string error;  // why it FAILED
  CurriculumState curriculum;
  uint64_t generation = 0;  // of the newest rendezvous
  double seconds = 0;       // running, pauses left out, when last stored
};

// What is stored together with an event.
struct EventRecord {
  Event event;
  CurriculumState state;  // after it
  std::vector<v1::Assignment> planned;
  std::optional<v1::UpdateRecord> update;
  std::optional<v1::CheckpointSaved> checkpoint;
  double seconds = 0;
  bool succeeded = false;  // the job is over with this event
};

class Store {
 public:
  // Opens or makes the file. FailedPrecondition when another version of Sojourn wrote it.
  static absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& path);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // The job that a request made before, or a new one.
  absl::StatusOr<std::optional<std::string>> FindRequest(const std::string& request_id);
  absl::Status AddJob(const StoredJob& job, const std::string& request_id);

  absl::StatusOr<std::vector<StoredJob>> LoadJobs();  // in the order they were submitted
  absl::Status SetState(const std::string& job, v1::JobState state, const std::string& error,
                        double seconds);
  absl::Status SetGeneration(const std::string& job, uint64_t generation);

  absl::Status Append(const std::string& job, uint32_t arm, const EventRecord& record);
  absl::StatusOr<std::vector<Event>> LoadEvents(const std::string& job);

  // Training groups at or past `first`, in order.
  absl::StatusOr<std::vector<v1::Assignment>> LoadGroups(const std::string& job, uint32_t arm,
                                                         uint64_t first);
  // False when the result (by row, group and member) was there already; the first one stays.
  absl::StatusOr<bool> AddResult(const v1::EpisodeResult& result);
  absl::StatusOr<std::vector<v1::EpisodeResult>> LoadResults(const std::string& job, uint32_t arm,
                                                             uint32_t row);
  absl::StatusOr<uint64_t> CountResults(const std::string& job);
  absl::StatusOr<std::vector<v1::UpdateRecord>> LoadUpdates(const std::string& job, uint32_t arm);
  absl::StatusOr<std::vector<v1::CheckpointSaved>> LoadCheckpoints(const std::string& job,
                                                                   uint32_t arm);

 private:
  class Statement;
  explicit Store(sqlite3* database) : database_(database) {}
  absl::Status Execute(const char* sql);
  absl::Status Transact(const std::function<absl::Status()>& body);
  // Every row's first column, parsed as a message.
  template <typename Message>
  absl::StatusOr<std::vector<Message>> LoadMessages(Statement& statement);
  absl::Status Error(const std::string& doing) const;

  sqlite3* const database_;
};

}  // namespace sojourn::coordinator

#endif  // SOJOURN_COORDINATOR_STORE_H_
