#include "learner/tcp_collective.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "learner/ring_connect.h"

namespace sojourn::learner {
namespace {

// After this long without news a rank tells the next one whom it waits for.
constexpr absl::Duration kAnnounce = absl::Milliseconds(100);
// How long a failing rank tries to finish a half-sent frame, so that its reason can follow.
constexpr absl::Duration kFarewell = absl::Milliseconds(300);
constexpr size_t kMaxReasonBytes = 1024;

enum Kind : uint32_t {
  kData = 1,     // value: the number of the call; payload: elements
  kWaiting = 2,  // value: the rank at the root of the wait
  kAbort = 3,    // value: the status code; payload: the reason
};
struct Header {
  uint32_t kind = 0;
  uint32_t bytes = 0;  // of payload
  uint64_t value = 0;
};

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

// One direction of a link, a frame at a time.
struct Outgoing {
  Header header;
  const char* payload = nullptr;
  size_t done = 0;  // of header and payload together
  bool busy = false;

  void Start(Header h, const char* p) {
    header = h;
    payload = p;
    done = 0;
    busy = true;
  }
  // False when the peer is gone.
  bool Send(int fd) {
    while (busy) {
      const bool in_header = done < sizeof(header);
      const char* from = in_header ? reinterpret_cast<const char*>(&header) + done
                                   : payload + (done - sizeof(header));
      const size_t count = in_header ? sizeof(header) - done : sizeof(header) + header.bytes - done;
      if (count > 0) {
        const bool more = in_header && header.bytes > 0;
        const ssize_t n = send(fd, from, count, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
        if (n < 0) return WouldBlock();
        done += n;
      }
      busy = done < sizeof(header) + header.bytes;
    }
    return true;
  }
};
struct Incoming {
  enum class Result { kFrame, kNothing, kGone };
  Header header;
  std::vector<char> payload;
  size_t done = 0;

