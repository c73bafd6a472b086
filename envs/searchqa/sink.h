// Where the builder of an index puts bytes: a file, or memory.
#ifndef SOJOURN_ENVS_SEARCHQA_SINK_H_
#define SOJOURN_ENVS_SEARCHQA_SINK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/mapped_file.h"

namespace sojourn::envs::searchqa {

// Append only. The first error is kept and what follows is dropped; Flush tells it.
class Sink {
 public:
  static std::unique_ptr<Sink> ToMemory();
  // Makes the file anew. It stays when the sink goes.
  static absl::StatusOr<std::unique_ptr<Sink>> ToFile(std::string path);
  ~Sink();
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  void Append(std::string_view bytes);
  template <typename T>
  void AppendValue(const T& value) {  // of plain data
    Append({reinterpret_cast<const char*>(&value), sizeof(value)});
  }
  uint64_t size() const { return size_; }
  const absl::Status& status() const { return status_; }

  // Writes `bytes` over the ones at the beginning, which must be as many.
  absl::Status Rewrite(std::string_view bytes);
  absl::Status Flush();
  absl::Status Sync();  // flushed, and on the disk

  // All that was appended, to be read; valid while the sink lives and nothing more is appended.
  absl::StatusOr<std::string_view> Read();
  std::string TakeMemory() { return std::move(buffer_); }

 private:
  explicit Sink(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  absl::Status Error(const char* doing) const;
  void WriteBuffer();

  const int fd_;  // -1: memory
  const std::string path_;
  std::string buffer_;  // all of it, or what is not in the file yet
  uint64_t size_ = 0;
  absl::Status status_;
  std::shared_ptr<MappedFile> mapped_;
};

}  // namespace sojourn::envs::searchqa

#endif  // SOJOURN_ENVS_SEARCHQA_SINK_H_
