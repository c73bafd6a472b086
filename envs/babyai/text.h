// One environment of AgentGym's BabyAI server, exact to the character: MiniGrid told in words and
// played by composite actions.
#ifndef SOJOURN_ENVS_BABYAI_TEXT_H_
#define SOJOURN_ENVS_BABYAI_TEXT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/numeric/int128.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "envs/babyai/minigrid.h"
#include "envs/babyai/scene.h"

namespace sojourn::envs::babyai {

// AgentGym's levels are numbered 1..40.
inline constexpr int kAgentGymLevels = 40;
std::string_view AgentGymLevel(int number);  // MiniGrid's id, "BabyAI-GoToRedBallGrey-v0" for 1

// Quirks of the original that are kept, beside those in scene.h and path_search.h:
//  - a reset resets the level object twice, so what it leaks from one reset into the next shows;
//  - a composite action stops at the first primitive that leaves the view as it was, but goes on
//  past
//    the end of the episode; only its last primitive's reward and end count;
//  - an end with a reward of at most 0.5 (failures, too) is announced in the text and then taken
//  back;
//  - truncation is ignored, and rewards fall below zero when the step limit is passed;
//  - a refused action repeats the last reward, which is added to the score once more;
//  - any action that contains "check" lists the actions.
class AgentGymBabyAI {
 public:
  // What the server sends back.
  struct Reply {
    std::string observation;  // with the action list; after a reset, with the goal before it
    double reward = 0;
    double score = 0;  // the sum of the rewards sent since the reset
    bool done = false;
  };

  // `id` is the server's number for this environment: two of its error texts name it.
  explicit AgentGymBabyAI(int64_t id = 0) : id_(id) {}

  // data_idx = seed * 40 + level - 1. Errors (here and below) carry the server's {"error": ...}
  // text.
  absl::StatusOr<Reply> Reset(int64_t data_idx);
  Reply Reset(int number, absl::uint128 seed);  // number: 1..40
  absl::StatusOr<Reply> Step(std::string_view action);
  absl::StatusOr<Reply> Observe() const;  // GET /observation

  // --- the parts, for players that need no server ---

  enum class Answer {
    kPlayed,    // primitives were played
    kNoChange,  // the action is available, but there is nothing to do for it
    kListed,    // the actions were listed
    kRefused    // not available, or not understood
  };

  // As Reset, but for the reply. `number` is 1..40.
  void Start(int number, absl::uint128 seed);
  // As Step, but for the reply, and even when done. A level must have been started.
  Answer Act(std::string_view action);

  const std::string& goal() const { return goal_; }
  const std::string& text() const {
    return text_;
  }  // the last observation, without the action list
  void AppendActionList(std::string* text) const;
  double reward() const { return reward_; }
  const Scene& scene() const { return scene_; }
  const MiniGrid& grid() const { return *grid_; }
  // What the last primitive gave.
  const StepOutcome& outcome() const { return outcome_; }
  // Called after each primitive that is played.
  void Watch(std::function<void(Action)> watcher) { watcher_ = std::move(watcher); }

 private:
  absl::Status CheckOpen() const;
  Reply MakeReply(bool with_goal) const;

  int64_t id_;
  int level_ = 0;  // of grid_
  std::unique_ptr<MiniGrid> grid_;
  View view_;
  Scene scene_;
  std::string goal_, text_;
  double reward_ = 0, score_ = 0;
  bool done_ = false;
  StepOutcome outcome_;
  std::vector<Action> plan_;
  std::function<void(Action)> watcher_;
};

}  // namespace sojourn::envs::babyai

#endif  // SOJOURN_ENVS_BABYAI_TEXT_H_
