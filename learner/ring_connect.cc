#include "learner/ring_connect.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace sojourn::learner {
namespace {

constexpr uint64_t kMagic = 0x31474e52524a4f53;  // "SOJRRNG1", read as a little-endian number
constexpr absl::Duration kRetry = absl::Milliseconds(50);
constexpr absl::Duration kHelloTimeout = absl::Seconds(1);

// Both are sent as they lie in memory: ranks of one job run on machines of the same byte order.
struct Hello {
  uint64_t magic = kMagic;
  uint64_t generation = 0;
  uint32_t rank = 0;
  uint32_t size = 0;
  uint64_t chunk_bytes = 0;
};
struct Reply {
  uint64_t accepted = 0;
  uint64_t generation = 0;  // the accepting rank's
};

struct AddressInfo {
  addrinfo* list = nullptr;
  ~AddressInfo() {
    if (list != nullptr) freeaddrinfo(list);
  }
};

absl::Status Resolve(const std::string& address, bool passive, AddressInfo& info, int& port) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || !absl::SimpleAtoi(address.substr(colon + 1), &port) ||
      port < 0 || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("\"", address, "\" is not HOST:PORT"));
  }
  std::string host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = passive ? AI_PASSIVE : 0;
  const int error = getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(),
                                &hints, &info.list);
  if (error != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot resolve \"", address, "\": ", gai_strerror(error)));
  }
  return absl::OkStatus();
}

void Prepare(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

int PollMs(absl::Duration d) {
  return static_cast<int>(absl::ToInt64Milliseconds(
      absl::Ceil(std::max(d, absl::ZeroDuration()), absl::Milliseconds(1))));
}

// Reads a whole struct from a non-blocking socket. False when the peer is gone or `deadline`
// passes.
template <typename T>
bool ReadStruct(int fd, T& value, absl::Time deadline) {
  size_t done = 0;
  while (done < sizeof(T)) {
    const ssize_t n = recv(fd, reinterpret_cast<char*>(&value) + done, sizeof(T) - done, 0);
    if (n > 0) {
      done += n;
      continue;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) return false;
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return false;
    pollfd poll_fd{fd, POLLIN, 0};
    poll(&poll_fd, 1, PollMs(left));
  }
  return true;
}

template <typename T>
bool WriteStruct(int fd, const T& value) {  // a fresh socket's buffer always has room for it
  return send(fd, &value, sizeof(value), MSG_NOSIGNAL) == sizeof(value);
}

// A connected socket, or -1: nobody listens there yet.
int TryConnect(const std::string& address, absl::Duration timeout) {
  AddressInfo info;
  int port;
  if (!Resolve(address, false, info, port).ok()) return -1;
  for (addrinfo* a = info.list; a != nullptr; a = a->ai_next) {
    const int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
    if (fd < 0) continue;
    Prepare(fd);
    int error = connect(fd, a->ai_addr, a->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
      pollfd poll_fd{fd, POLLOUT, 0};
      socklen_t length = sizeof(error);
      if (poll(&poll_fd, 1, PollMs(timeout)) != 1 ||
          getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) {
        error = ETIMEDOUT;
      }
    }
    if (error == 0) return fd;
    close(fd);
  }
  return -1;
}

// The socket of the previous rank if the waiting connection is that, else -1 (and it was told no).
int TryAccept(TcpListener& listener, const TcpCollectiveOptions& options, int previous) {
  const int fd = accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) return -1;
  Prepare(fd);
  Hello hello;
  const bool read = ReadStruct(fd, hello, absl::Now() + kHelloTimeout);
  Reply reply{.accepted = 0, .generation = options.generation};
  if (read && hello.magic == kMagic) {
    reply.accepted = hello.generation == options.generation && hello.rank == previous &&
                     hello.size == options.addresses.size() &&
                     hello.chunk_bytes == static_cast<uint64_t>(options.chunk_bytes);
    if (WriteStruct(fd, reply) && reply.accepted) return fd;
  }
  close(fd);
  return -1;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TcpListener>> TcpListener::Create(const std::string& address) {
  AddressInfo info;
  int port = 0;
  absl::Status status = Resolve(address, true, info, port);
  if (!status.ok()) return status;
  std::string error = "no address";
  for (addrinfo* a = info.list; a != nullptr; a = a->ai_next) {
    const int fd =
        socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    const int on = 1;
    sockaddr_storage bound{};
    socklen_t length = sizeof(bound);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, 128) == 0 &&
        getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length) == 0) {
      port = ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                               : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
      return std::unique_ptr<TcpListener>(new TcpListener(
          fd, absl::StrCat(address.substr(0, address.rfind(':')), ":", port), port));
    }
    error = std::strerror(errno);
    if (fd >= 0) close(fd);
  }
  return absl::UnavailableError(absl::StrCat("cannot listen on ", address, ": ", error));
}

