#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "envs/remote/seat.h"

namespace sojourn::envs::remote {
namespace {

// Nobody waits for it for long: the server forgets the environment some day, or keeps it.
constexpr absl::Duration kCloseTimeout = absl::Seconds(1);

class AgentGymSeat : public Seat {
 public:
  AgentGymSeat(const SeatOptions& options, const AgentGymForm& form)
      : options_(options), form_(form), client_(options.server, options.max_bytes) {}

  ~AgentGymSeat() override {
    if (!form_.has_close || id_.empty() || *options_.silent) return;
    Post("/close", absl::StrCat("{\"", form_.id, "\":", id_, "}"), kCloseTimeout).IgnoreError();
  }

  absl::StatusOr<Reply> Reset(const TaskId& task) override {
    const absl::Time deadline = absl::Now() + options_.timeout;
    if (id_.empty()) {
      const auto body = Post("/create", form_.create_body, options_.timeout);
      if (!body.ok()) return body.status();
      auto id = ParseAgentGymId(form_, *body);
      if (!id.ok()) return id.status();
      id_ = *std::move(id);
    }
    return Kept([&]() -> absl::StatusOr<Reply> {
      const auto body = Post("/reset",
                             absl::StrCat("{\"", form_.id, "\":", id_, ",\"", form_.task,
                                          "\":", task.index, form_.reset_extra, "}"),
                             deadline - absl::Now());
      if (!body.ok()) return body.status();
      return ParseAgentGymReset(form_, *body);
    }());
  }

  absl::StatusOr<Reply> Step(std::string_view action) override {
    if (id_.empty()) return absl::FailedPreconditionError("no task is being played; reset first");
    return Kept([&]() -> absl::StatusOr<Reply> {
      const std::string text = nlohmann::json(std::string(action))
                                   .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
      const auto body = Post(
          "/step", absl::StrCat("{\"", form_.id, "\":", id_, ",\"action\":", text, "}"),
          options_.timeout);
      if (!body.ok()) return body.status();
      return ParseAgentGymStep(form_, *body);
    }());
  }

  void Cancel() override { client_.Cancel(); }

 private:
  // An environment that failed once is not used again.
  absl::StatusOr<Reply> Kept(absl::StatusOr<Reply> reply) {
    if (!reply.ok()) {
      id_.clear();
      client_.Close();
    }
    return reply;
  }

  absl::StatusOr<std::string> Post(std::string_view path, const std::string& body,
                                   absl::Duration timeout) {
    auto reply = client_.Call("POST", path, body, timeout);
    if (reply.ok()) *options_.silent = false;
    if (!reply.ok()) {
      if (!absl::IsCancelled(reply.status())) *options_.silent = true;
      return absl::Status(reply.status().code(),
                          absl::StrCat(path, ": ", reply.status().message()));
    }
    if (reply->status == 200) return std::move(reply->body);
    const std::string what = absl::StrCat(
        path, " is answered with status ", reply->status, ": ",
        nlohmann::json(reply->body.substr(0, 100))
            .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
        reply->status / 100 == 3 ? "; redirects are not followed: url must name the place itself"
                                 : "");
    return reply->status >= 502 || reply->status == 429 ? absl::UnavailableError(what)
                                                        : absl::AbortedError(what);
  }

  const SeatOptions options_;
  const AgentGymForm& form_;
  WebClient client_;
  std::string id_;  // of the environment at the server; empty: none
};

}  // namespace

std::unique_ptr<Seat> NewAgentGymSeat(const SeatOptions& options, const AgentGymForm& form) {
  return std::make_unique<AgentGymSeat>(options, form);
}

}  // namespace sojourn::envs::remote
