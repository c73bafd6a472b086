// Episodes played from the command line, by a person, an expert, chance or a model.
#ifndef SOJOURN_CLI_PLAY_SESSION_H_
#define SOJOURN_CLI_PLAY_SESSION_H_

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/line_reader.h"
#include "cli/responder.h"
#include "common/random.h"
#include "envs/environment.h"

namespace sojourn::cli {

// Whoever answers the observations of one episode after another.
class Player {
 public:
  virtual ~Player() = default;
  // The response to an observation, in the ReAct form; no value when the player gives up. `first`:
  // the episode begins with it. A person quits by Cancelled.
  virtual absl::StatusOr<std::optional<std::string>> Respond(const envs::Spec& spec,
                                                             std::string_view observation,
                                                             bool first,
                                                             envs::Instance& instance) = 0;
};

std::unique_ptr<Player> NewExpert();
std::unique_ptr<Player> NewRandomPlayer(uint64_t seed);  // one of the valid actions

// Every response must come within `timeout`. With `instructions` a conversation begins with the
// environment's, as the model must have been trained.
std::unique_ptr<Player> NewModelPlayer(std::unique_ptr<Responder> responder,
                                       absl::Duration timeout, bool instructions);

// Reads plain actions or whole ReAct responses from `input`. A line "?" lists the valid actions,
// "!" shows the expert's advice, "q" or the end of the input quits. `out` gets the answers to
// those; `json`: as JSON lines; `prompt` is written before each line.
std::unique_ptr<Player> NewPerson(int input, FILE* out, bool json, std::string prompt);

// One exchange: what was answered and what came of it. The first has no response.
struct Exchange {
  int turn = 0;
  std::string response;
  envs::Turn result;
};

struct Outcome {
  int turns = 0;
  bool success = false, quit = false;
  double reward = 0;  // of the last turn, which is the episode's
};

// Plays one task until it is done, the player gives up or quits, or `max_turns` responses were
// given (0: as many as it takes). A response that AgentGym's client would not send on is answered
// as it would, and takes a turn.
absl::StatusOr<Outcome> PlayEpisode(const envs::Spec& spec, envs::Instance& instance,
                                    const envs::TaskId& task, Player& player, int max_turns,
                                    const std::function<void(const Exchange&)>& show);

}  // namespace sojourn::cli

#endif  // SOJOURN_CLI_PLAY_SESSION_H_
