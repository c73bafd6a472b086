// gRPC's status and Abseil's have the same codes; only the types differ.
#ifndef SOJOURN_COMMON_GRPC_STATUS_H_
#define SOJOURN_COMMON_GRPC_STATUS_H_

#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"

namespace sojourn {

inline grpc::Status ToGrpcStatus(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

inline absl::Status FromGrpcStatus(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace sojourn

#endif  // SOJOURN_COMMON_GRPC_STATUS_H_
