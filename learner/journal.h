// The learner's journal: what it must still have after a crash, written before it is acknowledged.
//
// A directory of segments 00000001.journal, 00000002.journal, ... Each is a row of records:
//
//   length u32 | crc32c u32, of what follows | group u64 | payload, `length` bytes (little-endian)
//
// Appends are committed in groups. One thread writes what has gathered; another syncs all that is
// written by then, once, and calls back; so the disk is kept busy while the next records are being
// written. Every opening, every failed write and every Prune starts a new segment, so a torn record
// is always the end of its segment, and segments go as a whole.
#ifndef SOJOURN_LEARNER_JOURNAL_H_
#define SOJOURN_LEARNER_JOURNAL_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "learner/journal_files.h"

namespace sojourn::learner {

struct JournalOptions {
  std::string directory;  // made when absent; one writer at a time
  // true: a record is acknowledged after fdatasync and survives the machine. false: after write,
  // and survives the process (SIGKILL) but not the machine; what is lost is played again.
  bool sync = true;
  uint64_t segment_bytes = 64 << 20;      // a longer segment is followed by a new one
  uint64_t max_queued_bytes = 512 << 20;  // appended, not acknowledged
};

class Journal {
 public:
  // Reads what earlier lives wrote, in order, then takes appends. A record that is torn or corrupt
  // ends its segment: it and what follows it there are cut off, with a warning. `visit` may see a
  // record twice when its sender sent it twice.
  using Visit = std::function<void(uint64_t group, std::string_view payload)>;
  static absl::StatusOr<std::unique_ptr<Journal>> Open(const JournalOptions& options,
                                                       const Visit& visit,
                                                       JournalFiles& files = PosixJournalFiles());
  ~Journal();  // writes what is queued and calls its callbacks first

  // Queues a record and returns at once. `done` is called exactly once, on the journal's thread, in
  // the order of appending: OK when the record is in the journal; another status when it may be
  // lost (it may also be there: the sender sends again, and twice is once). ResourceExhausted, and
  // `done` is never called, when the queue is full.
  using Done = std::function<void(const absl::Status&)>;
  absl::Status Append(uint64_t group, absl::Cord payload, Done done);

  // Nothing before `group` is needed any more: deletes the segments that hold only such records.
  void Prune(uint64_t group);

  struct Stats {
    uint64_t records = 0, bytes = 0, syncs = 0;     // acknowledged by this object
    double write_seconds = 0, sync_seconds = 0;     // at the same time, in two threads
    uint64_t queued_records = 0, queued_bytes = 0;  // now: not acknowledged
    uint64_t segments = 0;
  };
  Stats stats() const;

 private:
  struct Record {
    uint64_t group;
    absl::Cord payload;
    Done done;
  };
  // What one write put into one file.
  struct Batch {
    std::deque<Record> records;
    std::shared_ptr<AppendFile> file;
    absl::Status status;
    uint64_t bytes = 0;
  };
  struct Segment {
    std::string path;
    uint64_t bytes = 0;
    uint64_t max_group = 0;
  };

  Journal(const JournalOptions& options, JournalFiles& files) : options_(options), files_(files) {}
  absl::Status Recover(const Visit& visit);
  absl::Status RecoverSegment(const std::string& path, const Visit& visit);
  void RunWriter();
  void RunSyncer();
  absl::Status Write(Batch& batch);
  absl::Status StartSegment(uint64_t bytes, uint64_t max_group);
  void Settle(std::deque<Batch>& batches);

  const JournalOptions options_;
  JournalFiles& files_;
  std::shared_ptr<AppendFile> active_;  // the writer's: the last of segments_, or null
  // The syncer's: a sync of these failed, so no later one counts. Several at once: a batch of one may
  // still be waiting when the next one fails.
  std::set<std::shared_ptr<AppendFile>> broken_;
  uint64_t next_number_ = 1;            // the writer's

  mutable std::mutex mu_;  // guards what follows
  std::condition_variable changed_;
  std::deque<Record> queue_;   // to be written
  std::deque<Batch> written_;  // to be synced
  std::vector<Segment> segments_;
  Stats stats_;
  bool new_segment_ = true;  // the next batch begins one
  bool closing_ = false, writer_ended_ = false;

  std::thread writer_, syncer_;
};

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_JOURNAL_H_
