#include "cli/supervisor.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/files.h"

namespace sojourn::cli {
namespace {

constexpr absl::Duration kQuick = absl::Seconds(60);
constexpr int kMostQuickDeaths = 6;
constexpr absl::Duration kStartDeadline = absl::Seconds(30);

// The coordinator prints where it listens; its log is read from where this start began.
absl::StatusOr<std::string> ListeningAddress(const std::string& log_path, std::streamoff from, ChildProcess& process) {
  const std::string mark = "listening on ";
  const absl::Time deadline = absl::Now() + kStartDeadline;
  while (absl::Now() < deadline) {
    std::ifstream in(log_path);
    in.seekg(from);
    for (std::string line; std::getline(in, line);) {
      const size_t at = line.find(mark);
      if (at == std::string::npos || in.eof()) continue;   // an unfinished line is read again
      const std::string rest = line.substr(at + mark.size());
      return rest.substr(0, rest.find_first_of(" \r\n"));
    }
    if (auto end = process.Poll()) {
      return absl::AbortedError(absl::StrCat("the coordinator ", end->how, "; its log ends:\n", LastLines(log_path, 15)));
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
  return absl::DeadlineExceededError(absl::StrCat("the coordinator did not listen within ",
                                                  absl::FormatDuration(kStartDeadline), "; see ", log_path));
}

// A port of this machine that is free now.
absl::StatusOr<int> FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool found = fd >= 0 && bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  const absl::Status error = absl::ErrnoToStatus(errno, "looking for a free port");
  if (fd >= 0) close(fd);
  if (!found) return error;
  return ntohs(address.sin_port);
}

// The n-th of its kind computes on the n-th device, in turn.
std::string DeviceOf(const v1::Resources& resources, uint32_t n) {
  return resources.devices().empty() ? "cpu" : resources.devices(static_cast<int>(n % resources.devices_size()));
}

}  // namespace

absl::Status Supervisor::StartChild(Child& child) {
  auto process = ChildProcess::Start(child.options);
  if (!process.ok()) return process.status();
  child.process.emplace(*std::move(process));
  child.started = absl::Now();
  return absl::OkStatus();
}

absl::StatusOr<Supervisor> Supervisor::Start(const v1::Resources& resources, const std::string& runs_directory,
                                             const std::string& run_directory) {
  const std::filesystem::path run = run_directory;
  std::error_code error;
  std::filesystem::create_directories(run / "logs", error);
  std::filesystem::create_directories(run / "coordinator", error);
  if (error) return absl::PermissionDeniedError(absl::StrCat("making ", run.string(), ": ", error.message()));

  const auto coordinator = SiblingProgram("sojourn-coordinator");
  const auto learner = SiblingProgram("sojourn-learner");
  const auto actor = SiblingProgram("sojourn-actor");
  for (const auto* program : {&coordinator, &learner, &actor}) {
    if (!program->ok()) return program->status();
  }
  // Idle OpenMP threads must not spin on cores that other processes want.
  const std::string threads = absl::StrCat(resources.threads());
  const std::map<std::string, std::string> environment = {
      {"OMP_NUM_THREADS", threads}, {"MKL_NUM_THREADS", threads}, {"OMP_WAIT_POLICY", "passive"}, {"GOMP_SPINCOUNT", "0"}};
  const auto log = [&](const std::string& name) { return (run / "logs" / (name + ".log")).string(); };

  Supervisor supervisor;
  // Metrics ports are chosen here, so that a child is scraped at the same place after a restart.
  nlohmann::json targets = nlohmann::json::array();
  const auto metrics_port = [&](const std::string& process) -> absl::StatusOr<std::string> {
    const auto port = FreePort();
    if (!port.ok()) return port.status();
    targets.push_back({{"targets", {absl::StrCat("127.0.0.1:", *port)}},
                       {"labels", {{"run", run.filename().string()}, {"process", process}}}});
    return absl::StrCat(*port);
  };
  const auto coordinator_port = metrics_port("coordinator");
  if (!coordinator_port.ok()) return coordinator_port.status();
  Child first{.name = "coordinator"};
  first.options = {.command = {*coordinator, "--listen", "127.0.0.1:0", "--data-dir", (run / "coordinator").string(),
                               "--runs-dir", runs_directory, "--metrics-port", *coordinator_port},
                   .environment = {},
                   .log_path = log("coordinator")};
  const auto before = std::filesystem::exists(first.options.log_path) ? std::filesystem::file_size(first.options.log_path) : 0;
  if (absl::Status started = supervisor.StartChild(first); !started.ok()) return started;
  auto address = ListeningAddress(first.options.log_path, static_cast<std::streamoff>(before), *first.process);
  if (!address.ok()) return address.status();
  supervisor.address_ = *address;
  first.options.command[2] = *address;   // started again, it must be found at the same place
  supervisor.children_.push_back(std::move(first));

  for (uint32_t rank = 0; rank < resources.learner_ranks(); ++rank) {
    Child child{.name = absl::StrCat("learner-", rank)};
    const auto port = metrics_port(child.name);
    if (!port.ok()) return port.status();
    child.options = {.command = {*learner, "--coordinator", *address, "--rank", absl::StrCat(rank), "--listen",
                                 "127.0.0.1:0", "--metrics-port", *port, "--threads", threads, "--device", DeviceOf(resources, rank)},
                     .environment = environment,
                     .log_path = log(child.name)};
    supervisor.children_.push_back(std::move(child));
  }
  for (uint32_t i = 0; i < resources.actors(); ++i) {
    Child child{.name = absl::StrCat("actor-", i)};
    const auto port = metrics_port(child.name);
    if (!port.ok()) return port.status();
    child.options = {.command = {*actor, "--coordinator", *address, "--name", child.name, "--metrics-port", *port,
                                 "--slots", absl::StrCat(resources.slots()), "--threads", threads, "--device", DeviceOf(resources, i)},
                     .environment = environment,
                     .log_path = log(child.name)};
    supervisor.children_.push_back(std::move(child));
  }
  if (absl::Status written = WriteFileAtomically(absl::StrCat(runs_directory, "/.prometheus/", run.filename().string(), ".json"), targets.dump(2) + "\n");
      !written.ok()) {
    return written;
  }
  for (Child& child : supervisor.children_) {
    if (child.process.has_value()) continue;
    if (absl::Status started = supervisor.StartChild(child); !started.ok()) return started;
  }
  return supervisor;
}

absl::Status Supervisor::Tend(const std::function<void(const std::string&)>& notice) {
  for (Child& child : children_) {
    if (child.process.has_value()) {
      const auto end = child.process->Poll();
      if (!end.has_value()) continue;
      child.process.reset();
      child.quick_deaths = absl::Now() - child.started < kQuick ? child.quick_deaths + 1 : 0;
      if (child.quick_deaths >= kMostQuickDeaths) {
        return absl::AbortedError(absl::StrCat(child.name, " ", end->how, ", ", child.quick_deaths,
                                               " times in a row right after its start; its log (", child.options.log_path,
                                               ") ends:\n", LastLines(child.options.log_path, 15)));
      }
      const absl::Duration wait = absl::Milliseconds(100) * (1 << child.quick_deaths);
      child.next_start = absl::Now() + wait;
      notice(absl::StrCat(child.name, " ", end->how, "; starting it again"));
    } else if (absl::Now() >= child.next_start) {
      if (absl::Status started = StartChild(child); !started.ok()) return started;
    }
  }
  return absl::OkStatus();
}

void Supervisor::Stop() {
  for (const std::string prefix : {"learner", "actor", "coordinator"}) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    for (Child& child : children_) {
      if (absl::StartsWith(child.name, prefix) && child.process.has_value()) child.process->Terminate();
    }
    for (Child& child : children_) {
      if (absl::StartsWith(child.name, prefix) && child.process.has_value()) {
        child.process->WaitOrKill(deadline);
        child.process.reset();
      }
    }
  }
}

}  // namespace sojourn::cli