TcpListener::~TcpListener() { close(fd_); }

absl::StatusOr<RingSockets> ConnectRing(TcpListener& listener, const TcpCollectiveOptions& options,
                                        absl::Time deadline) {
  const int size = options.addresses.size();
  const int next_rank = (options.rank + 1) % size;
  const int previous_rank = (options.rank + size - 1) % size;
  const std::string& next_address = options.addresses[next_rank];
  RingSockets ring;
  int candidate = -1;  // connected to the next rank, which has not answered our hello yet
  bool formed = false;
  auto close_all = absl::MakeCleanup([&] {
    if (formed) return;
    for (int fd : {ring.next, ring.previous, candidate}) {
      if (fd >= 0) close(fd);
    }
  });
  absl::Time next_try = absl::InfinitePast();
  while (ring.next < 0 || ring.previous < 0) {
    const absl::Time now = absl::Now();
    if (options.cancelled && options.cancelled())
      return absl::CancelledError("connecting was cancelled");
    if (now >= deadline) {
      const int missing = ring.next < 0 ? next_rank : previous_rank;
      return absl::DeadlineExceededError(absl::StrCat(
          "waited ", absl::FormatDuration(options.connect_timeout), " for rank ", missing, " (",
          options.addresses[missing], ") to join generation ", options.generation));
    }
    if (ring.next < 0 && candidate < 0 && now >= next_try) {
      next_try = now + kRetry;
      candidate = TryConnect(next_address, std::min(deadline - now, kHelloTimeout));
      const Hello hello{.generation = options.generation,
                        .rank = static_cast<uint32_t>(options.rank),
                        .size = static_cast<uint32_t>(size),
                        .chunk_bytes = static_cast<uint64_t>(options.chunk_bytes)};
      if (candidate >= 0 && !WriteStruct(candidate, hello)) close(std::exchange(candidate, -1));
    }
    // A negative descriptor is one that poll ignores.
    pollfd fds[2] = {{ring.previous < 0 ? listener.fd() : -1, POLLIN, 0}, {candidate, POLLIN, 0}};
    poll(fds, 2, PollMs(std::min(kRetry, deadline - now)));
    if (fds[0].revents != 0) ring.previous = TryAccept(listener, options, previous_rank);
    if (fds[1].revents != 0) {
      Reply reply;
      const bool answered = ReadStruct(candidate, reply, absl::Now() + kHelloTimeout);
      if (answered && reply.accepted) {
        ring.next = std::exchange(candidate, -1);
        continue;
      }
      close(std::exchange(candidate, -1));  // tried again: it may be about to form our generation
      next_try = absl::Now() + kRetry;
      if (answered && reply.generation > options.generation) {
        return absl::FailedPreconditionError(absl::StrCat(
            "rank ", next_rank, " (", next_address, ") is at generation ", reply.generation,
            ", this rank at ", options.generation, ", which is over"));
      }
      if (answered && reply.generation == options.generation) {
        return absl::FailedPreconditionError(absl::StrCat(
            "rank ", next_rank, " (", next_address, ") refused rank ", options.rank, " of ", size,
            " at generation ", options.generation, ": ranks, their number or chunk_bytes differ"));
      }
    }
  }
  formed = true;
  return ring;
}

}  // namespace sojourn::learner
