#include "envs/babyai/episode_replay.h"

#include <cmath>
#include <exception>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "envs/babyai/text.h"

namespace sojourn::envs::babyai {
namespace {

using nlohmann::json;

// Collects the differences of one reset or step.
class Comparison {
 public:
  Comparison(std::string where, std::vector<std::string>* differences)
      : where_(std::move(where)), differences_(differences) {}

  void Text(const char* what, const std::string& expected, const std::string& actual) {
    if (expected != actual) Add(what, json(expected).dump(), json(actual).dump());
  }
  void Number(const char* what, double expected, double actual) {
    if (!(std::abs(expected - actual) < 1e-12)) {
      Add(what, json(expected).dump(), json(actual).dump());
    }
  }
  void Truth(const char* what, bool expected, bool actual) {
    if (expected != actual) Add(what, expected ? "true" : "false", actual ? "true" : "false");
  }

  void Reply(const json& expected, const absl::StatusOr<AgentGymBabyAI::Reply>& actual) {
    if (expected.contains("error") || !actual.ok()) {
      Text("error", expected.value("error", "(none)"),
           actual.ok() ? "(none)" : std::string(actual.status().message()));
      return;
    }
    Text("observation", expected.at("observation").get<std::string>(), actual->observation);
    Number("reward", expected.at("reward").get<double>(), actual->reward);
    Number("score", expected.at("score").get<double>(), actual->score);
    Truth("done", expected.at("done").get<bool>(), actual->done);
    if (expected.contains("deleted")) Truth("deleted", expected.at("deleted").get<bool>(), false);
  }

 private:
  void Add(const char* what, const std::string& expected, const std::string& actual) {
    differences_->push_back(
        absl::StrCat(where_, ": ", what, ": expected ", expected, ", got ", actual));
  }

  std::string where_;
  std::vector<std::string>* differences_;
};

std::vector<std::string> Replay(const json& line) {
  std::vector<std::string> differences;
  AgentGymBabyAI environment;
  const int64_t data_idx = line.at("data_idx").get<int64_t>();
  const std::string name = absl::StrCat("data_idx ", data_idx);
  Comparison reset(name + " reset", &differences);
  reset.Reply(line.at("reset"), environment.Reset(data_idx));
  const int64_t level = data_idx % kAgentGymLevels + 1;
  if (line.contains("level")) reset.Number("level", line["level"].get<double>(), level);
  if (line.contains("level_name") && data_idx >= 0) {
    reset.Text("level_name", line["level_name"].get<std::string>(),
               std::string(AgentGymLevel(static_cast<int>(level))));
  }
  if (line.contains("seed")) {
    reset.Number("seed", line["seed"].get<double>(), data_idx / kAgentGymLevels);
  }
  if (!line.contains("steps")) return differences;
  int number = 0;
  for (const json& step : line["steps"]) {
    const std::string action = step.at("action").get<std::string>();
    Comparison comparison(absl::StrCat(name, " step ", number++, " ", json(action).dump()),
                          &differences);
    comparison.Reply(step.contains("response") ? step["response"] : step, environment.Step(action));
  }
  return differences;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ReplayEpisode(const json& line) {
  try {
    return Replay(line);
  } catch (const std::exception& error) {  // the JSON library's way to say that the form is wrong
    return absl::InvalidArgumentError(
        absl::StrCat("not a recorded BabyAI episode {data_idx, reset, steps}: ", error.what()));
  }
}

}  // namespace sojourn::envs::babyai
