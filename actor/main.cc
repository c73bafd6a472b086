// sojourn-actor: plays episodes for a coordinator.
#include <ATen/Parallel.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "actor/actor.h"
#include "actor/respond.h"
#include "common/logging.h"
#include "common/rpc.h"
#include "common/shutdown.h"

namespace {

using namespace sojourn;

struct Flags {
  actor::ActorOptions actor;
  std::string listen = "127.0.0.1:0", log_level = "info", respond;
  int metrics_port = -1;
};

absl::Status Run(const Flags& flags) {
  absl::Status status = InitLogging(flags.actor.name, flags.log_level);
  if (!status.ok()) return status;
  Metrics metrics;
  const std::string host = flags.listen.substr(0, flags.listen.rfind(':'));
  if (flags.metrics_port >= 0) {
    const absl::StatusOr<int> port = metrics.Serve(absl::StrCat(host, ":", flags.metrics_port));
    if (!port.ok()) return port.status();
    spdlog::info("metrics at {}:{}", host, *port);
  }
  auto health = RpcServer::Start({}, flags.listen);  // health checks and reflection alone
  if (!health.ok()) return health.status();
  spdlog::info("health at {}:{}", host, (*health)->port());
  actor::ActorMetrics actor_metrics(metrics);
  actor::Actor player(flags.actor, actor_metrics);
  status = player.Run(ShutdownRequested);
  spdlog::info("stops: {}", status.ok() ? "asked to" : status.ToString());
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  InstallShutdown();
  Flags flags;
  flags.actor.name = absl::StrCat("actor-", getpid());
  CLI::App app(
      "Plays episodes for a coordinator; normally started by `sojourn run` or a cluster's "
      "scheduler.");
  CLI::Option* coordinator =
      app.add_option("--coordinator", flags.actor.coordinator, "the coordinator's HOST:PORT");
  CLI::Option* respond = app.add_option("--respond", flags.respond,
                                        "instead: answer observations on standard input with this "
                                        "model directory's policy (for `sojourn play`)");
  coordinator->excludes(respond);
  app.add_option("--name", flags.actor.name,
                 "unique in the fleet; a name again takes its old stream's place");
  app.add_option("--slots", flags.actor.slots, "episodes decoded at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 65536));
  app.add_option("--threads", flags.actor.threads, "of the model's arithmetic; results do not depend on it")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app.add_option("--device", flags.actor.device, "where the model computes: cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--listen", flags.listen, "HOST:PORT of health checks; port 0 picks one")
      ->capture_default_str();
  app.add_option("--metrics-port", flags.metrics_port,
                 "serve /metrics here; 0 picks a port; absent: not served")
      ->check(CLI::Range(0, 65535));
  app.add_option("--log-level", flags.log_level, "debug, info, warning, error, off")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (flags.respond.empty() && flags.actor.coordinator.empty()) {
    std::cerr << "sojourn-actor: --coordinator HOST:PORT is missing\n";
    return 2;
  }
  at::set_num_threads(flags.actor.threads);
  const absl::Status status =
      flags.respond.empty() ? Run(flags) : actor::Respond(flags.respond, std::cin, std::cout);
  if (!status.ok()) std::cerr << "sojourn-actor: " << status.ToString() << "\n";
  return status.ok() ? 0 : 1;
}
