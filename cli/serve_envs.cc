// sojourn serve-envs: the environments, for others to play.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/command.h"
#include "common/logging.h"
#include "common/metrics.h"
#include "common/rpc.h"
#include "common/shutdown.h"
#include "envs/serve/doors.h"

namespace sojourn::cli {
namespace {

namespace serve = envs::serve;

struct Flags {
  std::string host = "127.0.0.1", log_level = "info";
  int port = 8080, grpc_port = -1, metrics_port = -1, threads = 0;
  std::vector<std::string> environments, options;
  int max_instances = 10000, max_connections = 4096, idle_seconds = 1800;
};

// "searchqa.data=FOLDER" sets an option of one environment.
absl::StatusOr<std::map<std::string, envs::Options>> ParseOptions(
    const std::vector<std::string>& texts) {
  std::map<std::string, envs::Options> options;
  for (const std::string& text : texts) {
    const size_t dot = text.find('.'), equals = text.find('=');
    if (dot == text.npos || equals == text.npos || dot > equals) {
      return absl::InvalidArgumentError(
          absl::StrCat("--option ", text, ": expected ENVIRONMENT.NAME=VALUE"));
    }
    options[text.substr(0, dot)][text.substr(dot + 1, equals - dot - 1)] = text.substr(equals + 1);
  }
  return options;
}

absl::Status Serve(const Flags& flags) {
  absl::Status status = InitLogging("serve-envs", flags.log_level);
  if (!status.ok()) return status;
  auto options = ParseOptions(flags.options);
  if (!options.ok()) return options.status();
  Metrics metrics;
  auto doors = serve::Doors::Create({.environments = flags.environments,
                                     .options = *std::move(options),
                                     .max_instances = flags.max_instances,
                                     .idle = absl::Seconds(flags.idle_seconds)},
                                    metrics);
  if (!doors.ok()) return doors.status();

  const std::string host = flags.host.find(':') == flags.host.npos ? flags.host
                                                                    : absl::StrCat("[", flags.host, "]");
  const auto at = [&](int port) { return absl::StrCat(host, ":", port); };
  std::unique_ptr<RpcServer> grpc;
  if (flags.grpc_port >= 0) {
    auto started = RpcServer::Start({&(*doors)->service()}, at(flags.grpc_port));
    if (!started.ok()) return started.status();
    grpc = *std::move(started);
  }
  if (flags.metrics_port >= 0) {
    const auto port = metrics.Serve(at(flags.metrics_port));
    if (!port.ok()) return port.status();
    spdlog::info("metrics at http://{}/metrics", at(*port));
  }
  auto web = serve::WebServer::Start(**doors, at(flags.port),
                                     {.threads = flags.threads,
                                      .max_connections = flags.max_connections,
                                      .silence = absl::Seconds(flags.idle_seconds)},
                                     metrics);
  if (!web.ok()) return web.status();
  if (grpc != nullptr) std::printf("gRPC at %s\n", at(grpc->port()).c_str());
  std::printf("serves %s at http://%s\n", absl::StrJoin((*doors)->names(), ", ").c_str(),
              at((*web)->port()).c_str());
  std::fflush(stdout);
  while (!WaitForShutdown(absl::Seconds(5))) (*doors)->Sweep();
  spdlog::info("stops");
  return absl::OkStatus();
}

}  // namespace

void AddServeEnvs(CLI::App& app, Action& action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "serve-envs", "Serve the environments to others: AgentGym's HTTP, OpenEnv, gRPC");
  command->add_option("--host", flags->host, "the address to listen on")->capture_default_str();
  command->add_option("--port", flags->port, "of HTTP and WebSocket; 0 picks one")
      ->capture_default_str()
      ->check(CLI::Range(0, 65535));
  command->add_option("--grpc-port", flags->grpc_port, "of gRPC; 0 picks one; absent: not served")
      ->check(CLI::Range(0, 65535));
  command->add_option("--envs", flags->environments, "which, by commas; absent: all")
      ->delimiter(',');
  command->add_option("--option", flags->options,
                      "ENVIRONMENT.NAME=VALUE, an option of an environment as in a job; several times")
      ->take_all();
  command->add_option("--max-instances", flags->max_instances,
                      "how many instances all clients may have together")
      ->capture_default_str()
      ->check(CLI::Range(1, 10000000));
  command->add_option("--idle-seconds", flags->idle_seconds,
                      "an instance that is not used so long is taken away")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000000));
  command->add_option("--max-connections", flags->max_connections, "open at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000000));
  command->add_option("--threads", flags->threads, "that answer; 0: one per core, at least four")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  command->add_option("--metrics-port", flags->metrics_port,
                      "serve /metrics here; 0 picks a port; absent: not served")
      ->check(CLI::Range(0, 65535));
  command->add_option("--log-level", flags->log_level, "debug, info, warning, error, off")
      ->capture_default_str();
  command->footer(
      "AgentGym's clients take http://HOST:PORT/NAME as the server's address, OpenEnv's\n"
      "http://HOST:PORT/openenv/NAME. Nobody is asked who he is: listen on other addresses than\n"
      "127.0.0.1 only where every client is trusted.\n"
      "Examples:\n"
      "  sojourn serve-envs --port 8080\n"
      "  sojourn serve-envs --envs babyai,textcraft --grpc-port 8081 --metrics-port 9100\n"
      "  sojourn serve-envs --envs searchqa --option searchqa.data=data/searchqa\n"
      "  curl -X POST http://127.0.0.1:8080/babyai/create");
  command->callback([flags, &action] {
    action = [flags] {
      const absl::Status status = Serve(*flags);
      return status.ok() ? 0 : Fail(status);
    };
  });
}

}  // namespace sojourn::cli
