// How learner ranks add up gradients. An error names the rank that was waited for, so that a dead
// peer is a message within its deadline and never a hang.
//
// Every rank makes the same calls in the same order. After the first error (or Abort) a collective
// is over: every later call returns that error, and so do the peers' calls; the ranks then form a
// new one under a higher generation.
#ifndef SOJOURN_LEARNER_COLLECTIVE_H_
#define SOJOURN_LEARNER_COLLECTIVE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace sojourn::learner {

class Collective {
 public:
  virtual ~Collective() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  // Element-wise sums over all ranks, in place, in an order fixed by (count, size): the same bits
  // on every rank and in every run. Counts must agree between ranks. DeadlineExceeded (names the
  // rank waited for), Unavailable (a rank is gone), Aborted, FailedPrecondition (ranks made
  // different calls).
  virtual absl::Status AllReduceSum(absl::Span<float> values, absl::Duration timeout) = 0;
  virtual absl::Status AllReduceSum(absl::Span<double> values, absl::Duration timeout) = 0;

  // Returns when every rank has called it.
  virtual absl::Status Barrier(absl::Duration timeout) = 0;

  // The root's bytes, on every rank.
  virtual absl::Status Broadcast(int root, std::string& bytes, absl::Duration timeout) = 0;

  // Ends the collective here and tells the peers why. Callable from any thread, also while another
  // one is in a call; the first reason counts.
  virtual void Abort(std::string_view reason) = 0;
};

// Every rank's value, by rank.
absl::StatusOr<std::vector<double>> AllGather(Collective& collective, double value,
                                              absl::Duration timeout);

// One rank: every call is a no-op that succeeds, until Abort.
std::unique_ptr<Collective> SingleRank();

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_COLLECTIVE_H_
