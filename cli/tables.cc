#include "cli/tables.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace sojourn::cli {
std::string Table(const std::vector<std::vector<std::string>>& rows, bool colour) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (size_t i = 0; i < rows[r].size(); ++i) {
      const std::string pad(widths[i] - rows[r][i].size(), ' ');
      absl::StrAppend(&line, i == 0 ? "  " : "   ", i == 0 ? rows[r][i] + pad : pad + rows[r][i]);
    }
    absl::StrAppend(&out, colour && r == 0 ? absl::StrCat("\033[1m", line, "\033[0m") : line, "\n");
  }
  return out;
}

namespace {

using nlohmann::json;

// Columns padded to their widest cell; the first left-aligned, the others right-aligned.
std::string ColumnName(const json& cell) {
  std::string name = absl::StrCat(cell.value("environment", ""), "/", cell.value("difficulty", 0));
  if (const std::string variant = cell.value("variant", ""); !variant.empty()) absl::StrAppend(&name, "+", variant);
  if (cell.value("split", "test") == "train") absl::StrAppend(&name, " (train)");
  return name;
}

std::string Percent(const json& value) {
  return value.is_number() ? absl::StrFormat("%.0f%%", 100 * value.get<double>()) : "-";
}

std::string Success(const json& cell) {
  std::string text = Percent(cell.value("success", json()));
  if (const json ci = cell.value("ci95", json()); ci.is_array() && ci.size() == 2) {
    absl::StrAppend(&text, absl::StrFormat(" [%.0f, %.0f]", 100 * ci[0].get<double>(), 100 * ci[1].get<double>()));
  }
  if (const json greedy = cell.value("greedy_success", json()); greedy.is_number()) {
    absl::StrAppend(&text, " greedy ", Percent(greedy));
  }
  return text;
}

std::string Measure(const json& measures, const char* name) {
  const json value = measures.value(name, json());
  return value.is_number() ? absl::StrFormat("%+.1f", 100 * value.get<double>()) : "-";
}

const json& Cells(const json& row) { return row.at("cells"); }

uint64_t Failed(const json& object) { return object.value("failed_episodes", uint64_t{0}); }

std::string OfEpisodes(uint64_t failed, uint64_t episodes) {
  return absl::StrCat(failed, " of ", episodes, " episodes");
}

// Every cell whose environment failed for good, with the first error.
std::string FailedCells(const json& rows) {
  std::string out;
  for (const json& row : rows) {
    for (const json& cell : Cells(row)) {
      if (Failed(cell) == 0) continue;
      const uint64_t greedy = cell.contains("greedy_success") ? cell.value("tasks", uint64_t{0}) : 0;
      absl::StrAppend(&out, "  ", row.value("row", ""), ", ", ColumnName(cell), ": ",
                      OfEpisodes(Failed(cell), cell.value("episodes", uint64_t{0}) + greedy), ": ",
                      cell.value("error", ""), "\n");
    }
  }
  return out;
}

// The same of training, by environment and difficulty.
std::string FailedInTraining(const json& updates) {
  std::map<std::string, std::pair<uint64_t, uint64_t>> sums;  // failed and all episodes
  for (const json& update : updates) {
    for (const json& environment : update.value("environments", json::array())) {
      auto& [failed, episodes] = sums[ColumnName(environment)];
      failed += Failed(environment);
      episodes += environment.value("episodes", uint64_t{0});
    }
  }
  std::string out;
  for (const auto& [name, sum] : sums) {
    if (sum.first == 0) continue;
    absl::StrAppend(&out, "  training, ", name, ": ", OfEpisodes(sum.first, sum.second),
                    "; nothing was learned from their groups\n");
  }
  return out;
}

std::string UnderFailedHead(const std::string& lines) {
  if (lines.empty()) return "";
  return absl::StrCat("\nEpisodes whose environment failed for good (they count as episodes without success)\n\n", lines);
}

std::string Matrix(const json& arm, bool colour) {
  std::vector<std::vector<std::string>> success, behaviour;
  for (const json& row : arm.at("matrix")) {
    if (success.empty()) {
      success.push_back({"success (95% interval)"});
      behaviour.push_back({"mean turns, generated tokens"});
      for (const json& cell : Cells(row)) {
        success[0].push_back(ColumnName(cell));
        behaviour[0].push_back(ColumnName(cell));
      }
    }
    success.push_back({row.value("row", "")});
    behaviour.push_back({row.value("row", "")});
    for (const json& cell : Cells(row)) {
      success.back().push_back(Success(cell));
      behaviour.back().push_back(absl::StrFormat("%.1f, %.0f", cell.value("turns", 0.0), cell.value("tokens", 0.0)));
    }
  }
  return absl::StrCat(Table(success, colour), "\n", Table(behaviour, colour));
}

}  // namespace

