#include "envs/babyai/text.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "envs/python_text.h"

namespace sojourn::envs::babyai {
namespace {

constexpr std::string_view kLevels[kAgentGymLevels] = {"BabyAI-GoToRedBallGrey-v0",
                                                       "BabyAI-GoToRedBall-v0",
                                                       "BabyAI-GoToRedBallNoDists-v0",
                                                       "BabyAI-GoToObjS6-v0",
                                                       "BabyAI-GoToLocalS8N7-v0",
                                                       "BabyAI-GoToObjMazeS7-v0",
                                                       "BabyAI-GoToImpUnlock-v0",
                                                       "BabyAI-GoToSeqS5R2-v0",
                                                       "BabyAI-GoToRedBlueBall-v0",
                                                       "BabyAI-GoToDoor-v0",
                                                       "BabyAI-GoToObjDoor-v0",
                                                       "BabyAI-Open-v0",
                                                       "BabyAI-OpenRedDoor-v0",
                                                       "BabyAI-OpenDoorLoc-v0",
                                                       "BabyAI-OpenRedBlueDoorsDebug-v0",
                                                       "BabyAI-OpenDoorsOrderN4Debug-v0",
                                                       "BabyAI-Pickup-v0",
                                                       "BabyAI-UnblockPickup-v0",
                                                       "BabyAI-PickupLoc-v0",
                                                       "BabyAI-PickupDistDebug-v0",
                                                       "BabyAI-PickupAbove-v0",
                                                       "BabyAI-PutNextLocalS6N4-v0",
                                                       "BabyAI-PutNextS7N4Carrying-v0",
                                                       "BabyAI-Unlock-v0",
                                                       "BabyAI-UnlockLocalDist-v0",
                                                       "BabyAI-KeyInBox-v0",
                                                       "BabyAI-UnlockPickupDist-v0",
                                                       "BabyAI-BlockedUnlockPickup-v0",
                                                       "BabyAI-UnlockToUnlock-v0",
                                                       "BabyAI-ActionObjDoor-v0",
                                                       "BabyAI-FindObjS7-v0",
                                                       "BabyAI-KeyCorridorS6R3-v0",
                                                       "BabyAI-OneRoomS20-v0",
                                                       "BabyAI-MoveTwoAcrossS8N9-v0",
                                                       "BabyAI-SynthS5R2-v0",
                                                       "BabyAI-SynthLoc-v0",
                                                       "BabyAI-SynthSeq-v0",
                                                       "BabyAI-MiniBossLevel-v0",
                                                       "BabyAI-BossLevel-v0",
                                                       "BabyAI-BossLevelNoUnlock-v0"};

// The levels of MiniGrid's LevelGen that may have a locked room: the only ones that leak state from
// one reset into the next, and so the only ones for which the original's second reset shows.
constexpr bool Leaks(int number) { return number >= 35 && number <= 39; }

bool SameView(const View& a, const View& b) {  // as images: which object it is does not show
  for (int i = 0; i < kViewSize; ++i) {
    for (int j = 0; j < kViewSize; ++j) {
      const Cell &p = a[i][j], &q = b[i][j];
      if (p.kind != q.kind || p.color != q.color || p.state != q.state) return false;
    }
  }
  return true;
}

// action.lower().strip(), as far as it can matter: U+212A is the only character outside ASCII whose
// lower case is one of the letters that actions are written with.
std::string Normalize(std::string_view action) {
  std::string text(StripSpace(action));
  if (text.find("\u212a") != std::string::npos) text = absl::StrReplaceAll(text, {{"\u212a", "k"}});
  absl::AsciiStrToLower(&text);
  return text;
}

}  // namespace

std::string_view AgentGymLevel(int number) { return kLevels[number - 1]; }

void AgentGymBabyAI::Start(int number, absl::uint128 seed) {
  if (grid_ == nullptr || level_ != number || Leaks(number)) {
    grid_ = *MakeLevel(AgentGymLevel(number));  // the table holds registered ids only
    level_ = number;
  }
  grid_->Reset(seed);
  if (Leaks(number)) grid_->Reset(seed);
  goal_ = absl::StrReplaceAll(grid_->mission(), {{"then", "and"}, {"after you", "and"}});
  view_ = grid_->view();
  scene_.Look(*grid_, view_);
  text_ = scene_.description();
  reward_ = score_ = 0;
  done_ = false;
  outcome_ = {};
}

AgentGymBabyAI::Answer AgentGymBabyAI::Act(std::string_view action) {
  const Choice* choice = scene_.Find(action);  // most actions come as they were offered
  std::string normalized;
  if (choice == nullptr) {
    normalized = Normalize(action);
    action = normalized;
    choice = scene_.Find(action);
  }
  if (action.find("check") != std::string_view::npos) {
    text_ = "You can take the following actions: ";
    for (const Choice& each : scene_.choices()) {
      if (&each != &scene_.choices().front()) text_ += ", ";
      text_ += each.text;
    }
    return Answer::kListed;
  }
  if (choice == nullptr) {
    text_ = action.empty() ? "No change in state." : scene_.Refusal(action);
    return Answer::kRefused;
  }
  plan_.clear();
  scene_.AppendPlan(*choice, &plan_);
  if (plan_.empty()) {
    text_ = "No change in state.";
    return Answer::kNoChange;
  }
  for (const Action primitive : plan_) {
    outcome_ = grid_->Step(primitive);
    if (watcher_) watcher_(primitive);
    const View view = grid_->view();
    const bool same = SameView(view, view_);
    view_ = view;
    if (same) break;
  }
  scene_.Look(*grid_, view_);
  text_ = scene_.description();
  if (outcome_.terminated) text_ += "\n The task is completed.";
  reward_ = outcome_.reward;
  done_ = outcome_.terminated && reward_ > 0.5;
  return Answer::kPlayed;
}

void AgentGymBabyAI::AppendActionList(std::string* text) const {
  *text += "\nAvailable actions: [";
  *text += scene_.action_list();
  *text += ']';
}

AgentGymBabyAI::Reply AgentGymBabyAI::MakeReply(bool with_goal) const {
  Reply reply;
  reply.observation.reserve(goal_.size() + text_.size() + scene_.action_list().size() + 40);
  if (with_goal) {
    reply.observation += "Your goal: ";
    reply.observation += goal_;
    reply.observation += '\n';
  }
  reply.observation += text_;
  AppendActionList(&reply.observation);
  reply.reward = reward_;
  reply.score = score_;
  reply.done = done_;
  return reply;
}

absl::Status AgentGymBabyAI::CheckOpen() const {
  if (!done_) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("The task with environment ", id_, " has finished."));
}

