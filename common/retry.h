// Trying again, with growing pauses.
#ifndef SOJOURN_COMMON_RETRY_H_
#define SOJOURN_COMMON_RETRY_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/random.h"

namespace sojourn {

struct BackoffOptions {
  absl::Duration first = absl::Milliseconds(100);
  absl::Duration longest = absl::Seconds(5);
  double factor = 2;
};

// The pauses: first, first * factor, ... up to longest, each times a random factor in [0.5, 1), so
// that peers that lost the same server do not come back in step.
class Backoff {
 public:
  explicit Backoff(RandomKey key, BackoffOptions options = {})
      : options_(options), random_(key), next_(options.first) {}
  absl::Duration Next();
  void Reset() { next_ = options_.first; }  // after a success

 private:
  BackoffOptions options_;
  Random random_;
  absl::Duration next_;
};

// Is it worth another try? UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED.
bool IsTransient(const absl::Status& status);

// Calls `attempt` until it succeeds, fails for good (not IsTransient), or `deadline` comes; then
// DeadlineExceeded names `what` and the last failure. `sleep` pauses, or returns false to give up
// at once (Cancelled): `[](absl::Duration d) { return !WaitForShutdown(d); }`.
absl::Status Retry(const std::string& what, const std::function<absl::Status()>& attempt,
                   Backoff backoff, absl::Time deadline,
                   const std::function<bool(absl::Duration)>& sleep);

}  // namespace sojourn

#endif  // SOJOURN_COMMON_RETRY_H_
