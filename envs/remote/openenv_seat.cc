#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
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
    if (!client_.is_open()) {
      const absl::Status status = client_.Open("/ws", options_.timeout);
      if (!status.ok()) return status;
    }
    // Servers take of it what they know: ours all, others the seed.
    return Say({{"type", "reset"},
                {"data",
                 {{"seed", task.index},
                  {"split", SplitName(task.split)},
                  {"difficulty", task.difficulty},
                  {"index", task.index}}}},
               deadline - absl::Now());
  }

  absl::StatusOr<Reply> Step(std::string_view action) override {
    return Say({{"type", "step"}, {"data", {{fields_.action, action}}}}, options_.timeout);
  }

  std::vector<std::string> ValidActions() override {
    auto answer = client_.Exchange(R"({"type":"state"})", options_.timeout);
    std::vector<std::string> actions;
    const json state = answer.ok() ? json::parse(*answer, nullptr, false) : json();
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
