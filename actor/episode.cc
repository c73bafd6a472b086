#include "actor/episode.h"

#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace sojourn::actor {
namespace {

double Now() { return absl::GetCurrentTimeNanos() * 1e-9; }

}  // namespace

absl::Status Episode::Start(const envs::TaskId& task, std::string_view instructions,
                            std::string_view acceptance, const Episode* same_task) {
  Reset(task);
  return Started(instructions, acceptance, same_task);
}

void Episode::Reset(const envs::TaskId& task) {
  const double start = Now();
  turn_ = instance_->Reset(task);
  environment_seconds_ += Now() - start;
}

absl::Status Episode::Started(std::string_view instructions, std::string_view acceptance,
                              const Episode* same_task) {
  if (!turn_.ok()) return turn_.status();
  envs::Turn* const turn = &*turn_;
  const std::string_view own = instance_->Instructions();
  if (!instructions.empty() && !own.empty()) instructions = own;
  if (chat_ != nullptr) {
    prompt_ = same_task != nullptr
                  ? same_task->prompt_
                  : chat_->Begin(instructions, acceptance, turn->observation);
    if (prompt_.size() >= options_.max_context_tokens) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the first prompt has ", prompt_.size(), " tokens, which leaves no room for a response: ",
          "policy.max_context_tokens is ", options_.max_context_tokens));
    }
  }
  if (options_.messages) {
    if (!instructions.empty()) messages_.push_back({"user", std::string(instructions)});
    if (!instructions.empty() && !acceptance.empty()) {
      messages_.push_back({"assistant", std::string(acceptance)});
    }
    if (messages_.size() == 1) {  // roles alternate
      absl::StrAppend(&messages_[0].content, "\n\n", turn->observation);
    } else {
      messages_.push_back({"user", turn->observation});
    }
  }
  observation_ = std::move(turn->observation);
  done_ = turn->done;
  success_ = turn->success;
  progress_ = turn->progress;
  return absl::OkStatus();
}

absl::Status Episode::TakeResponse(const policy::Response& response) {
  Read(response);
  if (has_action()) Play();
  return Played();
}

void Episode::Read(const policy::Response& response) {
  if (options_.messages) {
    generated_tokens_ += response.text_tokens;
    return Act(response.text, options_.read_action(response.text), response.stopped);
  }
  tokens_.insert(tokens_.end(), prompt_.begin(), prompt_.end());
  loss_mask_.append(prompt_.size(), 0);
  logprobs_.resize(tokens_.size(), 0);
  tokens_.insert(tokens_.end(), response.tokens.begin(), response.tokens.end());
  loss_mask_.append(response.tokens.size(), 1);
  logprobs_.insert(logprobs_.end(), response.logprobs.begin(), response.logprobs.end());
  generated_tokens_ += response.tokens.size();
  const std::string text = chat_->ResponseText(response.tokens);
  Act(text, options_.read_action(text), response.stopped);
}

absl::Status Episode::TakeRandomAction(RandomKey key) {
  const std::vector<std::string> actions = instance_->ValidActions();
  if (actions.empty()) return absl::InternalError("the environment names no valid action");
  const std::string& action = actions[Random(key).Below(actions.size())];
  Act(action, action, /*stopped=*/true);
  Play();
  return Played();
}

void Episode::Act(std::string response, absl::StatusOr<std::string> action, bool stopped) {
  response_ = std::move(response);
  action_ = std::move(action);
  stopped_ = stopped;
}

void Episode::Play() {
  const double start = Now();
  turn_ = instance_->Step(*action_);
  environment_seconds_ += Now() - start;
}

absl::Status Episode::Played() {
  envs::Turn turn;
  if (action_.ok()) {
    if (!turn_.ok()) return turn_.status();
    turn = *std::move(turn_);
  } else {
    turn.observation = std::string(action_.status().message());
    turn.invalid_action = true;
  }

  double reward = turn.reward;
  if (turn.invalid_action) {
    ++invalid_actions_;
    reward += options_.invalid_action_reward;
    repeated_failures_ += !failed_actions_.insert(action_.ok() ? *action_ : response_).second;
  }
  environment_reward_ += turn.reward;
  turn_rewards_.push_back(reward);
  if (options_.transcript) {
    v1::TranscriptTurn& kept = transcript_.emplace_back();
    kept.set_observation(observation_);
    kept.set_response(response_);
    kept.set_reward(turn.reward);
  }
  observation_ = std::move(turn.observation);
  success_ = turn.success;
  progress_ = turn.progress;
  done_ = turn.done;
  if (!done_ && turns() >= options_.max_turns) done_ = truncated_ = true;
  if (options_.messages) messages_ = {{"user", observation_}};
  if (done_ || chat_ == nullptr) return absl::OkStatus();
  prompt_ = chat_->Observe(observation_, stopped_);
  if (tokens_.size() + prompt_.size() >= options_.max_context_tokens) done_ = truncated_ = true;
  return absl::OkStatus();
}

void Episode::Fail(const absl::Status& status) {
  done_ = truncated_ = true;
  success_ = false;
  error_ = absl::StrCat(absl::StatusCodeToString(status.code()), ": ", status.message());
}

void Episode::MoveInto(v1::Trajectory& trajectory) {
  if (!error_.empty() && tokens_.empty()) {  // learners take no trajectory without a token
    tokens_.assign(1, chat_->stop_token());
    loss_mask_.assign(1, 0);
    logprobs_.assign(1, 0);
  }
  trajectory.mutable_tokens()->Assign(tokens_.begin(), tokens_.end());
  trajectory.set_loss_mask(std::move(loss_mask_));
  trajectory.mutable_behavior_logprobs()->Assign(logprobs_.begin(), logprobs_.end());
  trajectory.mutable_turn_rewards()->Assign(turn_rewards_.begin(), turn_rewards_.end());
  trajectory.set_reward(std::accumulate(turn_rewards_.begin(), turn_rewards_.end(), 0.0));
  trajectory.set_success(success_);
  trajectory.set_truncated(truncated_);
  trajectory.set_turns(turns());
  trajectory.set_invalid_actions(invalid_actions_);
  trajectory.set_error(error_);
}

void Episode::MoveInto(v1::EpisodeResult& result) {
  result.set_success(success_);
  result.set_reward(environment_reward_);
  result.set_turns(turns());
  result.set_tokens(generated_tokens_);
  result.set_invalid_actions(invalid_actions_);
  result.set_repeated_failures(repeated_failures_);
  result.set_progress(progress_);
  result.set_truncated(truncated_);
  result.set_error(error_);
  for (v1::TranscriptTurn& turn : transcript_) *result.add_transcript() = std::move(turn);
}

}  // namespace sojourn::actor
