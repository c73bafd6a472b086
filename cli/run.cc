// sojourn run: a whole job on this machine, as child processes that are the same as on a cluster.
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/run_job.h"
#include "cli/progress.h"
#include "cli/report_html.h"
#include "cli/supervisor.h"
#include "cli/tables.h"
#include "common/files.h"
#include "common/sha256.h"
#include "common/shutdown.h"
#include "config/job_config.h"
#include "coordinator/results.h"

namespace sojourn::cli {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string config, runs = "runs";
  bool dry_run = false, fresh = false, json = false;
  int actors = 0;
};

// Only one `sojourn run` may drive a run's folder.
absl::StatusOr<int> LockRun(const fs::path& run) {
  std::error_code error;
  fs::create_directories(run, error);
  const int fd = open((run / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("opening ", (run / "lock").string()));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return absl::FailedPreconditionError(
        absl::StrCat(run.string(), " is in use by another `sojourn run`; wait for it, or give the configuration another name"));
  }
  return fd;
}

// A folder continues only the configuration that it was begun with. How many processes there are does not
// change the result, so resources may change, but for the number of ranks (the order of sums).
absl::Status RememberConfig(const fs::path& run, const v1::JobConfig& config) {
  v1::JobConfig kept = config;
  kept.mutable_resources()->clear_actors();
  kept.mutable_resources()->clear_slots();
  const std::string text = config::JobConfigYaml(kept);
  const std::string path = (run / "config.yaml").string();
  if (fs::exists(path)) {
    const auto before = ReadFile(path);
    if (!before.ok()) return before.status();
    if (*before != text) {
      return absl::FailedPreconditionError(absl::StrCat(
          run.string(), " holds a run of another configuration (compare ", path,
          " with --dry-run); give this one another `name`, or --fresh to delete that run and start anew"));
    }
    return absl::OkStatus();
  }
  return WriteFileAtomically(path, text);
}

// Follows the job while the supervisor keeps its processes alive. The result is the job's last status.
absl::StatusOr<v1::JobStatus> Follow(Supervisor& supervisor, const std::string& job_id, ProgressPrinter& printer) {
  std::mutex mu;
  v1::JobStatus last;
  bool changed = false;
  std::atomic<bool> stop = false;
  Client client(supervisor.coordinator_address());
  std::thread watcher([&] {
    while (!stop) {   // the coordinator may be killed and started again: then the stream breaks and is opened anew
      (void)client.Watch(job_id, [&](const v1::JobStatus& status) {
        std::lock_guard lock(mu);
        last = status;
        changed = true;
      });
      absl::SleepFor(absl::Milliseconds(200));
    }
  });
  absl::Status failure;
  for (;;) {
    failure = supervisor.Tend([&](const std::string& line) { printer.Notice(line); });
    const bool over = !failure.ok() || WaitForShutdown(absl::Milliseconds(100));
    std::lock_guard lock(mu);
    if (std::exchange(changed, false)) printer.Show(last);
    if (over || HasEnded(last.state())) break;
  }
  stop = true;
  client.StopWatching();
  watcher.join();
  printer.Finish();
  if (!failure.ok()) return failure;
  return last;
}

int ShowReport(const v1::Results& results, const fs::path& run, bool json) {
  const nlohmann::json report = coordinator::BuildReport(results);
  absl::Status written = WriteFileAtomically((run / "report.json").string(), report.dump(2) + "\n");
  written.Update(WriteFileAtomically((run / "report.html").string(), ReportHtml(report)));
  if (!written.ok()) return Fail(written);
  if (json) {
    std::printf("%s\n", report.dump(2).c_str());
  } else {
    std::printf("%s\n", ReportTables(report, IsTerminal(stdout)).c_str());
    std::printf("Report: %s (the same as JSON beside it)\n", (run / "report.html").c_str());
  }
  return 0;
}

int Run(const Arguments& a) {
  auto config = config::LoadJobConfig(a.config);
  if (!config.ok()) return Fail(config.status());
  if (a.actors > 0) config->mutable_resources()->set_actors(a.actors);
  if (a.dry_run) {
    std::printf("%s", config::JobConfigYaml(*config).c_str());
    return 0;
  }
  return RunJob(*config, a.runs, a.fresh, [&](const v1::Results& results, const std::string& run) {
    return ShowReport(results, run, a.json);
  }, "stopped with a checkpoint; the same command goes on from here");
}

}  // namespace

