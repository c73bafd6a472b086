#include "envs/alfworld/alfworld.h"

#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/suggest.h"
#include "envs/alfworld/expert.h"
#include "envs/alfworld/interface.h"
#include "envs/option_values.h"
#include "envs/python_text.h"

namespace sojourn::envs {
namespace {

using alfworld::Library;
using alfworld::Play;

constexpr int kDefaultReceptacles = 20;

// What AgentGym's client says before the first observation.
constexpr char kInstructions[] =
    "Interact with a household to solve a task. Imagine you are an intelligent agent in a "
    "household "
    "environment and your target is to perform actions to complete the task goal. At the beginning "
    "of your interactions, you will be given the detailed description of the current environment "
    "and your goal to accomplish. For each of your turn, you will be given a list of actions which "
    "you can choose one to perform in this turn. You should choose from two actions: \"THOUGHT\" "
    "or "
    "\"ACTION\". If you choose \"THOUGHT\", you should first think about the current condition and "
    "plan for your future actions, and then output your action in this turn. Your output must "
    "strictly follow this format:\"Thought:\nyour thoughts.\n\nAction:\nyour next action\"; If you "
    "choose \"ACTION\", you should directly output the action in this turn. Your output must "
    "strictly follow this format:\"Action:\nyour next action\". After your each turn, the "
    "environment will give you immediate feedback based on which you plan your next few steps. if "
    "the envrionment output \"Nothing happened\", that means the previous action is invalid and "
    "you "
    "should try more options.\n Reminder: \n1. the action must be chosen from the given available "
    "actions. Any actions except provided available actions will be regarded as illegal. \n2. "
    "Think "
    "when necessary, try to act directly more in the process.";

enum class ActionList { kFirst, kAll, kNone };

std::string ListOf(const Play& play) {
  return absl::StrCat(
      "\nAVAILABLE ACTIONS: ",
      absl::StrJoin(play.admissible(), ",", [](std::string* out, const Play::Command& command) {
        out->append(command.text);
      }));
}

class AlfWorldInstance : public Instance {
 public:
  AlfWorldInstance(std::shared_ptr<const Library> library, ActionList list)
      : library_(std::move(library)), list_(list) {}

  absl::StatusOr<Turn> Reset(const TaskId& task) override {
    is_playing_ = false;
    absl::StatusOr<Library::Entry> entry = library_->Get(task);
    if (!entry.ok()) return entry.status();
    play_.emplace(std::move(entry->game));
    expert_.Reset(*play_);
    is_playing_ = true;
    Turn turn{.observation = AgentGymIntro(play_->Intro())};
    if (list_ != ActionList::kNone) turn.observation += ListOf(*play_);
    return turn;
  }

  absl::StatusOr<Turn> Step(std::string_view action) override {
    if (!is_playing_) return NotPlaying();
    const Play::Reply reply = play_->Step(action);
    expert_.Note(reply);
    is_playing_ = !play_->won();
    Turn turn{.observation = AgentGymReply(reply.text),
              .reward = play_->won() ? 1.0 : 0.0,
              .done = play_->won(),
              .success = play_->won(),
              .invalid_action = !reply.understood,
              .progress = Progress(*play_, *play_->game().goal().aim())};
    if (list_ == ActionList::kAll) turn.observation += ListOf(*play_);
    return turn;
  }

  std::vector<std::string> ValidActions() const override {
    std::vector<std::string> actions;
    if (!is_playing_) return actions;
    actions.reserve(play_->admissible().size());
    for (const Play::Command& command : play_->admissible()) actions.push_back(command.text);
    return actions;
  }

  absl::StatusOr<Advice> Expert() override {
    if (!is_playing_) return NotPlaying();
    return expert_.Advise(*play_, *play_->game().goal().aim());
  }

  absl::StatusOr<Advice> GoalBlind() override {
    if (!is_playing_) return NotPlaying();
    const auto other = OtherAim(*play_, *play_->game().goal().aim());
    if (!other.has_value()) return Expert();
    absl::StatusOr<Advice> advice = expert_.Advise(*play_, *other);
    return advice.ok() ? advice : Expert();
  }

 private:
  static absl::Status NotPlaying() {
    return absl::FailedPreconditionError("no alfworld task is being played; call Reset first");
  }

  const std::shared_ptr<const Library> library_;
  const ActionList list_;
  std::optional<Play> play_;
  alfworld::Expert expert_;
  bool is_playing_ = false;
};

class AlfWorld : public Environment {
 public:
  AlfWorld(std::shared_ptr<const Library> library, ActionList list)
      : library_(std::move(library)), list_(list) {}

