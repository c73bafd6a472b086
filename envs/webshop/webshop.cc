#include "envs/webshop/webshop.h"

#include <array>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/suggest.h"
#include "envs/option_values.h"
#include "envs/python_text.h"
#include "envs/webshop/data_files.h"
#include "envs/webshop/generator.h"
#include "envs/webshop/interface.h"
#include "envs/webshop/session.h"
#include "envs/webshop/shop.h"
#include "envs/webshop/shopper.h"

namespace sojourn::envs {
namespace {

using webshop::Goal;
using webshop::GoalKind;
using webshop::kDifficulties;
using webshop::Session;
using webshop::Shop;
using webshop::Shopper;

constexpr int64_t kMadeUpTasks = int64_t{1} << 40;
constexpr int kTurns = 15;

// What AgentGym's client says before the first observation.
constexpr char kInstructions[] =
    "You are web shopping.\n"
    "I will give you instructions about what to do.\n"
    "You have to follow the instructions.\n"
    "Every round I will give you an observation and a list of available actions, you have to "
    "respond an action based on the state and instruction.\n"
    "You can use search action if search is available.\n"
    "You can click one of the buttons in clickables.\n"
    "An action should be of the following structure:\n"
    "search[keywords]\n"
    "click[value]\n"
    "If the action is not valid, perform nothing.\n"
    "Keywords in search are up to you, but the value in click must be a value in the list of "
    "available actions.\n"
    "Remember that your keywords in search should be carefully designed.\n"
    "Your response should use the following format:\n\n"
    "Thought:\n"
    "I think ... \n\n"
    "Action: \n"
    "click[something]";

// What all instances share.
struct Shared {
  std::shared_ptr<const Shop> shop;
  bool made_up = false;
  uint64_t seed = 0;
  bool action_list = false;
  // Of a folder: numbers of goals.
  std::array<std::array<std::vector<uint32_t>, kDifficulties + 1>, 2> goals;  // [split][difficulty]

  absl::StatusOr<int64_t> TaskCount(Split split, int difficulty) const {
    if (difficulty < 1 || difficulty > kDifficulties) {
      return absl::InvalidArgumentError(absl::StrCat("webshop has no difficulty ", difficulty,
                                                     "; known: 1, 2, 3, 4 (constraints)"));
    }
    if (made_up) return kMadeUpTasks;
    return static_cast<int64_t>(goals[static_cast<int>(split)][difficulty].size());
  }

  absl::StatusOr<Goal> MakeGoal(const TaskId& task) const {
    const absl::StatusOr<int64_t> count = TaskCount(task.split, task.difficulty);
    if (!count.ok()) return count.status();
    if (task.index < 0 || task.index >= *count) {
      return absl::OutOfRangeError(absl::StrCat("webshop has no ", SplitName(task.split), " task ",
                                                task.index, " of difficulty ", task.difficulty,
                                                "; there are ", *count));
    }
    if (!made_up) {
      return shop->goal(goals[static_cast<int>(task.split)][task.difficulty][task.index]);
    }
    std::optional<Goal> goal = webshop::MakeGoal(
        shop->catalogue->products(), task.split, task.difficulty,
        RandomKey(seed).With("webshop goal").With(SplitName(task.split)).With(task.difficulty).With(
            task.index));
    if (!goal) return absl::InternalError("the made-up shop has no product for this task");
    return *std::move(goal);
  }
};

class WebShopInstance : public Instance {
 public:
  explicit WebShopInstance(std::shared_ptr<const Shared> shared) : shared_(std::move(shared)) {}

  absl::StatusOr<Turn> Reset(const TaskId& task) override {
    is_playing_ = false;
    absl::StatusOr<Goal> goal = shared_->MakeGoal(task);
    if (!goal.ok()) return goal.status();
    shopper_.emplace(*goal);
    session_.emplace(shared_->shop->catalogue,
                     RandomKey(0).With("webshop session").With(SplitName(task.split)).With(
                         task.difficulty).With(task.index));
    session_->Begin(*std::move(goal));
    is_playing_ = true;
    return Turn{Observation()};
  }

