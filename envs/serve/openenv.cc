#include "envs/serve/openenv.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/json.h"

namespace sojourn::envs::serve {
namespace {

using nlohmann::json;

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

const json& Member(const json& object, const char* name) {
  static const json none;
  const auto found = object.find(name);
  return found == object.end() ? none : *found;
}

absl::Status Wrong(const char* name, const char* expected, const json& given) {
  return absl::InvalidArgumentError(
      absl::StrCat(name, ": expected ", expected, ", not ", Dump(given).substr(0, 100)));
}

absl::Status ReadWhole(const json& object, const char* name, int64_t least, int64_t& value) {
  const json& given = Member(object, name);
  if (given.is_null()) return absl::OkStatus();
  const bool fits = given.is_number_integer() &&
                    !(given.is_number_unsigned() && given.get<uint64_t>() > INT64_MAX);
  if (!fits || given.get<int64_t>() < least) {
    return Wrong(name, absl::StrCat("a whole number from ", least).c_str(), given);
  }
  value = given.get<int64_t>();
  return absl::OkStatus();
}

absl::Status ReadText(const json& object, const char* name, std::string& value) {
  const json& given = Member(object, name);
  if (given.is_null()) return absl::OkStatus();
  if (!given.is_string()) return Wrong(name, "a text", given);
  value = given.get<std::string>();
  return absl::OkStatus();
}

json Schema(const char* title, json properties, json required) {
  return {{"title", title},
          {"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)}};
}

json Schemas() {
  const json text = {{"type", "string"}}, truth = {{"type", "boolean"}}, whole = {{"type", "integer"}},
             number = {{"type", "number"}};
  return {{"action", Schema("Action", {{"action", text}}, {"action"})},
          {"observation",
           Schema("Observation",
                  {{"text", text}, {"success", truth}, {"invalid_action", truth}, {"progress", number}},
                  {"text"})},
          {"state", Schema("State",
                           {{"episode_id", text},
                            {"step_count", whole},
                            {"environment", text},
                            {"split", text},
                            {"difficulty", whole},
                            {"index", whole},
                            {"valid_actions", {{"type", "array"}, {"items", text}}}},
                           {"step_count"})}};
}

std::string ErrorMessage(std::string_view code, std::string_view message) {
  return Dump({{"type", "error"}, {"data", {{"message", message}, {"code", code}}}});
}

class OpenEnvConversation : public Conversation {
 public:
  explicit OpenEnvConversation(OpenEnvSession session) : session_(std::move(session)) {}

  std::string Answer(std::string_view message, bool& over) override {
    const json request = ParseJson(message);
    if (request.is_discarded()) return ErrorMessage("INVALID_JSON", "the message is not JSON");
    const json& type = request.is_object() ? Member(request, "type") : request;
    if (!type.is_string()) return ErrorMessage("VALIDATION_ERROR", "the message has no type");
    session_.seat().Use();
    const json& data = Member(request, "data");
    if (type == "close") {
      over = true;
      return "";
    }
    if (type == "state") return Dump({{"type", "state"}, {"data", session_.State()}});
    if (type != "reset" && type != "step") {
      return ErrorMessage("UNKNOWN_TYPE", absl::StrCat("unknown type ", Dump(type).substr(0, 100),
                                                       "; known: reset, step, state, close"));
    }
    const auto turn = type == "reset" ? session_.Reset(data.is_null() ? json::object() : data)
                                      : session_.Step(data);
    if (turn.ok()) return Dump({{"type", "observation"}, {"data", *turn}});
    return ErrorMessage(
        absl::IsInvalidArgument(turn.status()) ? "VALIDATION_ERROR" : "EXECUTION_ERROR",
        turn.status().message());
  }

 private:
  OpenEnvSession session_;
};

Response Refusal(const absl::Status& status) {
  const int code = absl::IsResourceExhausted(status) ? 503 : absl::IsInternal(status) ? 500 : 422;
  return {code, Dump({{"detail", status.message()}})};
}

}  // namespace

json OpenEnvSession::Told(const Turn& turn) {
  return {{"observation",
           {{"text", turn.observation},
            {"success", turn.success},
            {"invalid_action", turn.invalid_action},
            {"progress", turn.progress}}},
          {"reward", turn.reward},
          {"done", turn.done}};
}

absl::StatusOr<json> OpenEnvSession::Reset(const json& data) {
  if (!data.is_object()) return Wrong("data", "an object", data);
  TaskId task;
  int64_t seed = -1, difficulty = environment_.spec().difficulties.front().difficulty, index = -1;
  std::string split = "train", episode_id;
  absl::Status status = ReadWhole(data, "seed", 0, seed);
  if (status.ok()) status = ReadWhole(data, "difficulty", 0, difficulty);
  if (status.ok()) status = ReadWhole(data, "index", 0, index);
  if (status.ok()) status = ReadText(data, "split", split);
  if (status.ok()) status = ReadText(data, "episode_id", episode_id);
  if (!status.ok()) return status;
  const auto parsed = ParseSplit(split);
  if (!parsed.ok()) return parsed.status();
  if (difficulty > INT32_MAX) return Wrong("difficulty", "a difficulty", Member(data, "difficulty"));
  task.split = *parsed;
  task.difficulty = static_cast<int>(difficulty);
  const auto count = environment_.TaskCount(task.split, task.difficulty);
  if (!count.ok()) return count.status();
  task.index = index >= 0 ? index : seed > 0 && *count > 0 ? seed % *count : 0;
  if (instance_ == nullptr) instance_ = environment_.NewInstance();
  const auto turn = instance_->Reset(task);
  if (!turn.ok()) return turn.status();
  task_ = task;
  steps_ = 0;
  episode_id_ = !episode_id.empty() ? episode_id
                                    : absl::StrCat(environment_.spec().name, "-", split, "-",
                                                   task.difficulty, "-", task.index);
  return Told(*turn);
}

absl::StatusOr<json> OpenEnvSession::Step(const json& action) {
  const json& text = action.is_object() ? Member(action, "action") : action;
  if (!text.is_string()) return Wrong("action", "a text, {\"action\": TEXT}", action);
  if (instance_ == nullptr) {
    return absl::FailedPreconditionError("no task is being played; reset first");
  }
  const auto turn = instance_->Step(text.get_ref<const std::string&>());
  if (!turn.ok()) return turn.status();
  ++steps_;
  return Told(*turn);
}

json OpenEnvSession::State() const {
  json state = {{"episode_id", nullptr}, {"step_count", steps_}, {"environment", environment_.spec().name}};
  if (instance_ == nullptr) return state;
  state["episode_id"] = episode_id_;
  state["split"] = SplitName(task_.split);
  state["difficulty"] = task_.difficulty;
  state["index"] = task_.index;
  state["valid_actions"] = instance_->ValidActions();
  return state;
}

absl::StatusOr<std::shared_ptr<OpenEnvHost::Held>> OpenEnvHost::Find(const std::string& episode_id,
                                                                     bool make) {
  {
    std::lock_guard lock(mutex_);
    if (const auto found = sessions_.find(episode_id); found != sessions_.end()) {
      found->second->session.seat().Use();
      return found->second;
    }
  }
  if (!make) return absl::FailedPreconditionError("no task is being played; reset first");
  Seats::Seat seat = seats_.Take();
  if (!seat) {
    Sweep();
    seat = seats_.Take();
  }
  if (!seat) return absl::ResourceExhaustedError("all instances are taken; try again later");
  std::lock_guard lock(mutex_);
  return sessions_
      .try_emplace(episode_id, std::make_shared<Held>(OpenEnvSession(environment_, std::move(seat))))
      .first->second;
}

Response OpenEnvHost::Handle(std::string_view method, std::string_view target,
                             std::string_view body) {
  const size_t mark = std::min(target.find('?'), target.size());
  const std::string_view path = target.substr(0, mark);
  if (method == "GET" && path == "/health") return {.body = R"({"status":"healthy"})"};
  if (method == "GET" && path == "/schema") return {.body = Dump(Schemas())};
  if (method == "GET" && path == "/metadata") {
    return {.body = Dump({{"name", environment_.spec().name},
                          {"description", environment_.spec().instructions}})};
  }
  const bool state = method == "GET" && path == "/state", reset = method == "POST" && path == "/reset",
             step = method == "POST" && path == "/step";
  if (!state && !reset && !step) {
    return {404, R"({"detail":"Not Found; known: /reset /step /state /schema /metadata /health /ws"})"};
  }
  std::string episode_id;
  json request = json::object();
  if (state) {
    const auto query = ParseQuery(target.substr(std::min(mark + 1, target.size())),
                                  {{Parameter::kText, "episode_id", true, ""}});
    if (!query.ok()) return Refusal(query.status());
    if (const auto id = query->find("episode_id"); id != query->end()) episode_id = id->second;
  } else if (!body.empty()) {
    request = ParseJson(body);
    if (!request.is_object()) {
      return Refusal(absl::InvalidArgumentError("the body is no JSON object"));
    }
    const absl::Status status = ReadText(request, "episode_id", episode_id);
    if (!status.ok()) return Refusal(status);
  }
  if (episode_id.size() > 255) {
    return Refusal(absl::InvalidArgumentError("episode_id has more than 255 bytes"));
  }
  const auto held = Find(episode_id, reset);
  if (!held.ok()) return Refusal(held.status());
  std::lock_guard lock((*held)->mutex);
  OpenEnvSession& session = (*held)->session;
  if (state) return {.body = Dump(session.State())};
  const auto turn = reset ? session.Reset(request) : session.Step(Member(request, "action"));
  session.seat().Use();
  return turn.ok() ? Response{.body = Dump(*turn)} : Refusal(turn.status());
}

absl::StatusOr<std::unique_ptr<Conversation>> OpenEnvHost::Open(std::string_view target) {
  if (target.substr(0, target.find('?')) != "/ws") return absl::NotFoundError("Not Found");
  Seats::Seat seat = seats_.Take();
  if (!seat) return absl::ResourceExhaustedError("all instances are taken; try again later");
  return std::make_unique<OpenEnvConversation>(OpenEnvSession(environment_, std::move(seat)));
}

void OpenEnvHost::Sweep() {
  std::vector<std::shared_ptr<Held>> expired;
  std::lock_guard lock(mutex_);
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    if (!it->second->session.seat().expired()) {
      ++it;
      continue;
    }
    expired.push_back(std::move(it->second));
    it = sessions_.erase(it);
    seats_.CountExpired();
  }
}

}  // namespace sojourn::envs::serve
