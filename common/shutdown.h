// SIGTERM and SIGINT as something to wait for. The handler only writes a byte to a pipe; the second
// signal of a kind ends the process at once. Handlers, unlike blocked signals, do not outlive an
// exec.
#ifndef SOJOURN_COMMON_SHUTDOWN_H_
#define SOJOURN_COMMON_SHUTDOWN_H_

#include "absl/time/time.h"

namespace sojourn {

void InstallShutdown();                        // at the start of main; also ignores SIGPIPE
bool WaitForShutdown(absl::Duration timeout);  // true: asked to stop; false: the time is over
inline bool ShutdownRequested() { return WaitForShutdown(absl::ZeroDuration()); }
void RequestShutdown();  // as if a signal had come; from any thread

}  // namespace sojourn

#endif  // SOJOURN_COMMON_SHUTDOWN_H_
