// A place at a remote environment, by one of three contracts.
#ifndef SOJOURN_ENVS_REMOTE_SEAT_H_
#define SOJOURN_ENVS_REMOTE_SEAT_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "envs/environment.h"
#include "envs/remote/replies.h"
#include "envs/remote/web_client.h"

namespace sojourn::envs::remote {

// Calls take at most their timeout. After an error the seat is as new: only Reset makes sense. One
// thread at a time, but for Cancel. Errors as WebClient's and those of replies.h.
class Seat {
 public:
  virtual ~Seat() = default;
  // `task.index` is the server's number of the task.
  virtual absl::StatusOr<Reply> Reset(const TaskId& task) = 0;
  virtual absl::StatusOr<Reply> Step(std::string_view action) = 0;
  // What the server names for the present state; by default nothing.
  virtual std::vector<std::string> ValidActions() { return {}; }
  virtual void Cancel() = 0;
};

struct SeatOptions {
  Url server;
  absl::Duration timeout = absl::Seconds(30);
  size_t max_bytes = 1 << 20;
  // Shared by the seats at one server: it did not answer lately, so nobody waits to take his leave.
  std::shared_ptr<std::atomic<bool>> silent = std::make_shared<std::atomic<bool>>(false);
};

std::unique_ptr<Seat> NewAgentGymSeat(const SeatOptions& options, const AgentGymForm& form);

struct OpenEnvFields {
  std::string action = "action", observation = "text";
};
std::unique_ptr<Seat> NewOpenEnvSeat(const SeatOptions& options, const OpenEnvFields& fields);

// `environment`: what the server calls it.
std::unique_ptr<Seat> NewGrpcSeat(const SeatOptions& options, const std::string& environment);

}  // namespace sojourn::envs::remote

#endif  // SOJOURN_ENVS_REMOTE_SEAT_H_
