#include "envs/client_replay.h"

#include "absl/strings/str_cat.h"
#include "envs/environment.h"

namespace sojourn::envs {
namespace {

std::vector<std::string> Compare(const nlohmann::json& recorded, const nlohmann::json& ours) {
  if (recorded == ours) return {};
  return {absl::StrCat("recorded ", recorded.dump(), ", ours ", ours.dump())};
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ReplayClientParse(const nlohmann::json& line) {
  try {
    const absl::StatusOr<const Spec*> spec = FindSpec(line.at("client").get<std::string>());
    if (!spec.ok()) return spec.status();
    if (line.contains("conversation_start")) {
      nlohmann::json recorded,
          ours = {{"human", (*spec)->instructions}, {"gpt", (*spec)->acceptance}};
      for (const nlohmann::json& turn : line.at("conversation_start")) {
        recorded[turn.at("from").get<std::string>()] = turn.at("value");
      }
      return Compare(recorded, ours);
    }
    const auto action = (*spec)->read_action(line.at("response").get<std::string>());
    nlohmann::json ours = {{"posted_action", nullptr}, {"local_state", nullptr}};
    if (action.ok()) {
      ours["posted_action"] = *action;
    } else {
      ours["local_state"] = std::string(action.status().message());
    }
    return Compare(
        {{"posted_action", line.at("posted_action")}, {"local_state", line.at("local_state")}},
        ours);
  } catch (const nlohmann::json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("not a recorded client line: ", error.what()));
  }
}

}  // namespace sojourn::envs