  absl::StatusOr<Turn> Step(std::string_view action) override {
    if (!is_playing_) return NotPlaying();
    Turn turn;
    // Where the original's server fails, the customer stays where it is.
    Session next = *session_;
    const absl::StatusOr<Session::Reply> reply = next.Step(StripSpace(action));
    turn.invalid_action = !reply.ok() || !reply->acted;
    if (reply.ok() && reply->acted) {
      session_ = std::move(next);
      turn.done = reply->done;
      turn.reward = turn.progress = reply->reward;
      turn.success = reply->done && reply->reward >= 1;
      is_playing_ = !turn.done;
    }
    turn.observation = Observation();
    return turn;
  }

  std::vector<std::string> ValidActions() const override {
    std::vector<std::string> actions;
    if (!is_playing_) return actions;
    if (session_->page().kind == webshop::PageKind::kSearch) {
      for (const std::string& keywords : InstructionKeywords(*session_)) {
        if (!keywords.empty()) actions.push_back(absl::StrCat("search[", keywords, "]"));
      }
      return actions;
    }
    for (const std::string& text : session_->GetAvailableActions().clickables) {
      std::string action = absl::StrCat("click[", text, "]");
      const webshop::ParsedAction parsed = webshop::ParseShopAction(action);
      // Options with brackets in their names cannot be clicked.
      if (parsed.name == "click" && parsed.argument == text && text != "search") {
        actions.push_back(std::move(action));
      }
    }
    return actions;
  }

  absl::StatusOr<Advice> Expert() override {
    if (!is_playing_) return NotPlaying();
    return shopper_->Advise(*session_);
  }

  absl::StatusOr<Advice> GoalBlind() override {
    if (!is_playing_) return NotPlaying();
    return BuyTheFirst(*session_);
  }

 private:
  static absl::Status NotPlaying() {
    return absl::FailedPreconditionError("no webshop task is being played; call Reset first");
  }

  std::string Observation() const {
    std::string text = session_->Observation();
    if (!shared_->action_list || !is_playing_) return text;
    const Session::AvailableActions available = session_->GetAvailableActions();
    std::vector<std::string> actions;
    if (available.has_search_bar) actions.emplace_back("search[keywords]");
    for (const std::string& clickable : available.clickables) {
      if (clickable != "search") actions.push_back(absl::StrCat("click[", clickable, "]"));
    }
    absl::StrAppend(&text, "\nAvailable actions: ", absl::StrJoin(actions, ", "));
    return text;
  }

  std::shared_ptr<const Shared> shared_;
  std::optional<Session> session_;
  std::optional<Shopper> shopper_;
  bool is_playing_ = false;
};

class WebShop : public Environment {
 public:
  explicit WebShop(std::shared_ptr<const Shared> shared) : shared_(std::move(shared)) {}

  const Spec& spec() const override { return WebShopSpec(); }

  absl::StatusOr<int64_t> TaskCount(Split split, int difficulty) const override {
    return shared_->TaskCount(split, difficulty);
  }

  std::unique_ptr<Instance> NewInstance() const override {
    return std::make_unique<WebShopInstance>(shared_);
  }

