// An environment that others serve: AgentGym's HTTP servers, OpenEnv's, or Sojourn's own over gRPC.
#ifndef SOJOURN_ENVS_REMOTE_REMOTE_H_
#define SOJOURN_ENVS_REMOTE_REMOTE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "envs/environment.h"

namespace sojourn::envs {

const Spec& RemoteSpec();  // name and options; the rest is each environment's own

// Options: see the spec, and docs/environments/remote.md. Nothing is asked of the server here, so a
// coordinator need not reach it. Instances block, up to timeout_seconds a call, and fail as
// envs/remote/seat.h says; after a failure Reset takes a new seat.
absl::StatusOr<std::unique_ptr<Environment>> MakeRemote(const Options& options);

}  // namespace sojourn::envs

#endif  // SOJOURN_ENVS_REMOTE_REMOTE_H_
