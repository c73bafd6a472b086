#include "coordinator/results.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/statistics.h"

namespace sojourn::coordinator {
namespace {

using nlohmann::json;

json Array(const Interval& interval) { return json::array({interval.low, interval.high}); }

// Success by task index; tasks without an episode of the kind are left out.
std::map<int64_t, double> SuccessByTask(const v1::MatrixCell& cell, bool greedy) {
  std::map<int64_t, double> success;
  for (const v1::TaskOutcome& task : cell.tasks()) {
    if (greedy && task.greedy_played()) success[task.index()] = task.greedy_success() ? 1 : 0;
    if (!greedy && task.episodes() > 0) {
      success[task.index()] = static_cast<double>(task.successes()) / task.episodes();
    }
  }
  return success;
}

std::vector<double> Values(const std::map<int64_t, double>& by_task) {
  std::vector<double> values;
  for (const auto& [index, value] : by_task) values.push_back(value);
  return values;
}

std::vector<double> Differences(const std::map<int64_t, double>& after,
                                const std::map<int64_t, double>& before) {
  std::vector<double> differences;
  for (const auto& [index, value] : after) {
    if (const auto found = before.find(index); found != before.end()) {
      differences.push_back(value - found->second);
    }
  }
  return differences;
}

bool SameCell(const v1::EvaluationCell& a, const v1::EvaluationCell& b) {
  return a.environment() == b.environment() && a.difficulty() == b.difficulty() &&
         a.variant() == b.variant() && (a.split() == "train") == (b.split() == "train");
}

const v1::MatrixCell* FindCell(const v1::MatrixRow* row, const v1::EvaluationCell& wanted) {
  if (row == nullptr) return nullptr;
  for (const v1::MatrixCell& cell : row->cells()) {
    if (SameCell(cell.cell(), wanted)) return &cell;
  }
  return nullptr;
}

json SamplesJson(const v1::MatrixCell& cell) {
  json samples = json::array();
  for (const v1::TranscriptSample& sample : cell.samples()) {
    json turns = json::array();
    for (const v1::TranscriptTurn& turn : sample.turns()) {
      turns.push_back({{"observation", turn.observation()},
                       {"response", turn.response()},
                       {"reward", turn.reward()}});
    }
    samples.push_back({{"index", sample.index()},
                       {"greedy", sample.greedy()},
                       {"success", sample.success()},
                       {"turns", std::move(turns)}});
  }
  return samples;
}

// pass@k for k = 2, 4, ... and the number of episodes, where every task has so many.
json PassJson(const v1::MatrixCell& cell) {
  uint32_t most = cell.tasks_size() > 0 ? UINT32_MAX : 0;
  for (const v1::TaskOutcome& task : cell.tasks()) most = std::min(most, task.episodes());
  json out = json::array();
  for (uint32_t k = 2; k / 2 < most; k *= 2) {
    const uint32_t used = std::min(k, most);
    std::vector<double> passes;
    for (const v1::TaskOutcome& task : cell.tasks()) {
      passes.push_back(PassAtK(task.episodes(), task.successes(), used));
    }
    out.push_back(
        {{"k", used}, {"success", Mean(passes)}, {"ci95", Array(BootstrapInterval(passes))}});
  }
  return out;
}

json CellJson(const v1::MatrixCell& cell, const v1::MatrixCell* before) {
  json out = {{"environment", cell.cell().environment()},
              {"difficulty", cell.cell().difficulty()},
              {"variant", cell.cell().variant()},
              {"split", cell.cell().split() == "train" ? "train" : "test"},
              {"max_turns", cell.cell().max_turns()},
              {"success", nullptr}};
  uint64_t episodes = 0, turns = 0, tokens = 0, invalid = 0, repeated = 0, truncated = 0,
           failed = 0;
  double progress = 0;
  for (const v1::TaskOutcome& task : cell.tasks()) {
    episodes += task.episodes();
    turns += task.turns();
    tokens += task.tokens();
    invalid += task.invalid_actions();
    repeated += task.repeated_failures();
    truncated += task.truncated();
    progress += task.progress();
    failed += task.failed_episodes();
    if (task.failed_episodes() > 0 && !out.contains("error")) out["error"] = task.error();
  }
  if (failed > 0) out["failed_episodes"] = failed;
  out["tasks"] = cell.tasks_size();
  out["episodes"] = episodes;
  if (episodes > 0) {
    const auto success = SuccessByTask(cell, false);
    const double all_turns = static_cast<double>(std::max<uint64_t>(1, turns));
    out["success"] = Mean(Values(success));
    out["ci95"] = Array(BootstrapInterval(Values(success)));
    if (json pass = PassJson(cell); !pass.empty()) out["pass_at_k"] = std::move(pass);
    out["progress"] = progress / static_cast<double>(episodes);
    out["truncated"] = static_cast<double>(truncated) / static_cast<double>(episodes);
    out["turns"] = static_cast<double>(turns) / static_cast<double>(episodes);
    out["tokens"] = static_cast<double>(tokens) / static_cast<double>(episodes);
    out["response_tokens"] = static_cast<double>(tokens) / all_turns;
    out["invalid_actions"] = static_cast<double>(invalid) / all_turns;
    out["repeated_failures"] = static_cast<double>(repeated) / all_turns;
    if (before != nullptr) {
      const auto differences = Differences(success, SuccessByTask(*before, false));
      if (!differences.empty()) {
        out["delta"] = Mean(differences);
        out["delta_ci95"] = Array(DifferenceInterval(differences));
      }
    }
  }
  if (const auto greedy = SuccessByTask(cell, true); !greedy.empty()) {
    out["greedy_success"] = Mean(Values(greedy));
    out["greedy_ci95"] = Array(BootstrapInterval(Values(greedy)));
    if (before != nullptr) {
      const auto differences = Differences(greedy, SuccessByTask(*before, true));
      if (!differences.empty()) out["greedy_delta"] = Mean(differences);
    }
  }
  if (cell.samples_size() > 0) out["samples"] = SamplesJson(cell);
  return out;
}

std::optional<double> CellSuccess(const v1::MatrixCell& cell, bool greedy) {
  const auto success = SuccessByTask(cell, greedy);
  if (success.empty()) return std::nullopt;
  return Mean(Values(success));
}

// R[i][j] for the row of i and the stage j; none when nothing of the stage is measured in the row.
std::optional<double> StageSuccess(const v1::MatrixRow& row, const v1::Stage& stage, bool greedy) {
  std::set<std::string> environments;
  for (const v1::MixtureEntry& entry : stage.mixture()) environments.insert(entry.environment());
  std::vector<double> means;
  for (const std::string& environment : environments) {
    std::vector<double> trained, all;
    for (const v1::MatrixCell& cell : row.cells()) {
      if (cell.cell().environment() != environment || !cell.cell().variant().empty() ||
          cell.cell().split() == "train") {
        continue;
      }
      const auto success = CellSuccess(cell, greedy);
      if (!success.has_value()) continue;
      all.push_back(*success);
      for (const v1::MixtureEntry& entry : stage.mixture()) {
        if (entry.environment() != environment ||
            cell.cell().difficulty() < entry.min_difficulty() ||
            cell.cell().difficulty() > entry.max_difficulty()) {
          continue;
        }
        trained.push_back(*success);
        break;
      }
    }
    if (!all.empty()) means.push_back(Mean(trained.empty() ? all : trained));
  }
  if (means.empty()) return std::nullopt;
  return Mean(means);
}

json MeasuresJson(const Measures& measures) {
  const auto number = [](const std::optional<double>& value) {
    return value.has_value() ? json(*value) : json(nullptr);
  };
  return {{"ACC", number(measures.average_accuracy)},
          {"BWT", number(measures.backward_transfer)},
          {"FWT", number(measures.forward_transfer)},
          {"forgetting", number(measures.forgetting)}};
}

const v1::MatrixRow* FindRow(const v1::ArmResults& arm, const std::string& name) {
  for (const v1::MatrixRow& row : arm.rows()) {
    if (row.row() == name) return &row;
  }
  return nullptr;
}

}  // namespace

Measures ComputeMeasures(const v1::Arm& arm, const v1::ArmResults& results, bool greedy) {
  Measures measures;
  std::vector<const v1::MatrixRow*> rows;  // R[0], then after each stage
  for (const v1::MatrixRow& row : results.rows()) {
    if (row.row() != "random") rows.push_back(&row);
  }
  const size_t stages = arm.stages_size();
  if (stages == 0 || rows.size() != stages + 1) return measures;
  std::vector<std::vector<double>> r(stages + 1, std::vector<double>(stages + 1));
  for (size_t i = 0; i <= stages; ++i) {
    for (size_t j = 1; j <= stages; ++j) {
      const auto success = StageSuccess(*rows[i], arm.stages(static_cast<int>(j - 1)), greedy);
      if (!success.has_value()) return measures;
      r[i][j] = *success;
    }
  }
  std::vector<double> accuracy, backward, forward, forgotten;
  for (size_t j = 1; j <= stages; ++j) {
    accuracy.push_back(r[stages][j]);
    if (j > 1) forward.push_back(r[j - 1][j] - r[0][j]);
    if (j == stages) continue;
    backward.push_back(r[stages][j] - r[j][j]);
    double best = r[0][j];
    for (size_t i = 1; i < stages; ++i) best = std::max(best, r[i][j]);
    forgotten.push_back(best - r[stages][j]);
  }
  measures.average_accuracy = Mean(accuracy);
  if (stages > 1) {
    measures.backward_transfer = Mean(backward);
    measures.forward_transfer = Mean(forward);
    measures.forgetting = Mean(forgotten);
  }
  return measures;
}

json UpdateJson(const v1::UpdateRecord& record) {
  const v1::UpdateMetrics& m = record.metrics();
  json success = json::array();
  for (const v1::EnvironmentSuccess& s : record.success()) {
    success.push_back({{"environment", s.environment()},
                       {"difficulty", s.difficulty()},
                       {"success", s.success()},
                       {"reward", s.reward()},
                       {"turns", s.turns()},
                       {"episodes", s.episodes()},
                       {"failed_episodes", s.failed_episodes()}});
  }
  return {{"update", record.update()},
          {"stage", record.stage()},
          {"seconds", record.seconds()},
          {"version", m.version()},
          {"loss", m.loss()},
          {"policy_loss", m.policy_loss()},
          {"kl", m.kl()},
          {"entropy", m.entropy()},
          {"clip_fraction", m.clip_fraction()},
          {"gradient_norm", m.gradient_norm()},
          {"learning_rate", m.learning_rate()},
          {"logprob_difference", m.logprob_difference()},
          {"active_groups", m.active_groups()},
          {"staleness", m.staleness()},
          {"reward", m.reward()},
          {"success", m.success()},
          {"tokens", m.tokens()},
          {"trained_tokens", m.trained_tokens()},
          {"episodes", m.episodes()},
          {"wait_seconds", m.wait_seconds()},
          {"train_seconds", m.train_seconds()},
          {"reduce_seconds", m.reduce_seconds()},
          {"environments", std::move(success)}};
}

json BuildReport(const v1::Results& results) {
  const v1::JobStatus& status = results.status();
  json arms = json::array();
  for (int i = 0; i < results.arms_size(); ++i) {
    const v1::ArmResults& arm = results.arms(i);
    const v1::MatrixRow* before = FindRow(arm, "before");
    json matrix = json::array();
    for (const v1::MatrixRow& row : arm.rows()) {
      const bool after = &row != before && row.row() != "random";
      json cells = json::array();
      for (const v1::MatrixCell& cell : row.cells()) {
        cells.push_back(CellJson(cell, after ? FindCell(before, cell.cell()) : nullptr));
      }
      matrix.push_back({{"row", row.row()}, {"cells", std::move(cells)}});
    }
    json updates = json::array();
    for (const v1::UpdateRecord& record : arm.updates()) updates.push_back(UpdateJson(record));
    json out = {{"name", arm.name()},
                {"trained", std::vector<std::string>(arm.trained().begin(), arm.trained().end())},
                {"final_weights_sha256", arm.final_weights_sha256()},
                {"final_model", arm.final_model()},
                {"matrix", std::move(matrix)},
                {"updates", std::move(updates)}};
    if (i < status.config().arms_size()) {
      const v1::Arm& config = status.config().arms(i);
      out["measures"] = MeasuresJson(ComputeMeasures(config, arm, false));
      out["greedy_measures"] = MeasuresJson(ComputeMeasures(config, arm, true));
    }
    arms.push_back(std::move(out));
  }
  return {{"job",
           {{"id", status.job_id()},
            {"name", status.config().name()},
            {"seed", status.config().seed()},
            {"state", v1::JobState_Name(status.state())},
            {"error", status.error()},
            {"model", status.config().policy().has_endpoint()
                          ? status.config().policy().endpoint().model()
                          : status.config().policy().model()}}},
          {"arms", std::move(arms)}};
}

}  // namespace sojourn::coordinator
