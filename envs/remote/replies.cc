#include "envs/remote/replies.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/json.h"

namespace sojourn::envs::remote {
namespace {

using nlohmann::json;

constexpr size_t kMostActions = 10000;
constexpr double kLargestReward = 1e9;

std::string Shown(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace).substr(0, 80);
}

absl::Status Wrong(std::string_view name, const char* expected, const json& given) {
  return absl::DataLossError(
      absl::StrCat("the answer's ", name, ": expected ", expected, ", not ", Shown(given)));
}

const json& Member(const json& object, std::string_view name) {
  static const json none;
  const auto found = object.find(name);
  return found == object.end() ? none : *found;
}

absl::StatusOr<json> Parse(std::string_view body) {
  json value = ParseJson(body);
  if (value.is_discarded()) {
    const std::string shown = Shown(json(std::string(body.substr(0, 200))));
    return absl::DataLossError(absl::StrCat("the answer is not JSON: ", shown));
  }
  if (value.is_object() && value.contains("error") && !value.contains("observation")) {
    return absl::AbortedError(absl::StrCat("the server says: ", Shown(value["error"])));
  }
  return value;
}

absl::Status ReadText(const json& object, std::string_view name, std::string& text) {
  const json& given = Member(object, name);
  if (!given.is_string()) return Wrong(name, "a text", given);
  text = given.get<std::string>();
  return absl::OkStatus();
}

absl::Status CheckNumber(std::string_view name, double value) {
  if (std::isfinite(value) && std::abs(value) <= kLargestReward) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the answer's ", name, ": ", value, " is no such number"));
}

absl::Status ReadNumber(const json& object, std::string_view name, bool nullable, double& number) {
  const json& given = Member(object, name);
  if (nullable && given.is_null()) return absl::OkStatus();
  if (given.is_boolean()) {
    number = given.get<bool>() ? 1 : 0;
    return absl::OkStatus();
  }
  if (!given.is_number()) return Wrong(name, "a number", given);
  number = given.get<double>();
  return CheckNumber(name, number);
}

absl::Status ReadTruth(const json& object, std::string_view name, bool nullable, bool& truth) {
  const json& given = Member(object, name);
  if (nullable && given.is_null()) return absl::OkStatus();
  if (!given.is_boolean()) return Wrong(name, "true or false", given);
  truth = given.get<bool>();
  return absl::OkStatus();
}

absl::Status ReadActions(const json& object, std::vector<std::string>& actions) {
  const json& given = Member(object, "available_actions");
  if (!given.is_array() || given.size() > kMostActions) {
    return Wrong("available_actions", "a list of texts", given);
  }
  for (const json& action : given) {
    if (!action.is_string()) return Wrong("available_actions", "a list of texts", given);
    actions.push_back(action.get<std::string>());
  }
  return absl::OkStatus();
}

// BabyAI's texts end with their list of actions.
void FindListedActions(std::string_view observation, std::vector<std::string>& actions) {
  constexpr std::string_view kHead = "\nAvailable actions: ";
  const size_t at = observation.rfind(kHead);
  if (at == observation.npos) return;
  const json listed = ParseJson(observation.substr(at + kHead.size()));
  if (!listed.is_array()) return;
  for (const json& action : listed) {
    if (action.is_string()) actions.push_back(action.get<std::string>());
  }
}

// Success ends an episode, and its progress is whole.
void Judge(const AgentGymForm& form, Turn& turn) {
  turn.success = turn.done && turn.reward >= form.success_reward;
  turn.progress = turn.success ? 1 : 0;
}

}  // namespace

const std::vector<AgentGymForm>& AgentGymForms() {
  // A BabyAI episode is done only with a reward above 0.5; WebShop's reward is a score, 1 the full one.
  static const auto* const forms = new std::vector<AgentGymForm>{
      {"alfworld", "id", "", "game", R"(,"world_type":"Text")", "observation", false, true, false, 1},
      {"babyai", "id", "", "data_idx", "", "observation", false, false, true, 1e-9},
      {"searchqa", "env_idx", R"({"id":0})", "id", "", "observation", true, false, true, 1},
      {"textcraft", "id", "{}", "data_idx", "", "observation", false, false, true, 1},
      {"webshop", "env_idx", "", "session_id", "", "state", true, false, false, 1},
  };
  return *forms;
}

const AgentGymForm* FindAgentGymForm(std::string_view kind) {
  for (const AgentGymForm& form : AgentGymForms()) {
    if (form.kind == kind) return &form;
  }
  return nullptr;
}

absl::StatusOr<std::string> ParseAgentGymId(const AgentGymForm& form, std::string_view body) {
  const absl::StatusOr<json> value = Parse(body);
  if (!value.ok()) return value.status();
  const json& id = value->is_object() ? Member(*value, "id") : *value;
  if (!id.is_number_integer()) return Wrong("id", "a whole number", id);
  return id.dump();
}

