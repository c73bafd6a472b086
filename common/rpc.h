// How every process serves and calls: the same limits, keepalive, health and reflection.
#ifndef SOJOURN_COMMON_RPC_H_
#define SOJOURN_COMMON_RPC_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/grpc_status.h"

namespace sojourn {

inline constexpr int kMaxMessageBytes = 64 << 20;

// A gRPC server with health checking and reflection. Destroying it shuts it down.
class RpcServer {
 public:
  // Serves on HOST:PORT (port 0: a free one). The services must outlive the server. Unavailable
  // when the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(
      const std::vector<grpc::Service*>& services, const std::string& address);
  ~RpcServer() { Shutdown(absl::ZeroDuration()); }

  int port() const { return port_; }

  // Refuses new calls, cancels those still under way after `grace`, and waits until all have ended.
  void Shutdown(absl::Duration grace);

 private:
  RpcServer() = default;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

// A channel to HOST:PORT; connects when first used, and again after a break (backoff up to 2 s).
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address);

// Gives a context a deadline from now.
void SetTimeout(grpc::ClientContext& context, absl::Duration timeout);

}  // namespace sojourn

#endif  // SOJOURN_COMMON_RPC_H_
