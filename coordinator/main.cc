// sojourn-coordinator: runs jobs. It holds no tensors and links no LibTorch.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "common/logging.h"
#include "common/shutdown.h"
#include "config/job_config.h"
#include "coordinator/service.h"
#include "coordinator/task_counts.h"

namespace sojourn::coordinator {
namespace {

struct Flags {
  std::string listen = "127.0.0.1:4321", data_dir, runs_dir, log_level = "info";
  int metrics_port = -1, lease_ms = 10000;
};

std::string Host(const std::string& address) { return address.substr(0, address.rfind(':')); }

absl::Status Serve(const Flags& flags) {
  if (absl::Status logging = InitLogging("coordinator", flags.log_level); !logging.ok())
    return logging;
  Metrics metrics;
  if (flags.metrics_port >= 0) {
    const auto port = metrics.Serve(Host(flags.listen) + ":" + std::to_string(flags.metrics_port));
    if (!port.ok()) return port.status();
    spdlog::info("metrics at http://{}:{}/metrics", Host(flags.listen), *port);
  }
  auto store = Store::Open(flags.data_dir + "/coordinator.sqlite");
  if (!store.ok()) return store.status();
  CoordinatorOptions options;
  options.runs_directory = flags.runs_dir;
  options.lease = absl::Milliseconds(flags.lease_ms);
  options.validate = config::ValidateJobConfig;
  options.count_tasks = CountTasks;
  auto coordinator = Coordinator::Open(*std::move(store), options, metrics);
  if (!coordinator.ok()) return coordinator.status();
  auto server = CoordinatorServer::Start(**coordinator, metrics, flags.listen);
  if (!server.ok()) return server.status();
  std::printf("listening on %s:%d\n", Host(flags.listen).c_str(), (*server)->port());
  std::fflush(stdout);
  WaitForShutdown(absl::InfiniteDuration());
  spdlog::info("stopping");
  return absl::OkStatus();
}

}  // namespace
}  // namespace sojourn::coordinator

int main(int argc, char** argv) {
  sojourn::InstallShutdown();
  sojourn::coordinator::Flags flags;
  CLI::App app(
      "Runs Sojourn's jobs: plans what actors play and what learners train, and keeps the "
      "results.");
  app.add_option("--listen", flags.listen, "HOST:PORT to serve on; port 0 takes a free one")
      ->capture_default_str();
  app.add_option("--data-dir", flags.data_dir, "folder of the database")->required();
  app.add_option("--runs-dir", flags.runs_dir, "folder of the runs, shared with the learners")
      ->required();
  app.add_option("--metrics-port", flags.metrics_port,
                 "serve /metrics here; 0 takes a free port; absent: not served")
      ->check(CLI::Range(0, 65535));
  app.add_option("--lease-ms", flags.lease_ms, "a member that is silent for so long has left")
      ->check(CLI::Range(100, 3600000))
      ->capture_default_str();
  app.add_option("--log-level", flags.log_level, "debug, info, warning, error or off")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (absl::Status served = sojourn::coordinator::Serve(flags); !served.ok()) {
    std::fprintf(stderr, "sojourn-coordinator: %s\n", std::string(served.message()).c_str());
    return 1;
  }
  return 0;
}