  Result Receive(int fd, size_t max_bytes) {
    while (true) {
      const bool in_header = done < sizeof(header);
      if (!in_header && header.bytes > max_bytes) return Result::kGone;  // not one of ours
      if (done == sizeof(header)) payload.resize(header.bytes);
      if (!in_header && done == sizeof(header) + header.bytes) {
        done = 0;
        return Result::kFrame;
      }
      char* to = in_header ? reinterpret_cast<char*>(&header) + done
                           : payload.data() + (done - sizeof(header));
      const size_t count = in_header ? sizeof(header) - done : sizeof(header) + header.bytes - done;
      const ssize_t n = recv(fd, to, count, 0);
      if (n == 0) return Result::kGone;
      if (n < 0) return WouldBlock() ? Result::kNothing : Result::kGone;
      done += n;
    }
  }
};

class TcpCollective : public Collective {
 public:
  TcpCollective(const TcpCollectiveOptions& options, RingSockets ring)
      : rank_(options.rank),
        size_(options.addresses.size()),
        addresses_(options.addresses),
        chunk_bytes_(options.chunk_bytes),
        ring_(ring),
        wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  ~TcpCollective() override {
    for (int fd : {ring_.next, ring_.previous}) {
      // Closing with unread bytes would reset the link, and take what is on its way to the peer
      // with it.
      char unread[4096];
      shutdown(fd, SHUT_WR);
      while (recv(fd, unread, sizeof(unread), MSG_DONTWAIT) > 0) {
      }
      close(fd);
    }
    close(wake_);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  absl::Status AllReduceSum(absl::Span<float> values, absl::Duration timeout) override {
    return AllReduce(values, timeout, "adding up gradients");
  }
  absl::Status AllReduceSum(absl::Span<double> values, absl::Duration timeout) override {
    return AllReduce(values, timeout, "adding up numbers");
  }
  absl::Status Barrier(absl::Duration timeout) override {
    double nothing = 0;
    return AllReduce(absl::MakeSpan(&nothing, 1), timeout, "a barrier");
  }
  absl::Status Broadcast(int root, std::string& bytes, absl::Duration timeout) override {
    // Bytes added to zeros are the bytes: the one algorithm serves here too.
    const absl::Time deadline = absl::Now() + timeout;
    uint64_t count = rank_ == root ? bytes.size() : 0;
    absl::Status status = AllReduce(absl::MakeSpan(&count, 1), timeout, "a broadcast");
    if (!status.ok()) return status;
    if (rank_ != root) bytes.assign(count, '\0');
    return AllReduce(absl::MakeSpan(reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()),
                     deadline - absl::Now(), "a broadcast");
  }
  void Abort(std::string_view reason) override {
    {
      std::lock_guard lock(abort_mutex_);
      if (!abort_reason_.empty()) return;
      abort_reason_ = absl::StrCat("rank ", rank_, " aborted: ", std::string(reason));
    }
    const uint64_t one = 1;
    if (write(wake_, &one, sizeof(one)) < 0) {  // only when it is awake already
    }
    std::lock_guard lock(call_mutex_);  // a call under way ends at once
    if (error_.ok()) Fail(absl::AbortedError(AbortReason())).IgnoreError();
  }

 private:
  template <typename T>
  absl::Status AllReduce(absl::Span<T> values, absl::Duration timeout, const char* what);

  std::string Name(int rank) const {
    return absl::StrCat("rank ", rank, " (", addresses_[rank], ")");
  }
  int Next() const { return (rank_ + 1) % size_; }
  int Previous() const { return (rank_ + size_ - 1) % size_; }
  std::string AbortReason() {
    std::lock_guard lock(abort_mutex_);
    return abort_reason_;
  }
  absl::Status Gone(int rank, const char* what) {
    return Fail(absl::UnavailableError(
        absl::StrCat(Name(rank), " is gone: its connection closed during ", what)));
  }
  static absl::Status Told(const Incoming& in) {
    return absl::Status(static_cast<absl::StatusCode>(in.header.value),
                        std::string(in.payload.data(), in.payload.size()));
  }
  absl::Status Fail(absl::Status error);

  const int rank_;
  const int size_;
  const std::vector<std::string> addresses_;
  const int chunk_bytes_;
  const RingSockets ring_;
  const int wake_;  // readable once aborted

  std::mutex abort_mutex_;
  std::string abort_reason_;

  std::mutex call_mutex_;  // held during a call; guards what follows
  absl::Status error_;
  uint64_t call_ = 0;
  Outgoing to_next_;
  Incoming from_previous_;
  Incoming from_next_;  // only an abort comes this way
};

// Remembers the error and passes it on both ways, so that every rank learns the root of it.
absl::Status TcpCollective::Fail(absl::Status error) {
  error_ = error;
  const std::string reason = std::string(error.message()).substr(0, kMaxReasonBytes);
  const Header header{kAbort, static_cast<uint32_t>(reason.size()),
                      static_cast<uint64_t>(error.code())};
  Outgoing farewell;
  farewell.Start(header, reason.data());
  farewell.Send(ring_.previous);  // nothing else is ever sent this way: there is room
  const absl::Time deadline = absl::Now() + kFarewell;
  bool alive = true;
  while (alive && to_next_.busy && absl::Now() < deadline) {
    pollfd fd{ring_.next, POLLOUT, 0};
    poll(&fd, 1, 10);
    alive = to_next_.Send(ring_.next);
  }
  if (alive && !to_next_.busy) {
    farewell.Start(header, reason.data());
    farewell.Send(ring_.next);
  }
  shutdown(ring_.next, SHUT_WR);
  shutdown(ring_.previous, SHUT_WR);
  return error;
}

// The ring in steps: in step s every rank sends part (rank - s) and receives part (rank - s - 1) of
// the values; what comes is added in the first size - 1 steps and final in the rest. A part is cut
// into chunks; chunk i of the stream may be sent once chunk i - chunks_per_part has come, which is
// the same chunk one step before.
template <typename T>
absl::Status TcpCollective::AllReduce(absl::Span<T> values, absl::Duration timeout,
                                      const char* what) {
  std::lock_guard lock(call_mutex_);
  if (!error_.ok()) return error_;
  ++call_;
  const absl::Time deadline = absl::Now() + timeout;
  const size_t part = (values.size() + size_ - 1) / size_;
  const size_t chunk = std::max<size_t>(chunk_bytes_ / sizeof(T), 1);
  const size_t chunks_per_part = std::max<size_t>((part + chunk - 1) / chunk, 1);
  const size_t steps = 2 * (size_ - 1);
  const size_t total = steps * chunks_per_part;
  // Chunk i of the stream that this rank sends (from = 0) or receives (from = 1).
  auto piece = [&](size_t i, int from) {
    const size_t index = (rank_ + 2 * size_ - i / chunks_per_part - from) % size_;
    const size_t begin = std::min(index * part + (i % chunks_per_part) * chunk, values.size());
    const size_t end = std::min({begin + chunk, (index + 1) * part, values.size()});
    return values.subspan(begin, end > begin ? end - begin : 0);
  };

  size_t sent = 0;  // chunks, the one under way included
  size_t received = 0;
  int cause = Previous();  // the rank at the root of our wait, as far as we know
  int announced = -1;
  bool next_alive = true;
  absl::Time news = absl::Now();
  while (received < total || sent < total || to_next_.busy) {
    if (!to_next_.busy) {
      const absl::Time now = absl::Now();
      if (sent < total && sent < received + chunks_per_part) {
        const absl::Span<T> data = piece(sent++, 0);
        to_next_.Start({kData, static_cast<uint32_t>(data.size() * sizeof(T)), call_},
                       reinterpret_cast<const char*>(data.data()));
        announced = -1;
      } else if (announced != cause && now - news >= kAnnounce && next_alive) {
        to_next_.Start({kWaiting, 0, static_cast<uint64_t>(cause)}, nullptr);
        announced = cause;
      }
    }
    if (to_next_.busy && !to_next_.Send(ring_.next)) {
      // The next rank may have said why it left before it did.
      if (from_next_.Receive(ring_.next, kMaxReasonBytes) == Incoming::Result::kFrame) {
        return Fail(Told(from_next_));
      }
      if (to_next_.header.kind == kWaiting) {  // it finished, and has no use for this
        to_next_.busy = false;
        next_alive = false;
      } else {
        return Gone(Next(), what);
      }
    }

    const absl::Time now = absl::Now();
    if (now >= deadline) {
      // A rank always reads, whatever it waits for: one that cannot be sent to is at fault itself.
      const int blamed = received == total || to_next_.busy ? Next() : cause;
      return Fail(absl::DeadlineExceededError(absl::StrCat("rank ", rank_, " waited ",
                                                           absl::FormatDuration(timeout), " for ",
                                                           Name(blamed), " during ", what)));
    }
    const absl::Duration wait = std::min(deadline - now, kAnnounce);
    pollfd fds[3] = {{received < total ? ring_.previous : -1, POLLIN, 0},
                     {next_alive ? ring_.next : -1,
                      static_cast<short>(POLLIN | (to_next_.busy ? POLLOUT : 0)), 0},
                     {wake_, POLLIN, 0}};
    // Something can be sent at once: only look whether anything else is there.
    const bool ready = !to_next_.busy && sent < total && sent < received + chunks_per_part;
    poll(fds, 3, ready ? 0 : absl::ToInt64Milliseconds(absl::Ceil(wait, absl::Milliseconds(1))));
    if (fds[2].revents != 0) return Fail(absl::AbortedError(AbortReason()));
    if ((fds[1].revents & ~POLLOUT) != 0) {
      switch (from_next_.Receive(ring_.next, kMaxReasonBytes)) {
        case Incoming::Result::kFrame:
          return Fail(Told(from_next_));
        case Incoming::Result::kNothing:
          break;
        case Incoming::Result::kGone:
          // A rank that has all it needs may leave after the last call of a collective.
          if (sent < total || (to_next_.busy && to_next_.header.kind == kData))
            return Gone(Next(), what);
          next_alive = false;
          to_next_.busy = false;
          break;
      }
    }
    while (fds[0].revents != 0 && received < total) {
      const Incoming::Result result =
          from_previous_.Receive(ring_.previous, std::max<size_t>(chunk_bytes_, kMaxReasonBytes));
      if (result == Incoming::Result::kNothing) break;
      if (result == Incoming::Result::kGone) return Gone(Previous(), what);
      const Header& header = from_previous_.header;
      if (header.kind == kAbort) return Fail(Told(from_previous_));
      if (header.kind == kWaiting) {
        if (header.value < static_cast<uint64_t>(size_) &&
            header.value != static_cast<uint64_t>(rank_)) {
          cause = header.value;
        }
        continue;
      }
      const absl::Span<T> data = piece(received, 1);
      if (header.kind != kData || header.value != call_ ||
          header.bytes != data.size() * sizeof(T)) {
        return Fail(absl::FailedPreconditionError(
            absl::StrCat(Name(Previous()), " made another call: sent ", header.bytes,
                         " bytes of call ", header.value, " where rank ", rank_, " expected ",
                         data.size() * sizeof(T), " of call ", call_, ", ", what)));
      }
      const T* incoming = reinterpret_cast<const T*>(from_previous_.payload.data());
      if (received < total / 2) {
        for (size_t i = 0; i < data.size(); ++i) data[i] += incoming[i];
      } else {
        std::copy_n(incoming, data.size(), data.data());
      }
      ++received;
      cause = Previous();
      news = absl::Now();
      // Let a chunk go out before the next is read: both directions stay busy.
      if (!to_next_.busy) break;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Collective>> ConnectTcp(TcpListener& listener,
                                                       const TcpCollectiveOptions& options) {
  const int size = options.addresses.size();
  if (options.rank < 0 || options.rank >= size || options.chunk_bytes < 8) {
    return absl::InvalidArgumentError(absl::StrCat(
        "rank ", options.rank, " of ", size, " ranks with chunks of ", options.chunk_bytes,
        " bytes: the rank must be below the number of ranks, a chunk at least 8 bytes"));
  }
  if (size == 1) return SingleRank();
  const absl::Time deadline = absl::Now() + options.connect_timeout;
  absl::StatusOr<RingSockets> ring = ConnectRing(listener, options, deadline);
  if (!ring.ok()) return ring.status();
  auto collective = std::make_unique<TcpCollective>(options, *ring);
  absl::Status status = collective->Barrier(deadline - absl::Now());
  if (!status.ok()) return status;
  return collective;
}

}  // namespace sojourn::learner
