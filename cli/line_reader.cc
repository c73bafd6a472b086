#include "cli/line_reader.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/time/clock.h"
#include "common/shutdown.h"

namespace sojourn::cli {
namespace {

constexpr size_t kLongestLine = 16 << 20;
constexpr absl::Duration kSlice = absl::Milliseconds(50);  // how late a request to stop is seen

}  // namespace

absl::StatusOr<std::optional<std::string>> LineReader::Next(absl::Time deadline) {
  size_t searched = 0;
  for (;;) {
    const size_t newline = buffer_.find('\n', searched);
    if (newline != std::string::npos || (ended_ && !buffer_.empty())) {
      std::string line = buffer_.substr(0, newline);
      buffer_.erase(0, newline == std::string::npos ? newline : newline + 1);
      return line;
    }
    if (ended_) return std::nullopt;
    searched = buffer_.size();
    if (searched > kLongestLine) return absl::ResourceExhaustedError("a line is too long");
    if (ShutdownRequested()) return absl::CancelledError("stopped");
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return absl::DeadlineExceededError("no line came in time");
    pollfd waiting{fd_, POLLIN, 0};
    const auto slice = absl::Ceil(std::min(left, kSlice), absl::Milliseconds(1));
    if (poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(slice))) <= 0) continue;
    char chunk[4096];
    const ssize_t count = read(fd_, chunk, sizeof(chunk));
    if (count < 0 && errno != EINTR && errno != EAGAIN) {
      return absl::ErrnoToStatus(errno, "reading a line");
    }
    if (count == 0) ended_ = true;
    if (count > 0) buffer_.append(chunk, count);
  }
}

}  // namespace sojourn::cli
