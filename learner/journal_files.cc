#include "learner/journal_files.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "common/files.h"

namespace sojourn::learner {
namespace {

absl::Status ErrnoError(const std::string& path, const char* what) {
  return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot ", what));
}

class PosixAppendFile : public AppendFile {
 public:
  PosixAppendFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixAppendFile() override { close(fd_); }

  absl::Status Append(const std::vector<std::string_view>& parts) override {
    std::vector<iovec> pending;
    pending.reserve(parts.size());
    for (std::string_view part : parts) {
      if (!part.empty()) pending.push_back({const_cast<char*>(part.data()), part.size()});
    }
    for (size_t first = 0; first < pending.size();) {
      const size_t count = std::min<size_t>(pending.size() - first, IOV_MAX);
      ssize_t written = writev(fd_, &pending[first], static_cast<int>(count));
      if (written < 0) {
        if (errno == EINTR) continue;
        return ErrnoError(path_, "write");
      }
      for (; first < pending.size() && written >= static_cast<ssize_t>(pending[first].iov_len);
           ++first) {
        written -= static_cast<ssize_t>(pending[first].iov_len);
      }
      if (written > 0) {
        pending[first].iov_base = static_cast<char*>(pending[first].iov_base) + written;
        pending[first].iov_len -= written;
      }
    }
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    return fdatasync(fd_) == 0 ? absl::OkStatus() : ErrnoError(path_, "sync");
  }

 private:
  const int fd_;
  const std::string path_;
};

class Posix : public JournalFiles {
 public:
  absl::Status MakeDirectory(const std::string& path) override {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (!error) return absl::OkStatus();
    return absl::ErrnoToStatus(error.value(), absl::StrCat(path, ": cannot make this folder"));
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override {
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
         it.increment(error)) {
      names.push_back(it->path().filename().string());
    }
    if (error)
      return absl::ErrnoToStatus(error.value(),
                                 absl::StrCat(directory, ": cannot list this folder"));
    return names;
  }

  absl::StatusOr<std::string> Read(const std::string& path) override { return ReadFile(path); }

  absl::StatusOr<std::unique_ptr<AppendFile>> Create(const std::string& path) override {
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) return ErrnoError(path, "create");
    return std::make_unique<PosixAppendFile>(fd, path);
  }

  absl::Status Settle(const std::string& path, uint64_t bytes) override {
    const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return ErrnoError(path, "open");
    absl::Status status;
    if (ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
      status = ErrnoError(path, "truncate");
    } else if (fsync(fd) != 0) {
      status = ErrnoError(path, "sync");
    }
    close(fd);
    return status;
  }

  absl::Status Remove(const std::string& path) override {
    return unlink(path.c_str()) == 0 || errno == ENOENT ? absl::OkStatus()
                                                        : ErrnoError(path, "remove");
  }

  absl::Status SyncDirectory(const std::string& path) override {
    const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return ErrnoError(path, "open");
    const absl::Status status = fsync(fd) == 0 ? absl::OkStatus() : ErrnoError(path, "sync");
    close(fd);
    return status;
  }
};

}  // namespace

JournalFiles& PosixJournalFiles() {
  static Posix& files = *new Posix();
  return files;
}

}  // namespace sojourn::learner
