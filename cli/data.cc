// sojourn data check: what a folder of real data holds for each environment, and what is wrong with
// it.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "cli/tables.h"
#include "envs/environment.h"

namespace sojourn::cli {
namespace {

struct Arguments {
  std::string directory;
  bool json = false;
};

using Reports = std::map<std::string, envs::DataReport>;

nlohmann::json ToJson(const Reports& reports) {
  nlohmann::json environments = nlohmann::json::object();
  for (const auto& [name, report] : reports) {
    nlohmann::json found = nlohmann::json::array();
    for (const envs::DataReport::Found& each : report.found) {
      found.push_back({{"what", each.what}, {"count", each.count}, {"gain", each.gain}});
    }
    environments[name] = {{"found", found}, {"faults", report.faults}};
  }
  return environments;
}

void Print(const Reports& reports, const std::string& directory) {
  std::vector<std::vector<std::string>> rows = {{"environment", "count", "found"}};
  std::string gains, faults, nothing;
  for (const auto& [name, report] : reports) {
    for (const envs::DataReport::Found& found : report.found) {
      rows.push_back({name, absl::StrCat(found.count), found.what});
      if (found.count > 0) absl::StrAppend(&gains, "  ", name, ": ", found.gain, "\n");
    }
    for (const std::string& fault : report.faults)
      absl::StrAppend(&faults, "  ", name, ": ", fault, "\n");
    if (report.found.empty() && report.faults.empty())
      absl::StrAppend(&nothing, nothing.empty() ? "" : ", ", name);
  }
  if (rows.size() > 1) std::printf("%s", Table(rows, IsTerminal(stdout)).c_str());
  if (!gains.empty()) {
    std::printf("\nWith --option data=%s (in job files: options: {data: %s})\n%s",
                directory.c_str(), directory.c_str(), gains.c_str());
  }
  if (!nothing.empty())
    std::printf("%snothing for: %s\n", rows.size() > 1 ? "\n" : "", nothing.c_str());
  if (!faults.empty()) std::printf("\nfaults; all else can be used\n%s", faults.c_str());
}

int Check(const Arguments& a) {
  const auto reports = envs::CheckData(a.directory);
  if (!reports.ok()) return Fail(reports.status());
  if (a.json) {
    std::printf(
        "%s\n",
        ToJson(*reports).dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    Print(*reports, a.directory);
  }
  for (const auto& [name, report] : *reports) {
    if (!report.faults.empty()) return 1;
  }
  return 0;
}

}  // namespace

void AddData(CLI::App& app, Action& action) {
  auto a = std::make_shared<Arguments>();
  CLI::App* data =
      app.add_subcommand("data", "Real data for environments: questions, games, products");
  data->require_subcommand(1);
  CLI::App* check = data->add_subcommand(
      "check", "What a folder holds for each environment; status 1 if there are faults");
  check
      ->add_option("DIRECTORY", a->directory,
                   "the folder that environments are given as option \"data\"")
      ->required();
  check->add_flag("--json", a->json, "print JSON");
  check->footer("Example:\n  sojourn data check data/searchqa");
  check->callback([a, &action] { action = [a] { return Check(*a); }; });
}

}  // namespace sojourn::cli