std::string EvalTables(const json& rows, bool colour) {
  const auto percent = [](const json& share) {
    return share.is_number() ? absl::StrFormat("%.1f%%", 100 * share.get<double>()) : std::string("-");
  };
  const auto number = [](const json& cell, const char* name, int decimals) {
    const json value = cell.value(name, json());
    if (!value.is_number()) return std::string("-");
    return absl::StrFormat("%.*f", decimals, value.get<double>());
  };
  uint64_t most = 0;      // episodes of a task
  std::vector<uint64_t> passes;
  bool greedy = false;
  for (const json& row : rows) {
    for (const json& cell : Cells(row)) {
      greedy |= cell.contains("greedy_success");
      if (const uint64_t tasks = cell.value("tasks", 0); tasks > 0) {
        most = std::max(most, cell.value("episodes", uint64_t{0}) / tasks);
      }
      if (!passes.empty() || !cell.contains("pass_at_k")) continue;
      for (const json& pass : cell["pass_at_k"]) passes.push_back(pass["k"]);
    }
  }
  std::vector<std::vector<std::string>> success = {{"success", absl::StrCat("avg@", most), "95% interval"}};
  for (const uint64_t k : passes) success[0].push_back(absl::StrCat("pass@", k));
  if (greedy) success[0].push_back("greedy");
  for (const char* name : {"progress", "tasks", "episodes"}) success[0].push_back(name);
  std::vector<std::vector<std::string>> behaviour = {
      {"behaviour", "turns", "tokens", "tokens a turn", "invalid actions", "repeated failures", "cut short"}};
  const size_t columns = rows.empty() ? 0 : Cells(rows[0]).size();
  for (size_t column = 0; column < columns; ++column) {
    for (auto row = rows.rbegin(); row != rows.rend(); ++row) {   // the model, then chance
      if (column >= Cells(*row).size()) continue;
      const json& cell = Cells(*row)[column];
      const bool chance = row->value("row", "") == "random";
      const std::string name = absl::StrCat(ColumnName(cell), chance ? ", random actions" : "");
      const json ci = cell.value("ci95", json());
      success.push_back({name, percent(cell.value("success", json())),
                         ci.is_array() ? absl::StrCat(percent(ci[0]), " to ", percent(ci[1])) : "-"});
      const json pass = cell.value("pass_at_k", json::array());
      for (size_t i = 0; i < passes.size(); ++i) {
        success.back().push_back(i < pass.size() ? percent(pass[i]["success"]) : "-");
      }
      if (greedy) success.back().push_back(percent(cell.value("greedy_success", json())));
      success.back().push_back(percent(cell.value("progress", json())));
      success.back().push_back(absl::StrCat(cell.value("tasks", 0)));
      success.back().push_back(absl::StrCat(cell.value("episodes", 0)));
      behaviour.push_back({name, number(cell, "turns", 1), chance ? "-" : number(cell, "tokens", 0),
                           chance ? "-" : number(cell, "response_tokens", 1),
                           percent(cell.value("invalid_actions", json())),
                           percent(cell.value("repeated_failures", json())), percent(cell.value("truncated", json()))});
    }
  }
  return absl::StrCat(Table(success, colour), "\n", Table(behaviour, colour),
                      UnderFailedHead(FailedCells(rows)));
}

std::string ReportTables(const json& report, bool colour) {
  std::string out;
  std::vector<std::vector<std::string>> side_by_side;
  for (const json& arm : report.at("arms")) {
    const std::string failed = UnderFailedHead(absl::StrCat(
        FailedCells(arm.at("matrix")), FailedInTraining(arm.value("updates", json::array()))));
    if (arm.at("matrix").empty()) {
      if (!failed.empty()) absl::StrAppend(&out, "\nArm ", arm.value("name", ""), "\n", failed);
      continue;
    }
    absl::StrAppend(&out, "\nArm ", arm.value("name", ""), ", trained on ",
                    absl::StrJoin(arm.value("trained", std::vector<std::string>()), ", then "), "\n\n", Matrix(arm, colour),
                    failed);
    const json measures = arm.value("measures", json::object());
    const json& last = arm.at("matrix").back();
    if (side_by_side.empty()) {
      side_by_side.push_back({"last row of each arm"});
      for (const json& cell : Cells(last)) side_by_side[0].push_back(ColumnName(cell));
      for (const char* name : {"ACC", "BWT", "FWT", "forgetting"}) side_by_side[0].push_back(name);
      for (const json& row : arm.at("matrix")) {
        if (row.value("row", "") != "before") continue;
        side_by_side.push_back({"before training"});
        for (const json& cell : Cells(row)) side_by_side.back().push_back(Success(cell));
      }
    }
    side_by_side.push_back({arm.value("name", "")});
    for (const json& cell : Cells(last)) side_by_side.back().push_back(Success(cell));
    for (const char* name : {"ACC", "BWT", "FWT", "forgetting"}) side_by_side.back().push_back(Measure(measures, name));
  }
  if (side_by_side.empty()) return absl::StrCat(out, out.empty() ? "" : "\n", "Nothing has been measured yet.\n");
  absl::StrAppend(&out, "\nThe arms side by side (ACC, BWT, FWT and forgetting in points of sampled success)\n\n",
                  Table(side_by_side, colour));
  return out;
}

}  // namespace sojourn::cli
