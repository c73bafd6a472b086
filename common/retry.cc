#include "common/retry.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace sojourn {

absl::Duration Backoff::Next() {
  const absl::Duration pause = next_ * (0.5 + 0.5 * random_.Uniform());
  next_ = std::min(next_ * options_.factor, options_.longest);
  return pause;
}

bool IsTransient(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status) || absl::IsAborted(status);
}

absl::Status Retry(const std::string& what, const std::function<absl::Status()>& attempt,
                   Backoff backoff, absl::Time deadline,
                   const std::function<bool(absl::Duration)>& sleep) {
  for (;;) {
    const absl::Status status = attempt();
    if (status.ok() || !IsTransient(status)) return status;
    const absl::Duration pause = backoff.Next();
    if (absl::Now() + pause >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat(what, ": gave up; the last failure: ", status.ToString()));
    }
    if (!sleep(pause))
      return absl::CancelledError(
          absl::StrCat(what, ": stopped; the last failure: ", status.ToString()));
  }
}

}  // namespace sojourn