absl::StatusOr<AgentGymBabyAI::Reply> AgentGymBabyAI::Reset(int64_t data_idx) {
  const int64_t remainder = (data_idx % kAgentGymLevels + kAgentGymLevels) % kAgentGymLevels;
  const int64_t seed = (data_idx - remainder) / kAgentGymLevels;
  if (seed < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("Seed must be greater or equal to zero, actual value: ", seed));
  }
  return Reset(static_cast<int>(remainder) + 1, static_cast<uint64_t>(seed));
}

AgentGymBabyAI::Reply AgentGymBabyAI::Reset(int number, absl::uint128 seed) {
  Start(number, seed);
  return MakeReply(/*with_goal=*/true);
}

absl::StatusOr<AgentGymBabyAI::Reply> AgentGymBabyAI::Step(std::string_view action) {
  if (absl::Status open = CheckOpen(); !open.ok()) return open;
  if (grid_ == nullptr) return absl::FailedPreconditionError(absl::StrCat(id_));  // a KeyError
  Act(action);
  score_ += reward_;
  return MakeReply(/*with_goal=*/false);
}

absl::StatusOr<AgentGymBabyAI::Reply> AgentGymBabyAI::Observe() const {
  if (absl::Status open = CheckOpen(); !open.ok()) return open;
  if (grid_ == nullptr) return Reply{.observation = "Environment not initialized"};
  return MakeReply(/*with_goal=*/true);
}

}  // namespace sojourn::envs::babyai
