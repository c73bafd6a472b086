// What the journal asks of the operating system, behind one interface so that tests can tear writes
// and fail syncs. Errors name the path.
#ifndef SOJOURN_LEARNER_JOURNAL_FILES_H_
#define SOJOURN_LEARNER_JOURNAL_FILES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sojourn::learner {

class AppendFile {
 public:
  virtual ~AppendFile() = default;
  // Writes the parts one after another at the end. After an error any prefix of them may be there.
  virtual absl::Status Append(const std::vector<std::string_view>& parts) = 0;
  virtual absl::Status Sync() = 0;  // what was appended survives the machine's crash
};

class JournalFiles {
 public:
  virtual ~JournalFiles() = default;
  virtual absl::Status MakeDirectory(const std::string& path) = 0;  // and missing parents
  virtual absl::StatusOr<std::vector<std::string>> List(
      const std::string& directory) = 0;  // file names
  virtual absl::StatusOr<std::string> Read(const std::string& path) = 0;
  virtual absl::StatusOr<std::unique_ptr<AppendFile>> Create(
      const std::string& path) = 0;  // must be new
  // Cuts the file off after `bytes`, and makes the rest survive the machine's crash.
  virtual absl::Status Settle(const std::string& path, uint64_t bytes) = 0;
  virtual absl::Status Remove(const std::string& path) = 0;
  virtual absl::Status SyncDirectory(
      const std::string& path) = 0;  // its files' names survive a crash
};

JournalFiles& PosixJournalFiles();  // lives forever

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_JOURNAL_FILES_H_
