// How the ranks of a TCP ring find each other: addresses, sockets and the handshake.
#ifndef SOJOURN_LEARNER_RING_CONNECT_H_
#define SOJOURN_LEARNER_RING_CONNECT_H_

#include "absl/status/statusor.h"
#include "learner/tcp_collective.h"

namespace sojourn::learner {

struct RingSockets {
  int next = -1;      // to rank + 1
  int previous = -1;  // from rank - 1
};

// Non-blocking sockets to both neighbours, each of which gave the same generation and number of
// ranks.
absl::StatusOr<RingSockets> ConnectRing(TcpListener& listener, const TcpCollectiveOptions& options,
                                        absl::Time deadline);

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_RING_CONNECT_H_
