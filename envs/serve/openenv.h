// OpenEnv's contract (openenv-core 0.3: HTTP and WebSocket) of one environment.
//
// An action is {"action": TEXT}; an observation {"text", "success", "invalid_action", "progress"}.
// What "reset" takes: {"split", "difficulty", "index"}; else "seed", which counts through the first
// difficulty's training tasks. OpenEnv's own HTTP routes know no sessions; here "episode_id" names
// one, and requests without it share one.
#ifndef SOJOURN_ENVS_SERVE_OPENENV_H_
#define SOJOURN_ENVS_SERVE_OPENENV_H_

#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "envs/environment.h"
#include "envs/serve/seats.h"
#include "envs/serve/web_server.h"

namespace sojourn::envs::serve {

// One instance and what its client is told about it. Not thread-safe.
class OpenEnvSession {
 public:
  OpenEnvSession(const Environment& environment, Seats::Seat seat)
      : environment_(environment), seat_(std::move(seat)) {}

  // InvalidArgument: the data is not as the contract says; otherwise the environment's.
  absl::StatusOr<nlohmann::json> Reset(const nlohmann::json& data);
  absl::StatusOr<nlohmann::json> Step(const nlohmann::json& action);
  nlohmann::json State() const;

  Seats::Seat& seat() { return seat_; }

 private:
  static nlohmann::json Told(const Turn& turn);

  const Environment& environment_;
  Seats::Seat seat_;
  std::unique_ptr<Instance> instance_;
  TaskId task_;
  std::string episode_id_;
  int64_t steps_ = 0;
};

// Thread-safe.
class OpenEnvHost {
 public:
  OpenEnvHost(const Environment& environment, Seats& seats)
      : environment_(environment), seats_(seats) {}

  // `target` without what leads to this environment: "/reset".
  Response Handle(std::string_view method, std::string_view target, std::string_view body);
  absl::StatusOr<std::unique_ptr<Conversation>> Open(std::string_view target);
  void Sweep();

 private:
  struct Held {
    explicit Held(OpenEnvSession session) : session(std::move(session)) {}
    std::mutex mutex;
    OpenEnvSession session;
  };
  absl::StatusOr<std::shared_ptr<Held>> Find(const std::string& episode_id, bool make);

  const Environment& environment_;
  Seats& seats_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Held>> sessions_;  // of HTTP, by episode_id
};

}  // namespace sojourn::envs::serve

#endif  // SOJOURN_ENVS_SERVE_OPENENV_H_
