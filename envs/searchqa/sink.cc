#include "envs/searchqa/sink.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace sojourn::envs::searchqa {
namespace {

constexpr size_t kBufferBytes = 1 << 20;

}  // namespace

std::unique_ptr<Sink> Sink::ToMemory() { return std::unique_ptr<Sink>(new Sink(-1, "")); }

absl::StatusOr<std::unique_ptr<Sink>> Sink::ToFile(std::string path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot create"));
  return std::unique_ptr<Sink>(new Sink(fd, std::move(path)));
}

Sink::~Sink() {
  if (fd_ >= 0) close(fd_);
}

absl::Status Sink::Error(const char* doing) const {
  return absl::ErrnoToStatus(errno, absl::StrCat(path_, ": cannot ", doing));
}

void Sink::Append(std::string_view bytes) {
  buffer_.append(bytes);
  size_ += bytes.size();
  if (fd_ >= 0 && buffer_.size() >= kBufferBytes) WriteBuffer();
}

void Sink::WriteBuffer() {
  std::string_view rest = buffer_;
  while (status_.ok() && !rest.empty()) {
    const ssize_t n = write(fd_, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      status_ = Error("write");
    else
      rest.remove_prefix(n);
  }
  buffer_.clear();
}

absl::Status Sink::Rewrite(std::string_view bytes) {
  if (fd_ < 0) {
    buffer_.replace(0, bytes.size(), bytes);
    return absl::OkStatus();
  }
  if (absl::Status flushed = Flush(); !flushed.ok()) return flushed;
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = pwrite(fd_, bytes.data() + done, bytes.size() - done, done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return status_ = Error("write");
    done += n;
  }
  return absl::OkStatus();
}

absl::Status Sink::Flush() {
  if (fd_ >= 0) WriteBuffer();
  return status_;
}

absl::Status Sink::Sync() {
  if (absl::Status flushed = Flush(); !flushed.ok()) return flushed;
  if (fd_ >= 0 && fsync(fd_) != 0) return Error("sync");
  return absl::OkStatus();
}

absl::StatusOr<std::string_view> Sink::Read() {
  if (fd_ < 0) return buffer_;
  if (absl::Status flushed = Flush(); !flushed.ok()) return flushed;
  auto mapped = MappedFile::Open(path_);
  if (!mapped.ok()) return mapped.status();
  mapped_ = *std::move(mapped);
  return mapped_->bytes();
}

}  // namespace sojourn::envs::searchqa
