// AgentGym's servers for many clients at once, bounded: each environment that a client creates is a
// server of its own, used by one thread at a time, and is gone when it was not used for a while (the
// originals keep all of them for ever).
#ifndef SOJOURN_ENVS_SERVE_AGENTGYM_HOST_H_
#define SOJOURN_ENVS_SERVE_AGENTGYM_HOST_H_

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "envs/environment.h"
#include "envs/serve/agentgym.h"
#include "envs/serve/seats.h"

namespace sojourn::envs::serve {

// A new server each time; shared data is loaded once.
using AgentGymFactory = std::function<std::unique_ptr<AgentGymServer>()>;

// An environment that AgentGym has a server of. To add one: a line in agentgym_host.cc.
struct AgentGymKind {
  const char* name;          // as in envs/registry.cc
  const char* id_parameter;  // what requests call the number of an environment
  // With the environment's options, as far as they decide what is loaded.
  absl::StatusOr<AgentGymFactory> (*load)(const Options& options);
};
const std::vector<AgentGymKind>& AgentGymKinds();
const AgentGymKind* FindAgentGymKind(std::string_view name);  // null: AgentGym has none of the name

// Thread-safe.
class AgentGymHost {
 public:
  AgentGymHost(std::string id_parameter, AgentGymFactory factory, Seats& seats)
      : id_({Parameter::kInteger, std::move(id_parameter)}),
        factory_(std::move(factory)),
        seats_(seats),
        blank_(factory_()) {}

  // As AgentGymServer's; /create is answered with status 503 when there is no seat.
  Response Handle(std::string_view method, std::string_view target, std::string_view body);

  void Sweep();  // forgets what was not used for long

 private:
  struct Environment {
    std::mutex mutex;
    std::unique_ptr<AgentGymServer> server;  // knows this environment alone
    Seats::Seat seat;
  };
  std::string List();  // the numbers, as JSON
  Response Create(std::string_view method, std::string_view target, std::string_view body);

  const Parameter id_;
  const AgentGymFactory factory_;
  Seats& seats_;
  std::mutex mutex_;  // guards what follows, not what it points to
  int64_t created_ = 0;
  std::unordered_map<std::string, std::shared_ptr<Environment>> environments_;  // by number
  std::mutex blank_mutex_;
  const std::unique_ptr<AgentGymServer> blank_;  // has no environment: answers whatever names none
};

}  // namespace sojourn::envs::serve

#endif  // SOJOURN_ENVS_SERVE_AGENTGYM_HOST_H_
