// sojourn submit, jobs, watch, cancel, pause, resume, report: ask a coordinator anywhere.
#include <google/protobuf/util/json_util.h>

#include <atomic>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "cli/report_html.h"
#include "cli/tables.h"
#include "common/files.h"
#include "common/shutdown.h"
#include "config/job_config.h"
#include "coordinator/results.h"

namespace sojourn::cli {
namespace {

struct Arguments {
  std::string coordinator, job, config, html, request_id;
  bool json = false, dry_run = false;
};

std::string ToJson(const google::protobuf::Message& message) {
  std::string text;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  (void)google::protobuf::util::MessageToJsonString(message, &text, options);
  return text;
}

void PrintStatus(const v1::JobStatus& status, bool json) {
  if (json) {
    std::printf("%s\n", ToJson(status).c_str());
    return;
  }
  std::printf("%s  %s  %s\n", status.job_id().c_str(), StateName(status.state()).c_str(),
              ProgressLine(status, 0).c_str());
  if (!status.error().empty()) std::printf("  %s\n", status.error().c_str());
}

int Submit(const Arguments& a) {
  const auto config = config::LoadJobConfig(a.config);
  if (!config.ok()) return Fail(config.status());
  if (a.dry_run) {
    std::printf("%s", config::JobConfigYaml(*config).c_str());
    return 0;
  }
  const std::string request_id = a.request_id.empty() ? absl::StrCat(absl::GetCurrentTimeNanos(), "-", getpid()) : a.request_id;
  const auto id = Client(a.coordinator).Submit(*config, request_id);
  if (!id.ok()) return Fail(id.status());
  std::printf(a.json ? "{\"job_id\": \"%s\"}\n" : "%s\n", id->c_str());
  return 0;
}

int List(const Arguments& a) {
  const auto list = Client(a.coordinator).List();
  if (!list.ok()) return Fail(list.status());
  if (a.json) {
    std::printf("%s\n", ToJson(*list).c_str());
    return 0;
  }
  if (list->jobs().empty()) std::printf("no jobs; `sojourn submit CONFIG --coordinator %s` adds one\n", a.coordinator.c_str());
  for (const v1::JobStatus& status : list->jobs()) PrintStatus(status, false);
  return 0;
}

int Watch(const Arguments& a) {
  ProgressPrinter printer(stderr);
  v1::JobStatus last;
  Client client(a.coordinator);
  std::atomic<bool> over = false;
  std::thread on_interrupt([&] {
    while (!over && !WaitForShutdown(absl::Milliseconds(100))) {
    }
    client.StopWatching();
  });
  const absl::Status watched = client.Watch(a.job, [&](const v1::JobStatus& status) {
    last = status;
    if (a.json) {
      std::printf("%s\n", ToJson(status).c_str());
      std::fflush(stdout);
    } else {
      printer.Show(status);
    }
  });
  over = true;
  on_interrupt.join();
  printer.Finish();
  if (!watched.ok()) return Fail(watched);
  if (!last.error().empty()) return Fail(absl::AbortedError(absl::StrCat(last.job_id(), " failed: ", last.error())));
  return last.state() == v1::SUCCEEDED || !HasEnded(last.state()) ? 0 : 1;
}

int Report(const Arguments& a) {
  const auto results = Client(a.coordinator).Report(a.job);
  if (!results.ok()) return Fail(results.status());
  const nlohmann::json report = coordinator::BuildReport(*results);
  if (a.json) {
    std::printf("%s\n", report.dump(2).c_str());
  } else {
    std::printf("%s", ReportTables(report, IsTerminal(stdout)).c_str());
  }
  if (!a.html.empty()) {
    if (absl::Status written = WriteFileAtomically(a.html, ReportHtml(report)); !written.ok()) return Fail(written);
  }
  return 0;
}

using StatusCall = absl::StatusOr<v1::JobStatus> (Client::*)(const std::string&);

void AddCall(CLI::App& app, Action& action, const std::shared_ptr<Arguments>& a, const std::string& name,
             const std::string& help, StatusCall call, const std::function<void(CLI::App*)>& common) {
  CLI::App* command = app.add_subcommand(name, help);
  common(command);
  command->add_option("JOB", a->job, "the job's id; the newest job without it");
  command->callback([=, &action] {
    action = [=] {
      Client client(a->coordinator);
      const auto status = (client.*call)(a->job);
      if (!status.ok()) return Fail(status.status());
      PrintStatus(*status, a->json);
      return 0;
    };
  });
}

}  // namespace

void AddJobs(CLI::App& app, Action& action) {
  auto a = std::make_shared<Arguments>();
  const auto common = [a](CLI::App* command) {
    command->add_option("--coordinator", a->coordinator, "the coordinator's HOST:PORT")
        ->envname("SOJOURN_COORDINATOR")->required();
    command->add_flag("--json", a->json, "print JSON");
    command->footer("Example:\n  sojourn " + command->get_name() + " --coordinator 10.0.0.5:7070");
  };
  const auto job = [a](CLI::App* command) { command->add_option("JOB", a->job, "the job's id; the newest job without it"); };

  CLI::App* submit = app.add_subcommand("submit", "Submit a job to a coordinator");
  submit->add_option("CONFIG", a->config, "the job's YAML file")->required();
  submit->add_option("--coordinator", a->coordinator, "the coordinator's HOST:PORT")->envname("SOJOURN_COORDINATOR");
  submit->add_flag("--json", a->json, "print JSON");
  submit->add_flag("--dry-run", a->dry_run, "print the resolved configuration and submit nothing");
  submit->add_option("--request-id", a->request_id, "submitting again with the same id submits once");
  submit->footer("Example:\n  sojourn submit configs/quickstart.yaml --coordinator 10.0.0.5:7070");
  submit->callback([a, &action] {
    action = [a] {
      if (!a->dry_run && a->coordinator.empty()) {
        return Fail(absl::InvalidArgumentError("submit: --coordinator HOST:PORT is missing (or set SOJOURN_COORDINATOR)"));
      }
      return Submit(*a);
    };
  });

  CLI::App* jobs = app.add_subcommand("jobs", "List a coordinator's jobs");
  common(jobs);
  jobs->callback([a, &action] { action = [a] { return List(*a); }; });

  CLI::App* watch = app.add_subcommand("watch", "Follow a job until it ends; Ctrl-C stops watching, not the job");
  common(watch);
  job(watch);
  watch->callback([a, &action] { action = [a] { return Watch(*a); }; });

  AddCall(app, action, a, "cancel", "Cancel a job; what it measured stays", &Client::Cancel, common);
  AddCall(app, action, a, "pause", "Stop issuing work; what is under way is finished", &Client::Pause, common);
  AddCall(app, action, a, "resume", "Go on with a paused job", &Client::Resume, common);

  CLI::App* report = app.add_subcommand("report", "Show what a job has measured so far");
  common(report);
  job(report);
  report->add_option("--html", a->html, "also write the report as a page to this file");
  report->footer("Example:\n  sojourn report --coordinator 10.0.0.5:7070 --html report.html");
  report->callback([a, &action] { action = [a] { return Report(*a); }; });
}

}  // namespace sojourn::cli