 private:
  std::shared_ptr<const Shared> shared_;
};

// A made-up shop is the same for all environments of the process that use it.
std::shared_ptr<const Shop> MadeUpShop(uint64_t seed, int products) {
  static std::mutex mutex;
  static auto* const known = new std::map<std::pair<uint64_t, int>, std::weak_ptr<const Shop>>;
  const std::lock_guard lock(mutex);
  std::weak_ptr<const Shop>& entry = (*known)[{seed, products}];
  if (auto shop = entry.lock()) return shop;
  auto shop = std::make_shared<Shop>();
  shop->catalogue = webshop::Catalogue::Make(webshop::MakeProducts(seed, products));
  entry = shop;
  return shop;
}

struct Settings {
  std::string data;  // "": a made-up shop
  GoalKind kind = GoalKind::kSynthetic;
  int products = 0;
  uint64_t seed = 0;
  bool action_list = false;
};

absl::StatusOr<Settings> ReadSettings(const Options& options) {
  OptionValues values(WebShopSpec(), options);
  Settings settings;
  settings.data = values.Text("data");
  settings.kind = values.OneOf("goals", {"synthetic", "human"}) == "human" ? GoalKind::kHuman : GoalKind::kSynthetic;
  settings.products = static_cast<int>(
      values.Number("products", webshop::kFewestProducts, webshop::kMostProducts));
  settings.seed = values.Number("seed", 0, ~uint64_t{0});
  settings.action_list = values.Truth("action_list");
  if (!values.status().ok()) return values.status();
  return settings;
}

absl::StatusOr<std::shared_ptr<const Shop>> LoadFolder(const Settings& settings) {
  auto shop = Shop::Load(settings.data, settings.kind);
  if (!shop.ok() || !(*shop)->goals.empty()) return shop;
  const bool human = settings.kind == GoalKind::kHuman;
  return absl::InvalidArgumentError(absl::StrCat(
      "data: ", settings.data, " has no ", human ? "human" : "synthetic", " goals; try goals=",
      human ? "synthetic" : "human", ", or add a file of instructions"));
}

}  // namespace

const Spec& WebShopSpec() {
  static const auto* const spec = new Spec{
      .name = "webshop",
      .instructions = kInstructions,
      .acceptance = "Ok.",
      .difficulties = {{1, "1-2 constraints"},
                       {2, "3-4 constraints"},
                       {3, "5-6 constraints"},
                       {4, "7 and more"}},
      .options = {{"data", "", "a folder with WebShop's files; without one the shop is made up"},
                  {"goals", "synthetic",
                   "of a folder: synthetic (all options of a product), or human instructions"},
                  {"products", absl::StrCat(webshop::kDefaultProducts),
                   absl::StrCat("of a made-up shop, ", webshop::kFewestProducts, " to ",
                                webshop::kMostProducts)},
                  {"seed", "0", "of a made-up shop"},
                  {"action_list", "false",
                   "true: every observation ends with the available actions"}},
      .evaluation_turns = kTurns,
      .read_action = ReadShopAction,
      .interface = webshop::TextInterface()};
  return *spec;
}

absl::StatusOr<std::shared_ptr<const Shop>> LoadWebShop(const Options& options) {
  const absl::StatusOr<Settings> settings = ReadSettings(options);
  if (!settings.ok()) return settings.status();
  if (!settings->data.empty()) return LoadFolder(*settings);
  return Shop::Make(webshop::MakeProducts(settings->seed, settings->products), GoalKind::kSynthetic);
}

absl::StatusOr<std::unique_ptr<Environment>> MakeWebShop(const Options& options) {
  const absl::StatusOr<Settings> settings = ReadSettings(options);
  if (!settings.ok()) return settings.status();
  auto shared = std::make_shared<Shared>();
  shared->made_up = settings->data.empty();
  shared->seed = settings->seed;
  shared->action_list = settings->action_list;
  if (shared->made_up) {
    shared->shop = MadeUpShop(settings->seed, settings->products);
    return std::make_unique<WebShop>(std::move(shared));
  }
  auto shop = LoadFolder(*settings);
  if (!shop.ok()) return shop.status();
  shared->shop = *std::move(shop);
  const GoalKind kind = settings->kind;
  const std::vector<webshop::Product>& all = shared->shop->catalogue->products();
  for (uint32_t i = 0; i < shared->shop->goals.size(); ++i) {
    const webshop::GoalRef& ref = shared->shop->goals[i];
    const webshop::Product& product = all[ref.product];
    const bool is_human = kind == GoalKind::kHuman;
    const webshop::Instruction& instruction =
        is_human ? product.human[ref.instruction] : product.synthetic.front();
    const size_t constraints = instruction.attributes.size() +
                               (is_human ? instruction.options.size() : product.options.size());
    const Split split = webshop::SplitOf(instruction.text);
    const int difficulty = webshop::DifficultyOf(static_cast<int>(constraints));
    shared->goals[static_cast<int>(split)][difficulty].push_back(i);
  }
  return std::make_unique<WebShop>(std::move(shared));
}

DataReport CheckWebShop(const std::string& directory) {
  return webshop::CheckWebShopData(directory);
}

absl::StatusOr<std::string> ReadShopAction(std::string_view response) {
  constexpr std::string_view kMarker = "Action:", kEnd = "</s>";
  if (response.ends_with(kEnd)) response.remove_suffix(kEnd.size());
  const size_t at = response.rfind(kMarker);
  if (at != std::string_view::npos) {
    return std::string(StripSpace(response.substr(at + kMarker.size())));
  }
  const bool acts = absl::StrContains(response, "search[") || absl::StrContains(response, "click[");
  return std::string(acts ? StripSpace(response) : std::string_view());
}

}  // namespace sojourn::envs
