#include "envs/babyai/babyai.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "envs/babyai/expert.h"
#include "envs/babyai/interface.h"
#include "envs/babyai/mission.h"
#include "envs/babyai/text.h"
#include "envs/option_values.h"

namespace sojourn::envs {
namespace {

using babyai::AgentGymBabyAI;
using babyai::kAgentGymLevels;

constexpr int64_t kAgentGymTrain = 45, kAgentGymTest = 5;
constexpr int64_t kTrainTasks = 1'000'000, kTestTasks = 100'000;
constexpr int kSeedsPerTask = 1024;

// A hash of all that a freshly reset level holds.
uint64_t Fingerprint(const babyai::MiniGrid& grid) {
  uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&hash](uint64_t value) {
    hash = (hash ^ value) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  };
  const auto add_cell = [&](const babyai::Cell& cell) {
    add(static_cast<uint64_t>(cell.kind) << 16 | static_cast<uint64_t>(cell.color) << 8 |
        static_cast<uint64_t>(cell.state));
  };
  for (const char c : grid.mission()) add(static_cast<uint8_t>(c));
  add(grid.width());
  for (int y = 0; y < grid.height(); ++y) {
    for (int x = 0; x < grid.width(); ++x) {
      const babyai::Cell& cell = grid.at(x, y);
      add_cell(cell);
      if (const babyai::Cell* inside = grid.contains(cell.id)) add_cell(*inside);
    }
  }
  add(grid.agent_pos().x * 4096 + grid.agent_pos().y * 4 + grid.agent_dir());
  add_cell(grid.carrying());
  return hash;
}

// Which split a level belongs to.
class Splits {
 public:
  Split SplitOf(int level, uint64_t fingerprint) const {
    Reserved& reserved = reserved_[level - 1];
    std::call_once(reserved.once, [&] { Fill(level); });
    const auto has = [&](const std::vector<uint64_t>& list) {
      return std::find(list.begin(), list.end(), fingerprint) != list.end();
    };
    if (has(reserved.test)) return Split::kTest;
    if (has(reserved.train)) return Split::kTrain;
    return fingerprint % 8 == 0 ? Split::kTest : Split::kTrain;
  }

 private:
  struct Reserved {  // AgentGym's own
    std::once_flag once;
    std::vector<uint64_t> train, test;
  };

  void Fill(int level) const {
    AgentGymBabyAI game;
    for (int64_t seed = 0; seed < kAgentGymTrain + kAgentGymTest; ++seed) {
      game.Start(level, seed);
      Reserved& reserved = reserved_[level - 1];
      (seed < kAgentGymTrain ? reserved.train : reserved.test).push_back(Fingerprint(game.grid()));
    }
  }

  mutable std::array<Reserved, kAgentGymLevels> reserved_;
};

struct Settings {
  bool action_list = true;
  bool reward_is_success = false;
};

// What AgentGym's client makes of the text after "Action:".
std::string AsClientSends(std::string_view action) {
  std::string sent;
  for (const char c : action) {
    const bool space = c == ' ';
    if (!space && c != ',' && !std::isalnum(static_cast<unsigned char>(c))) continue;
    if (space && (sent.empty() || sent.back() == ' ')) continue;
    sent.push_back(c);
  }
  if (!sent.empty() && sent.back() == ' ') sent.pop_back();
  return sent;
}

absl::Status CheckDifficulty(int difficulty) {
  if (difficulty >= 1 && difficulty <= kAgentGymLevels) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("babyai has no difficulty ", difficulty,
                                                 "; it has 1 to ", kAgentGymLevels,
                                                 ", AgentGym's level numbers"));
}

class BabyAIInstance : public Instance {
 public:
  BabyAIInstance(Settings settings, std::shared_ptr<const Splits> splits)
      : settings_(settings), splits_(std::move(splits)) {
    game_.Watch([this](babyai::Action action) { mission_.Observe(action, game_.grid()); });
  }
  BabyAIInstance(const BabyAIInstance&) = delete;  // the watcher above holds on to `this`
  BabyAIInstance& operator=(const BabyAIInstance&) = delete;

  absl::StatusOr<Turn> Reset(const TaskId& task) override {
    if (absl::Status known = CheckDifficulty(task.difficulty); !known.ok()) return known;
    const int64_t count = task.split == Split::kTrain ? kTrainTasks : kTestTasks;
    if (task.index < 0 || task.index >= count) {
      return absl::InvalidArgumentError(absl::StrCat(
          "babyai has no ", task.split == Split::kTrain ? "train" : "test", " task ", task.index,
          " of difficulty ", task.difficulty, "; indices go from 0 to ", count - 1));
    }
    playing_ = false;
    if (absl::Status started = StartTask(task); !started.ok()) return started;
    playing_ = true;
    mission_.Start(game_.grid());
    Turn turn;
    turn.observation = "Your goal: " + game_.goal() + "\n";
    AppendObservation(&turn.observation);
    return turn;
  }

  absl::StatusOr<Turn> Step(std::string_view action) override {
    if (!playing_) return NotPlaying();
    const AgentGymBabyAI::Answer answer = game_.Act(AsClientSends(action));
    Turn turn;
    AppendObservation(&turn.observation);
    turn.invalid_action = answer == AgentGymBabyAI::Answer::kRefused;
    if (answer != AgentGymBabyAI::Answer::kPlayed) return turn;
    const babyai::StepOutcome& outcome = game_.outcome();
    turn.success = outcome.terminated && outcome.reward > 0;
    turn.progress = turn.success ? 1 : 0;
    turn.done = turn.success || game_.grid().step_count() >= game_.grid().max_steps();
    turn.reward = !settings_.reward_is_success ? outcome.reward : turn.success ? 1 : 0;
    playing_ = !turn.done;
    return turn;
  }