  const Spec& spec() const override { return AlfWorldSpec(); }

  absl::StatusOr<int64_t> TaskCount(Split split, int difficulty) const override {
    return library_->TaskCount(split, difficulty);
  }

  std::unique_ptr<Instance> NewInstance() const override {
    return std::make_unique<AlfWorldInstance>(library_, list_);
  }

 private:
  const std::shared_ptr<const Library> library_;
  const ActionList list_;
};

}  // namespace

const Spec& AlfWorldSpec() {
  static const auto* const spec = new Spec{
      .name = "alfworld",
      .instructions = kInstructions,
      .acceptance = "OK. I'll follow your instructions and try my best to solve the task.",
      .difficulties =
          {{1, "look"}, {2, "place"}, {3, "clean"}, {4, "heat"}, {5, "cool"}, {6, "two"}},
      .options =
          {{"data", "",
            "a folder of ALFWorld's games (game.tw-pddl, also in *.tar.xz); empty: households "
            "that are made up"},
           {"seed", "0", "of the households that are made up"},
           {"receptacles", absl::StrCat(kDefaultReceptacles),
            absl::StrCat("a made-up household has at most, ", alfworld::kFewestReceptacles, " to ",
                         alfworld::kMostReceptacles)},
           {"action_list", "first",
            "which observations end with the available actions: first, all or none"}},
      .evaluation_turns = 30,
      .read_action = ReadAlfWorldAction,
      .interface = alfworld::TextInterface()};
  return *spec;
}

absl::StatusOr<std::string> ReadAlfWorldAction(std::string_view response) {
  constexpr std::string_view kMarker = "Action:", kEnd = "</s>";
  if (absl::EndsWith(response, std::string(kEnd))) response.remove_suffix(kEnd.size());
  const size_t at = response.rfind(kMarker);
  if (at != std::string_view::npos) {
    return std::string(StripSpace(response.substr(at + kMarker.size())));
  }
  // The client's parser is shared with WebShop's.
  const bool is_shopping = response.find("search[") != std::string_view::npos ||
                           response.find("click[") != std::string_view::npos;
  return is_shopping ? std::string(StripSpace(response)) : "";
}

std::string AgentGymIntro(std::string_view intro) {
  std::string text;
  bool is_first = true;
  for (size_t at = intro.find("\n\n"); at != std::string_view::npos;) {
    at += 2;
    const size_t end = intro.find("\n\n", at);
    absl::StrAppend(&text, is_first ? "" : "\n", std::string(intro.substr(at, end - at)));
    is_first = false;
    at = end;
  }
  return text;
}

std::string AgentGymReply(std::string_view reply) {
  constexpr std::string_view kPlace = "You arrive at loc ";
  if (reply.substr(0, kPlace.size()) == kPlace) {
    const size_t end = reply.find(". ");
    reply.remove_prefix(end == std::string_view::npos ? 1 : end + 2);
  }
  return std::string(reply);
}

absl::StatusOr<std::shared_ptr<const Library>> LoadAlfWorldLibrary(const Options& options) {
  OptionValues values(AlfWorldSpec(), options);
  const uint64_t seed = values.Number("seed", 0, std::numeric_limits<uint64_t>::max());
  const auto receptacles = static_cast<int>(
      values.Number("receptacles", alfworld::kFewestReceptacles, alfworld::kMostReceptacles));
  const std::string data = values.Text("data");
  if (!values.status().ok()) return values.status();
  if (data.empty()) return Library::Generate(seed, receptacles);
  DataReport report;
  auto library = Library::Load(data, &report);
  if (library.ok() || report.faults.empty()) return library;
  return absl::Status(library.status().code(),
                      absl::StrCat(library.status().message(), "; ", report.faults[0]));
}

absl::StatusOr<std::unique_ptr<Environment>> MakeAlfWorld(const Options& options) {
  OptionValues values(AlfWorldSpec(), options);
  const std::string list = values.OneOf("action_list", {"first", "all", "none"});
  if (!values.status().ok()) return values.status();
  auto library = LoadAlfWorldLibrary(options);
  if (!library.ok()) return library.status();
  return std::make_unique<AlfWorld>(*std::move(library), list == "first" ? ActionList::kFirst
                                                         : list == "all" ? ActionList::kAll
                                                                         : ActionList::kNone);
}

DataReport CheckAlfWorldData(const std::string& directory) {
  DataReport report;
  (void)Library::Load(directory, &report);
  return report;
}

}  // namespace sojourn::envs