int RunJob(const v1::JobConfig& config, const std::string& runs_directory, bool fresh,
           const std::function<int(const v1::Results&, const std::string& run)>& show, const char* interrupted) {
  const fs::path runs = fs::absolute(runs_directory).lexically_normal();
  const fs::path run = runs / config.name();
  const auto lock = LockRun(run);
  if (!lock.ok()) return Fail(lock.status());
  if (fresh) {
    std::error_code error;
    const bool is_run = fs::exists(run / "config.yaml", error) && fs::exists(run / "coordinator", error);
    for (const auto& entry : fs::directory_iterator(run)) {
      if (entry.path().filename() == "lock") continue;
      if (!is_run) {
        return Fail(absl::FailedPreconditionError(absl::StrCat(
            run.string(), " is no run's folder (it has no config.yaml and coordinator/): --fresh will not empty it")));
      }
      fs::remove_all(entry.path());
    }
  }
  if (absl::Status kept = RememberConfig(run, config); !kept.ok()) return Fail(kept);

  auto supervisor = Supervisor::Start(config.resources(), runs.string(), run.string());
  if (!supervisor.ok()) return Fail(supervisor.status());
  std::fprintf(stderr, "%s: coordinator at %s, logs in %s\n", config.name().c_str(),
               supervisor->coordinator_address().c_str(), (run / "logs").c_str());

  // The folder, wherever it was moved, holds one job: a second start of it finds what the first one submitted.
  Client client(supervisor->coordinator_address());
  const auto job_id = client.Submit(config, "run");
  if (!job_id.ok()) {
    supervisor->Stop();
    return Fail(job_id.status());
  }
  if (auto status = client.Get(*job_id); status.ok() && status->state() == v1::PAUSED) {
    std::fprintf(stderr, "the job is paused: `sojourn resume --coordinator %s` goes on with it\n",
                 supervisor->coordinator_address().c_str());
  }
  ProgressPrinter printer(stderr);
  const auto status = Follow(*supervisor, *job_id, printer);
  auto results = client.Report(*job_id);
  // The coordinator may just have died: it comes back, and has kept everything.
  for (int tries = 0; absl::IsUnavailable(results.status()) && status.ok() && tries < 20; ++tries) {
    if (!supervisor->Tend([&](const std::string& line) { printer.Notice(line); }).ok()) break;
    absl::SleepFor(absl::Milliseconds(500));
    results = client.Report(*job_id);
  }
  supervisor->Stop();
  if (!status.ok()) return Fail(status.status());
  if (status->state() == v1::SUCCEEDED) return results.ok() ? show(*results, run.string()) : Fail(results.status());
  if (status->state() == v1::FAILED) return Fail(absl::AbortedError(absl::StrCat("the job failed: ", status->error())));
  if (status->state() == v1::CANCELLED) return Fail(absl::CancelledError("the job was cancelled; --fresh begins it anew"));
  std::fprintf(stderr, "%s\n", interrupted);
  return 130;
}

void AddRun(CLI::App& app, Action& action) {
  auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("run", "Run a job on this machine: coordinator, learner and actors as child processes");
  command->add_option("CONFIG", a->config, "the job's YAML file")->required();
  command->add_option("--runs", a->runs, "where runs are kept, each in a folder of its name")->capture_default_str();
  command->add_flag("--dry-run", a->dry_run, "print the resolved configuration and start nothing");
  command->add_flag("--fresh", a->fresh, "delete what an earlier run of this name left, and start anew");
  command->add_flag("--json", a->json, "print the report as JSON");
  command->add_option("--actors", a->actors, "how many actors, instead of resources.actors; the results do not change");
  command->footer(
      "Ctrl-C stops with a checkpoint; the same command continues. When the run is over, it shows its report.\n"
      "Examples:\n"
      "  sojourn run configs/quickstart.yaml\n"
      "  sojourn run configs/quickstart.yaml --dry-run\n"
      "  sojourn run configs/quickstart.yaml --fresh --actors 3");
  command->callback([a, &action] { action = [a] { return Run(*a); }; });
}

}  // namespace sojourn::cli
