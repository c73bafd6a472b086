// A whole file in memory, mapped: read from the disk as it is used.
#ifndef SOJOURN_COMMON_MAPPED_FILE_H_
#define SOJOURN_COMMON_MAPPED_FILE_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sojourn {

// The mapping is private: what is written to it stays in this process. It outlives the file's name; a file
// that is cut short in place meanwhile ends the process, so files are replaced, never shortened.
class MappedFile {
 public:
  // NotFound, FailedPrecondition (a folder), else what errno says.
  static absl::StatusOr<std::shared_ptr<MappedFile>> Open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::string_view bytes() const { return {data_, size_}; }
  char* data() { return data_; }

 private:
  MappedFile(char* data, size_t size) : data_(data), size_(size) {}
  char* const data_;
  const size_t size_;
};

}  // namespace sojourn

#endif  // SOJOURN_COMMON_MAPPED_FILE_H_
