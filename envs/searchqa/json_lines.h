// Files of one JSON object a line, in bounded memory, whoever wrote them.
#ifndef SOJOURN_ENVS_SEARCHQA_JSON_LINES_H_
#define SOJOURN_ENVS_SEARCHQA_JSON_LINES_H_

#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sojourn::envs::searchqa {

inline constexpr size_t kMaxLineBytes = 4 << 20;
inline constexpr int kMaxNesting = 16;

// A file's lines, one after another.
class LineFile {
 public:
  static absl::StatusOr<LineFile> Open(const std::string& path);
  LineFile(LineFile&& other) noexcept;
  LineFile& operator=(LineFile&&) = delete;
  ~LineFile();

  // The next line, without its end, valid until the next call; false at the end of the file. A line
  // of more than kMaxLineBytes is cut, which too_long() tells. An error of reading ends the file
  // and is told by status().
  bool Next(std::string_view* line);
  bool too_long() const { return too_long_; }
  int64_t number() const { return number_; }  // of the line, from 1
  int64_t bytes_read() const { return bytes_read_; }
  int64_t bytes() const { return bytes_; }  // of the file
  absl::Status status() const { return status_; }

 private:
  LineFile(int fd, std::string path, int64_t bytes)
      : fd_(fd), path_(std::move(path)), bytes_(bytes) {}
  bool Fill();

  int fd_;
  std::string path_;
  std::string buffer_, line_;
  size_t at_ = 0;
  int64_t bytes_, bytes_read_ = 0, number_ = 0;
  bool too_long_ = false;
  absl::Status status_;
};

// InvalidArgument says what is wrong with the line: "not JSON", "not a JSON object", ...
absl::StatusOr<nlohmann::json> ParseObject(std::string_view line);

// The string of a member, or null.
const std::string* FindString(const nlohmann::json& object, const char* name);

}  // namespace sojourn::envs::searchqa

#endif  // SOJOURN_ENVS_SEARCHQA_JSON_LINES_H_
