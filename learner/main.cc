// sojourn-learner: one learner rank.
#include <ATen/Parallel.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "common/shutdown.h"
#include "learner/learner.h"
#include "learner/memory.h"
#include "learner/nccl_collective.h"
#include "policy/device.h"

int main(int argc, char** argv) {
  sojourn::InstallShutdown();
  sojourn::learner::LearnerOptions options;
  std::string log_level = "info";
  int metrics_port = -1, threads = 1;
  bool no_sync = false;
  std::string collective = "tcp";
  CLI::App app("One learner rank: takes trajectories, makes updates, hands out policy versions.");
  app.add_option("--coordinator", options.coordinator, "The coordinator's HOST:PORT")->required();
  app.add_option("--rank", options.arm.rank, "This rank, from 0")->required();
  app.add_option("--listen", options.listen, "HOST:PORT to serve on; port 0 takes a free one")
      ->capture_default_str();
  app.add_option("--metrics-port", metrics_port,
                 "Serve /metrics here; 0 takes a free port; absent: not served")
      ->check(CLI::Range(0, 65535));
  app.add_option("--threads", threads, "Threads of the model's mathematics; results depend on it")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--collective", collective, "How ranks add up gradients: tcp, or nccl between GPUs")
      ->check(CLI::IsMember({"tcp", "nccl"}))
      ->capture_default_str();
  app.add_option("--device", options.arm.device, "Where the model computes: cpu, cuda or cuda:N")
      ->capture_default_str();
  app.add_option("--checkpoint-every", options.arm.checkpoint_every,
                 "Updates between checkpoints; the same on every rank")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_flag(
      "--no-journal-sync", no_sync,
      "Acknowledge trajectories before they are on the disk: survives kill -9, not a power cut");
  app.add_option("--log-level", log_level, "debug, info, warning, error, off")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  options.arm.sync_journal = !no_sync;
  if (collective == "nccl") {
    if (!sojourn::learner::HasNccl()) {
      std::cerr << "sojourn-learner: built without NCCL; install the CUDA toolkit and NCCL and build "
                   "again, or use --collective tcp\n";
      return 2;
    }
    options.arm.nccl_device = 0;
  }
  const auto device = sojourn::policy::OpenDevice(options.arm.device);
  if (!device.ok() || (device->is_cpu() && options.arm.nccl_device)) {
    std::cerr << "sojourn-learner: "
              << (device.ok() ? "--collective nccl adds up between GPUs; give --device cuda or cuda:N"
                              : device.status().message())
              << "\n";
    return 2;
  }
  if (options.arm.nccl_device) options.arm.nccl_device = device->index();
  if (absl::Status status =
          sojourn::InitLogging(absl::StrCat("learner-", options.arm.rank), log_level);
      !status.ok()) {
    std::cerr << "sojourn-learner: " << status.message() << "\n";
    return 2;
  }
  at::set_num_threads(threads);
  sojourn::learner::KeepFreedMemory();

  sojourn::Metrics metrics;
  if (metrics_port >= 0) {
    const std::string host = options.listen.substr(0, options.listen.rfind(':'));
    auto port = metrics.Serve(absl::StrCat(host, ":", metrics_port));
    if (!port.ok()) {
      spdlog::error("{}", port.status().ToString());
      return 1;
    }
    spdlog::info("metrics at {}:{}", host, *port);
  }
  auto learner = sojourn::learner::Learner::Start(options, metrics);
  if (!learner.ok()) {
    spdlog::error("{}", learner.status().ToString());
    return 1;
  }
  spdlog::info("rank {} serves at {}", options.arm.rank, (*learner)->address());
  while (!sojourn::WaitForShutdown(absl::Hours(1))) {
  }
  spdlog::info("stopping");
  if (!(*learner)->Stop(/*checkpoint=*/true, absl::Seconds(8))) {
    spdlog::warn(
        "the update under way does not end in time; the next start makes it again from the "
        "journal");
    spdlog::shutdown();
    std::_Exit(0);  // nothing is lost: what was acknowledged is in the journal
  }
  return 0;
}
