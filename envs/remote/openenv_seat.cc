#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "common/json.h"
#include "envs/remote/seat.h"

namespace sojourn::envs::remote {
namespace {

using nlohmann::json;

class OpenEnvSeat : public Seat {
 public:
  OpenEnvSeat(const SeatOptions& options, const OpenEnvFields& fields)
      : options_(options), fields_(fields), client_(options.server, options.max_bytes) {}

  absl::StatusOr<Reply> Reset(const TaskId& task) override {
    const absl::Time deadline = absl::Now() + options_.timeout;
    // Servers take of it what they know: ours all, others the seed.
    const json reset = {{"type", "reset"},
                        {"data",
                         {{"seed", task.index},
                          {"split", SplitName(task.split)},
                          {"difficulty", task.difficulty},
                          {"index", task.index}}}};
    if (client_.is_open()) {
      // Servers end a WebSocket that was silent for long, as one is between two episodes.
      auto reply = Say(reset, deadline - absl::Now());
      if (!absl::IsUnavailable(reply.status())) return reply;
    }
    const absl::Status status = client_.Open("/ws", deadline - absl::Now());
    if (!status.ok()) return status;
    return Say(reset, deadline - absl::Now());
  }

  absl::StatusOr<Reply> Step(std::string_view action) override {
    return Say({{"type", "step"}, {"data", {{fields_.action, action}}}}, options_.timeout);
  }

  std::vector<std::string> ValidActions() override {
    auto answer = client_.Exchange(R"({"type":"state"})", options_.timeout);
    std::vector<std::string> actions;
    const json state = answer.ok() ? ParseJson(*answer) : json();
    if (!state.is_object() || !state.contains("data") || !state["data"].is_object()) return actions;
    for (const json& action : state["data"].value("valid_actions", json::array())) {
      if (action.is_string()) actions.push_back(action.get<std::string>());
    }
    return actions;
  }

  void Cancel() override { client_.Cancel(); }

 private:
  absl::StatusOr<Reply> Say(const json& message, absl::Duration timeout) {
    const auto answer = client_.Exchange(
        message.dump(-1, ' ', false, json::error_handler_t::replace), timeout);
    if (!answer.ok()) return answer.status();
    auto reply = ParseOpenEnv(fields_.observation, *answer);
    if (!reply.ok()) client_.Close();
    return reply;
  }

  const SeatOptions options_;
  const OpenEnvFields fields_;
  WebClient client_;
};

}  // namespace

std::unique_ptr<Seat> NewOpenEnvSeat(const SeatOptions& options, const OpenEnvFields& fields) {
  return std::make_unique<OpenEnvSeat>(options, fields);
}

}  // namespace sojourn::envs::remote
