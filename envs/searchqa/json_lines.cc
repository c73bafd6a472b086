#include "envs/searchqa/json_lines.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sojourn::envs::searchqa {
namespace {

constexpr size_t kReadBytes = 1 << 18;

// How deep the brackets outside of strings go.
int Nesting(std::string_view text) {
  int depth = 0, most = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      most = std::max(most, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return most;
}

}  // namespace

absl::StatusOr<LineFile> LineFile::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot open"));
  struct stat info {};
  LineFile file(fd, path, 0);
  if (fstat(fd, &info) != 0) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot read"));
  if (S_ISDIR(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": is a directory; expected a file"));
  }
  file.bytes_ = info.st_size;
  return file;
}

LineFile::LineFile(LineFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      buffer_(std::move(other.buffer_)),
      line_(std::move(other.line_)),
      at_(other.at_),
      bytes_(other.bytes_),
      bytes_read_(other.bytes_read_),
      number_(other.number_),
      too_long_(other.too_long_),
      status_(std::move(other.status_)) {}

LineFile::~LineFile() {
  if (fd_ >= 0) close(fd_);
}

bool LineFile::Fill() {
  buffer_.resize(kReadBytes);
  at_ = 0;
  for (;;) {
    const ssize_t n = read(fd_, buffer_.data(), buffer_.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) status_ = absl::ErrnoToStatus(errno, absl::StrCat(path_, ": cannot read"));
    buffer_.resize(std::max<ssize_t>(n, 0));
    bytes_read_ += buffer_.size();
    return n > 0;
  }
}

bool LineFile::Next(std::string_view* line) {
  line_.clear();
  too_long_ = false;
  bool any = false;
  for (;;) {
    if (at_ == buffer_.size() && !Fill()) break;
    any = true;
    const size_t newline = buffer_.find('\n', at_);
    const size_t end = std::min(newline, buffer_.size());
    const std::string_view part(buffer_.data() + at_, end - at_);
    const bool whole = newline != std::string::npos;
    at_ = whole ? end + 1 : end;
    if (whole && line_.empty()) {
      ++number_;
      too_long_ = part.size() > kMaxLineBytes;
      *line = part;
      return true;
    }
    const size_t room = kMaxLineBytes - line_.size();
    too_long_ = too_long_ || part.size() > room;
    line_.append(part.substr(0, room));
    if (whole) break;
  }
  if (!any || !status_.ok()) return false;
  ++number_;
  *line = line_;
  return true;
}

absl::StatusOr<nlohmann::json> ParseObject(std::string_view line) {
  if (Nesting(line) > kMaxNesting) {
    return absl::InvalidArgumentError(
        absl::StrCat("nested deeper than ", kMaxNesting, " brackets; expected a flat JSON object"));
  }
  nlohmann::json object = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (object.is_discarded()) {
    return absl::InvalidArgumentError("not JSON in UTF-8; expected one object a line");
  }
  if (!object.is_object()) return absl::InvalidArgumentError("not a JSON object");
  return object;
}

const std::string* FindString(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : found->get_ptr<const std::string*>();
}

}  // namespace sojourn::envs::searchqa