  std::vector<std::string> ValidActions() const override {
    std::vector<std::string> actions;
    if (!playing_) return actions;
    for (const babyai::Choice& choice : game_.scene().choices()) {
      if (choice.verb != babyai::Verb::kCheck) actions.emplace_back(choice.text);
    }
    return actions;
  }

  absl::StatusOr<Advice> Expert() override {
    if (!playing_) return NotPlaying();
    return babyai::AdviseExpert(game_.scene(), game_.grid(), mission_);
  }

  absl::StatusOr<Advice> GoalBlind() override {
    if (!playing_) return NotPlaying();
    return babyai::AdviseGoalBlind(game_.scene(), game_.grid(), mission_);
  }

 private:
  static absl::Status NotPlaying() {
    return absl::FailedPreconditionError("no BabyAI task is being played: call Reset first");
  }

  absl::Status StartTask(const TaskId& task) {
    const bool train = task.split == Split::kTrain;
    if (task.index < (train ? kAgentGymTrain : kAgentGymTest)) {
      game_.Start(task.difficulty, train ? task.index : kAgentGymTrain + task.index);
      return absl::OkStatus();
    }
    for (int n = 0; n < kSeedsPerTask; ++n) {
      game_.Start(task.difficulty, 2 * kSeedsPerTask * (task.index + 1) + 2 * n + (train ? 0 : 1));
      if (splits_->SplitOf(task.difficulty, Fingerprint(game_.grid())) == task.split) {
        return absl::OkStatus();
      }
    }
    return absl::InternalError(
        absl::StrCat("none of ", kSeedsPerTask, " seeds gives a level of the wanted split"));
  }

  void AppendObservation(std::string* observation) const {
    *observation += game_.text();
    if (settings_.action_list) game_.AppendActionList(observation);
  }

  const Settings settings_;
  const std::shared_ptr<const Splits> splits_;
  AgentGymBabyAI game_;
  babyai::Mission mission_;
  bool playing_ = false;
};

class BabyAI : public Environment {
 public:
  explicit BabyAI(Settings settings) : settings_(settings) {}

  const Spec& spec() const override { return BabyAISpec(); }

  absl::StatusOr<int64_t> TaskCount(Split split, int difficulty) const override {
    if (absl::Status known = CheckDifficulty(difficulty); !known.ok()) return known;
    return split == Split::kTrain ? kTrainTasks : kTestTasks;
  }

  std::unique_ptr<Instance> NewInstance() const override {
    return std::make_unique<BabyAIInstance>(settings_, splits_);
  }

 private:
  const Settings settings_;
  const std::shared_ptr<const Splits> splits_ = std::make_shared<Splits>();
};

Spec MakeSpec() {
  Spec spec;
  spec.name = "babyai";
  // AgentGym's client says "pick up", which its server does not understand; the list of actions that
  // ends every observation has "pickup".
  spec.instructions =
      "You are an exploration master that wants to finish every goal you are given. Every round I "
      "will give you an observation, and you have to respond an action and your thought based on "
      "the observation to finish the given task. You are placed in a room and you need to "
      "accomplish the given goal with actions.\n\n"
      "You can use the following actions: \n\n"
      "- turn right \n\n"
      "- turn left \n\n"
      "- move forward \n\n"
      "- go to <obj> <id> \n\n"
      "- pick up <obj> <id> \n\n"
      "- go through <door> <id>: <door> must be an open door. \n\n"
      "- toggle and go through <door> <id>: <door> can be a closed door or a locked door. If you "
      "want to open a locked door, you need to carry a key that is of the same color as the locked "
      "door. \n\n"
      "- toggle: there is a closed or locked door right in front of you and you can toggle it.\n"
      "Your response should use the following format:\n"
      "Thought:\n<Your Thought>\n\n"
      "Action:\n<Your Action>";
  spec.acceptance = "OK. I'll follow your instructions and try my best to solve the task.";
  for (int number = 1; number <= kAgentGymLevels; ++number) {
    std::string_view name = babyai::AgentGymLevel(number);
    name.remove_prefix(std::string_view("BabyAI-").size());
    name.remove_suffix(std::string_view("-v0").size());
    spec.difficulties.push_back({number, std::string(name)});
  }
  spec.options = {{"action_list", "true",
                   "true: every observation ends with the available actions; false: not"},
                  {"reward", "agentgym",
                   "agentgym: 1 - 0.9 * steps / max_steps on success; success: 1 on success"}};
  spec.evaluation_turns = 20;
  spec.interface = babyai::TextInterface();
  return spec;
}

}  // namespace

const Spec& BabyAISpec() {
  static const Spec& spec = *new Spec(MakeSpec());
  return spec;
}

absl::StatusOr<std::unique_ptr<Environment>> MakeBabyAI(const Options& options) {
  OptionValues values(BabyAISpec(), options);
  Settings settings;
  settings.action_list = values.Truth("action_list");
  settings.reward_is_success = values.OneOf("reward", {"agentgym", "success"}) == "success";
  if (!values.status().ok()) return values.status();
  return std::make_unique<BabyAI>(settings);
}

}  // namespace sojourn::envs
