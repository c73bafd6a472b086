#include "cli/play_session.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "envs/python_text.h"

namespace sojourn::cli {
namespace {

using Response = absl::StatusOr<std::optional<std::string>>;

constexpr std::string_view kAction = "Action:";

// An action without a thought.
std::string AsResponse(const envs::Spec& spec, std::string_view action) {
  if (spec.write_response == envs::FormatReAct) return absl::StrCat(kAction, " ", action);
  return spec.write_response("", action);
}

// Whether a response, of which more lines may come, has its action.
bool IsComplete(const envs::Spec& spec, const std::string& response) {
  const size_t mark = response.find(kAction);
  if (mark != std::string::npos &&
      !envs::StripSpace(std::string_view(response).substr(mark + kAction.size())).empty()) {
    return true;
  }
  const auto action = spec.read_action(response);
  return action.ok() && !action->empty();
}

class Expert : public Player {
 public:
  Response Respond(const envs::Spec& spec, std::string_view, bool,
                   envs::Instance& instance) override {
    const auto advice = instance.Expert();
    if (absl::IsNotFound(advice.status())) return std::nullopt;
    if (!advice.ok()) return advice.status();
    return spec.write_response(advice->thought, advice->action);
  }
};

class RandomPlayer : public Player {
 public:
  explicit RandomPlayer(uint64_t seed) : key_(RandomKey(seed).With("random player")) {}

  Response Respond(const envs::Spec& spec, std::string_view, bool, envs::Instance& instance) override {
    const std::vector<std::string> actions = instance.ValidActions();
    Random random(key_.With(count_++));
    return AsResponse(spec, actions[random.Below(actions.size())]);
  }

 private:
  const RandomKey key_;
  uint64_t count_ = 0;
};

class ModelPlayer : public Player {
 public:
  ModelPlayer(std::unique_ptr<Responder> responder, absl::Duration timeout, bool instructions)
      : responder_(std::move(responder)), timeout_(timeout), instructions_(instructions) {}

  Response Respond(const envs::Spec& spec, std::string_view observation, bool first,
                   envs::Instance& instance) override {
    const std::string_view own = instance.Instructions();
    auto response =
        first ? responder_->Begin(!instructions_ ? "" : own.empty() ? spec.instructions : own,
                                   instructions_ ? spec.acceptance : "", observation, timeout_)
              : responder_->Continue(observation, timeout_);
    if (!response.ok()) return response.status();
    return *std::move(response);
  }

 private:
  const std::unique_ptr<Responder> responder_;
  const absl::Duration timeout_;
  const bool instructions_;
};

class Person : public Player {
 public:
  Person(int input, FILE* out, bool json, std::string prompt)
      : lines_(input), out_(out), json_(json), prompt_(std::move(prompt)) {}

  Response Respond(const envs::Spec& spec, std::string_view, bool, envs::Instance& instance) override {
    std::string response;
    for (;;) {
      if (response.empty()) std::fputs(prompt_.c_str(), out_);
      std::fflush(out_);
      const Response line = lines_.Next(absl::InfiniteFuture());
      if (!line.ok()) return line.status();
      if (!line->has_value()) return absl::CancelledError("the input ended");
      const std::string text(envs::StripSpace(**line));
      if (response.empty()) {
        if (text == "q") return absl::CancelledError("quit");
        if (text.empty()) continue;
        if (text == "?") {
          ShowActions(instance.ValidActions());
          continue;
        }
        if (text == "!") {
          ShowAdvice(instance.Expert());
          continue;
        }
        if (!absl::StartsWith(text, "Thought:") && !absl::StrContains(text, kAction) && !IsComplete(spec, text)) {
          return AsResponse(spec, text);
        }
      }
      // A response goes on until its action stands there.
      absl::StrAppend(&response, text, "\n");
      if (IsComplete(spec, response)) return response;
    }
  }

 private:
  void ShowActions(const std::vector<std::string>& actions) {
    if (json_) {
      Print({{"valid_actions", actions}});
    } else {
      std::fprintf(out_, "  %s\n", absl::StrJoin(actions, "\n  ").c_str());
    }
  }

  void ShowAdvice(const absl::StatusOr<envs::Instance::Advice>& advice) {
    if (!advice.ok()) {
      const std::string message(advice.status().message());
      if (json_) {
        Print({{"advice", nullptr}, {"reason", message}});
      } else {
        std::fprintf(out_, "  no advice: %s\n", message.c_str());
      }
    } else if (json_) {
      Print({{"advice", {{"thought", advice->thought}, {"action", advice->action}}}});
    } else {
      std::fprintf(out_, "  %s  (%s)\n", advice->action.c_str(), advice->thought.c_str());
    }
  }

  void Print(const nlohmann::json& json) {
    std::fprintf(out_, "%s\n",
                 json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  }

  LineReader lines_;
  FILE* const out_;
  const bool json_;
  const std::string prompt_;
};

}  // namespace

std::unique_ptr<Player> NewExpert() { return std::make_unique<Expert>(); }

std::unique_ptr<Player> NewRandomPlayer(uint64_t seed) {
  return std::make_unique<RandomPlayer>(seed);
}

std::unique_ptr<Player> NewModelPlayer(std::unique_ptr<Responder> responder,
                                       absl::Duration timeout, bool instructions) {
  return std::make_unique<ModelPlayer>(std::move(responder), timeout, instructions);
}

std::unique_ptr<Player> NewPerson(int input, FILE* out, bool json, std::string prompt) {
  return std::make_unique<Person>(input, out, json, std::move(prompt));
}

absl::StatusOr<Outcome> PlayEpisode(const envs::Spec& spec, envs::Instance& instance,
                                    const envs::TaskId& task, Player& player, int max_turns,
                                    const std::function<void(const Exchange&)>& show) {
  absl::StatusOr<envs::Turn> turn = instance.Reset(task);
  if (!turn.ok()) return turn.status();
  Exchange exchange{.result = *std::move(turn)};
  show(exchange);
  Outcome outcome;
  while (!exchange.result.done && (max_turns == 0 || outcome.turns < max_turns)) {
    Response response =
        player.Respond(spec, exchange.result.observation, outcome.turns == 0, instance);
    if (absl::IsCancelled(response.status())) {
      outcome.quit = true;
      break;
    }
    if (!response.ok()) return response.status();
    if (!response->has_value()) break;
    exchange = {.turn = ++outcome.turns, .response = **std::move(response)};
    const absl::StatusOr<std::string> action = spec.read_action(exchange.response);
    if (action.ok()) {
      turn = instance.Step(*action);
      if (!turn.ok()) return turn.status();
      exchange.result = *std::move(turn);
    } else {
      exchange.result = {.observation = std::string(action.status().message()),
                         .invalid_action = true};
    }
    outcome.success = exchange.result.success;
    outcome.reward = exchange.result.reward;
    show(exchange);
  }
  return outcome;
}

}  // namespace sojourn::cli
