// sojourn data check: what a folder of real data holds for each environment, and what is wrong with
// it.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/command.h"
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
  bool found_any = false;
  for (const auto& [name, report] : reports) {
    std::printf("%s\n", name.c_str());
    for (const envs::DataReport::Found& found : report.found) {
      std::printf("  %9lld %s: %s\n", static_cast<long long>(found.count), found.what.c_str(),
                  found.gain.c_str());
      found_any = true;
    }
    for (const std::string& fault : report.faults) std::printf("      fault %s\n", fault.c_str());
    if (report.found.empty() && report.faults.empty()) std::printf("          nothing for it\n");
  }
  if (!found_any) return;
  std::printf("To use it: --option data=%s; in job files, options: {data: %s}\n", directory.c_str(),
              directory.c_str());
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
      app.add_subcommand("data", "Data for environments: check a folder of it, or make some up");
  data->require_subcommand(1);
  AddDataMake(*data, action);
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
