// Environments served to others by three contracts over the same instances' limits:
//   /NAME/...          AgentGym's HTTP, where AgentGym has a server of NAME
//   /openenv/NAME/...  OpenEnv's HTTP and WebSocket
//   gRPC               proto/sojourn/v1/environment.proto, on a port of its own
// `/` lists them, `/health` says that they are there.
#ifndef SOJOURN_ENVS_SERVE_DOORS_H_
#define SOJOURN_ENVS_SERVE_DOORS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/metrics.h"
#include "envs/environment.h"
#include "envs/serve/agentgym_host.h"
#include "envs/serve/environment_service.h"
#include "envs/serve/openenv.h"
#include "envs/serve/seats.h"
#include "envs/serve/web_server.h"

namespace sojourn::envs::serve {

struct DoorsOptions {
  std::vector<std::string> environments;     // empty: all
  std::map<std::string, Options> options;    // by environment
  int max_instances = 10000;
  absl::Duration idle = absl::Minutes(30);   // an instance that is not used so long is taken away
};

// Thread-safe.
class Doors : public WebHandler {
 public:
  // NotFound, InvalidArgument: as envs::Make.
  static absl::StatusOr<std::unique_ptr<Doors>> Create(const DoorsOptions& options,
                                                       Metrics& metrics);

  Response Handle(std::string_view method, std::string_view target, std::string_view body) override;
  absl::StatusOr<std::unique_ptr<Conversation>> Open(std::string_view target) override;

  EnvironmentService& service() { return *service_; }
  std::vector<std::string> names() const;
  void Sweep();  // takes away what was not used for long; call it now and then

 private:
  struct Door {
    std::unique_ptr<Environment> environment;
    std::unique_ptr<AgentGymHost> agentgym;  // null: AgentGym has none of it
    std::unique_ptr<OpenEnvHost> openenv;
    prometheus::Counter* requests;
  };
  explicit Doors(const DoorsOptions& options, Metrics& metrics)
      : seats_(options.max_instances, options.idle, metrics) {}
  // The environment that a target names, which it is left without; null: none.
  Door* Find(std::string_view& target, bool& openenv);
  std::string Listing() const;

  Seats seats_;
  std::map<std::string, Door, std::less<>> doors_;
  std::unique_ptr<EnvironmentService> service_;
};

}  // namespace sojourn::envs::serve

#endif  // SOJOURN_ENVS_SERVE_DOORS_H_