absl::StatusOr<Reply> ParseAgentGymReset(const AgentGymForm& form, std::string_view body) {
  const absl::StatusOr<json> value = Parse(body);
  if (!value.ok()) return value.status();
  Reply reply;
  if (form.bare_observation) {
    const bool listed = value->is_array() && !value->empty();
    const json& observation = listed ? value->front() : *value;
    if (!observation.is_string()) return Wrong("observation", "a text", observation);
    reply.turn.observation = observation.get<std::string>();
    return reply;
  }
  if (!value->is_object()) return Wrong("form", "an object", *value);
  absl::Status status = ReadText(*value, "observation", reply.turn.observation);
  if (status.ok()) status = ReadTruth(*value, "done", true, reply.turn.done);
  if (status.ok() && form.lists_actions) {
    status = ReadActions(*value, reply.valid_actions);
    absl::StrAppend(&reply.turn.observation,
                    "\nAVAILABLE ACTIONS: ", absl::StrJoin(reply.valid_actions, ","));
  }
  if (!status.ok()) return status;
  if (reply.valid_actions.empty()) FindListedActions(reply.turn.observation, reply.valid_actions);
  return reply;
}

absl::StatusOr<Reply> ParseAgentGymStep(const AgentGymForm& form, std::string_view body) {
  const absl::StatusOr<json> value = Parse(body);
  if (!value.ok()) return value.status();
  if (!value->is_object()) return Wrong("form", "an object", *value);
  Reply reply;
  absl::Status status = ReadText(*value, form.observation, reply.turn.observation);
  if (status.ok()) status = ReadNumber(*value, "reward", false, reply.turn.reward);
  if (status.ok()) status = ReadTruth(*value, "done", false, reply.turn.done);
  if (status.ok() && form.lists_actions) status = ReadActions(*value, reply.valid_actions);
  if (!status.ok()) return status;
  if (reply.valid_actions.empty()) FindListedActions(reply.turn.observation, reply.valid_actions);
  Judge(form, reply.turn);
  return reply;
}

absl::StatusOr<Reply> ParseOpenEnv(std::string_view observation_field, std::string_view message) {
  const json value = ParseJson(message);
  if (value.is_discarded() || !value.is_object()) {
    return absl::DataLossError("the answer is no JSON object");
  }
  const json& type = Member(value, "type");
  const json& data = Member(value, "data");
  if (type == "error") {
    const json& said = data.is_object() ? Member(data, "message") : data;
    return absl::AbortedError(absl::StrCat("the server says: ", Shown(said)));
  }
  if (type != "observation") return Wrong("type", "\"observation\"", type);
  if (!data.is_object()) return Wrong("data", "an object", data);
  const json& observation = Member(data, "observation");
  if (!observation.is_object()) return Wrong("observation", "an object", observation);
  Reply reply;
  Turn& turn = reply.turn;
  absl::Status status = ReadText(observation, observation_field, turn.observation);
  if (status.ok()) status = ReadNumber(data, "reward", true, turn.reward);
  if (status.ok()) status = ReadTruth(data, "done", false, turn.done);
  turn.success = turn.done && turn.reward >= 1;
  if (status.ok()) status = ReadTruth(observation, "success", true, turn.success);
  if (status.ok()) status = ReadTruth(observation, "invalid_action", true, turn.invalid_action);
  turn.progress = turn.success ? 1 : 0;
  if (status.ok()) status = ReadNumber(observation, "progress", true, turn.progress);
  if (!status.ok()) return status;
  if (turn.success && !turn.done) return absl::DataLossError("the answer tells success without done");
  if (turn.progress < 0 || turn.progress > 1) {
    return absl::DataLossError("the answer's progress: expected 0 to 1");
  }
  return reply;
}

absl::StatusOr<Reply> ParseResponse(const v1::EnvironmentResponse& response) {
  if (!response.error().empty()) {
    return absl::AbortedError(absl::StrCat("the server says: ", response.error().substr(0, 200)));
  }
  Reply reply;
  reply.turn = {.observation = response.observation(),
                .reward = response.reward(),
                .done = response.done(),
                .success = response.success(),
                .invalid_action = response.invalid_action(),
                .progress = response.progress()};
  absl::Status status = CheckNumber("reward", response.reward());
  if (!status.ok()) return status;
  if (response.success() && !response.done()) {
    return absl::DataLossError("the answer tells success without done");
  }
  if (!(response.progress() >= 0 && response.progress() <= 1)) {
    return absl::DataLossError("the answer's progress: expected 0 to 1");
  }
  return reply;
}

}  // namespace sojourn::envs::remote
