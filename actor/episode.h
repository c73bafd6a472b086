// One run of a task: an environment's instance on one side, the policy's responses on the other.
#ifndef SOJOURN_ACTOR_EPISODE_H_
#define SOJOURN_ACTOR_EPISODE_H_

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/random.h"
#include "envs/environment.h"
#include "policy/chat.h"
#include "policy/engine.h"
#include "sojourn/v1/fleet.pb.h"

namespace sojourn::actor {

struct EpisodeOptions {
  uint32_t max_turns = 0;
  size_t max_context_tokens = 0;
  double invalid_action_reward = 0;  // <= 0; added to the turn's reward that is trained on
  bool transcript = false;           // keep the text
  bool messages = false;             // without a chat format: what is read is told as messages()
  absl::StatusOr<std::string> (*read_action)(std::string_view response) = envs::ParseAction;
};

// A state machine: Start, then TakeResponse (or TakeRandomAction) until done(). An error of any of
// these means that the task cannot be played, by anyone.
class Episode {
 public:
  // Without a chat format no tokens are made: for random actions, and for messages.
  Episode(std::unique_ptr<envs::Instance> instance, const policy::ChatFormat* chat,
          EpisodeOptions options)
      : instance_(std::move(instance)), chat_(chat), options_(options) {}

  // InvalidArgument when the task does not exist, or its first prompt leaves no room for a
  // response. Instructions that the task has of its own replace those that are given. `same_task`: an episode of the same task that was just started; its prompt is taken.
  absl::Status Start(const envs::TaskId& task, std::string_view instructions,
                     std::string_view acceptance, const Episode* same_task = nullptr);

  // Start in two parts, for environments that block: the first may be called on any thread.
  void Reset(const envs::TaskId& task);
  absl::Status Started(std::string_view instructions, std::string_view acceptance,
                       const Episode* same_task = nullptr);

  // What the policy reads next: at first the conversation's beginning, then the latest observation.
  const std::vector<int32_t>& prompt() const { return prompt_; }
  const std::vector<policy::Message>& messages() const { return messages_; }  // the same

  // Takes the answer to prompt() and plays the action in it. An action that cannot be read or done
  // is part of the game, not an error.
  absl::Status TakeResponse(const policy::Response& response);

  // TakeResponse in parts: takes the answer; plays the action in it, on any thread; takes the turn.
  void Read(const policy::Response& response);
  bool has_action() const { return action_.ok(); }  // else there is nothing to Play
  void Play();
  absl::Status Played();

  // Instead: there is no room for an answer; the episode is over.
  void Truncate() { done_ = truncated_ = true; }

  // The environment failed for good: the episode is over, and tells so.
  void Fail(const absl::Status& status);
  // What Reset or Play met, before Started or Played.
  const absl::Status& environment_status() const { return turn_.status(); }
  void Cancel() { instance_->Cancel(); }  // Reset and Play return soon

  // Plays one of the valid actions, each equally likely.
  absl::Status TakeRandomAction(RandomKey key);

  bool done() const { return done_; }
  uint32_t turns() const { return turn_rewards_.size(); }
  uint32_t generated_tokens() const { return generated_tokens_; }
  uint32_t invalid_actions() const { return invalid_actions_; }
  bool success() const { return success_; }
  bool truncated() const { return truncated_; }
  double environment_reward() const {
    return environment_reward_;
  }  // without invalid_action_reward
  double environment_seconds() const {
    return environment_seconds_;
  }  // spent in the instance so far

  // The fields that the episode decides; the others are the caller's. Once, when done: tokens are
  // moved.
  void MoveInto(v1::Trajectory& trajectory);
  void MoveInto(v1::EpisodeResult& result);
  std::unique_ptr<envs::Instance> ReleaseInstance() { return std::move(instance_); }

 private:
  void Act(std::string response, absl::StatusOr<std::string> action, bool stopped);

  std::unique_ptr<envs::Instance> instance_;
  const policy::ChatFormat* chat_;
  const EpisodeOptions options_;

  // The turn that is being played.
  std::string response_;
  absl::StatusOr<std::string> action_ = std::string();
  bool stopped_ = false;
  absl::StatusOr<envs::Turn> turn_ = envs::Turn();

  std::vector<int32_t> prompt_;
  std::vector<policy::Message> messages_;
  std::string observation_;      // kept for the transcript
  std::vector<int32_t> tokens_;  // with loss_mask_ and logprobs_: prompts and responses so far
  std::string loss_mask_;
  std::vector<float> logprobs_;
  std::vector<double> turn_rewards_;
  std::set<std::string> failed_actions_;
  std::vector<v1::TranscriptTurn> transcript_;
  double environment_reward_ = 0, environment_seconds_ = 0, progress_ = 0;
  uint32_t generated_tokens_ = 0, invalid_actions_ = 0, repeated_failures_ = 0;
  bool done_ = false, success_ = false, truncated_ = false;
  std::string error_;
};

}  // namespace sojourn::actor

#endif  // SOJOURN_ACTOR_EPISODE_H_
