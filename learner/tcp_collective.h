// A collective over TCP: ranks stand in a ring, each sends to the next and receives from the one
// before.
//
// All-reduce is the ring algorithm (reduce-scatter, then all-gather), pipelined in chunks: a chunk
// moves on as soon as it is added, so that every link is busy in both halves.
#ifndef SOJOURN_LEARNER_TCP_COLLECTIVE_H_
#define SOJOURN_LEARNER_TCP_COLLECTIVE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "learner/collective.h"

namespace sojourn::learner {

// Where this rank's peers reach it. Opened once per process, it outlives the collectives formed
// through it.
class TcpListener {
 public:
  // address: "host:port", "ipv4:port", "[ipv6]:port"; port 0 takes a free one.
  static absl::StatusOr<std::unique_ptr<TcpListener>> Create(const std::string& address);
  ~TcpListener();
  TcpListener(const TcpListener&) = delete;
  TcpListener& operator=(const TcpListener&) = delete;

  const std::string& address() const { return address_; }  // with the port it got
  int port() const { return port_; }
  int fd() const { return fd_; }

 private:
  TcpListener(int fd, std::string address, int port)
      : fd_(fd), address_(std::move(address)), port_(port) {}
  int fd_;
  std::string address_;
  int port_;
};

struct TcpCollectiveOptions {
  int rank = 0;
  std::vector<std::string> addresses;  // of every rank's listener, by rank
  uint64_t generation = 0;             // peers of another generation are refused
  absl::Duration connect_timeout = absl::Seconds(30);
  std::function<bool()> cancelled;  // asked often while connecting; true ends it with Cancelled
  int chunk_bytes = 128 << 10;      // the same on every rank
};

// Waits until every rank is there under the same generation; keeps trying until then.
// DeadlineExceeded names who is missing; FailedPrecondition: the next rank is at a newer
// generation. `listener` must live as long as this call. One rank gives SingleRank.
absl::StatusOr<std::unique_ptr<Collective>> ConnectTcp(TcpListener& listener,
                                                       const TcpCollectiveOptions& options);

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_TCP_COLLECTIVE_H_
