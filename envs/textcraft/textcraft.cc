#include "envs/textcraft/textcraft.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/random.h"
#include "common/suggest.h"
#include "envs/option_values.h"
#include "envs/react.h"
#include "envs/textcraft/fresh_world.h"
#include "envs/textcraft/game.h"
#include "envs/textcraft/interface.h"
#include "envs/textcraft/listing.h"
#include "envs/textcraft/planner.h"
#include "envs/textcraft/recipe_book.h"
#include "envs/textcraft/valid_actions.h"

namespace sojourn::envs {
namespace {

using textcraft::FirstAction;
using textcraft::Game;
using textcraft::Plan;
using textcraft::RecipeBook;
using textcraft::World;

constexpr int kDepths = 4;
constexpr int kMostDistractors = 20;
constexpr int kTestPeriod = 5;          // every fifth goal of a depth is for testing
constexpr int64_t kRounds = 1'000'000;  // times that the real goals are gone through
constexpr int64_t kFreshTasks = int64_t{1} << 40;

// What AgentGym's client says before the first observation.
constexpr char kInstructions[] =
    "You are given few useful crafting recipes to craft items in Minecraft. Crafting commands are "
    "of "
    "the format \"craft [target object] using [input ingredients]\".\n"
    "Every round I will give you an observation, you have to respond an action based on the state "
    "and "
    "instruction. You can \"get\" an object (ingredients) from the inventory or the environment, "
    "look-up the game inventory by \"inventory\", or \"craft\" (target) using any of the crafting "
    "commands.\n"
    "Your output must strictly follow this format:\"Thought:\n"
    "your thoughts.\n\n"
    "Action:\n"
    "your next action\"\n\n"
    "Reminder: \n"
    "1. Always specify the quantity when using \"get\" and \"craft\" commands. - Example of get: "
    "get 1 "
    "lapis lazuli - Example1 of craft: craft 1 blue dye using 1 lapis lazuli - Example2 of craft: "
    "craft 1 golden carrot using 8 gold nugget, 1 carrot\n"
    "2. When using \"get\" command, do not specify whether the item comes from the inventory or "
    "the "
    "environment.\n"
    "3. You can use ONLY crafting commands provided, do not use your own crafting commands. "
    "However, "
    "if the crafting command uses a generic ingredient like \"planks\", you can use special types "
    "of "
    "the same ingredient e.g. \"dark oak planks\" in the command instead.\n\n";

// What all instances share.
struct Shared {
  std::shared_ptr<const RecipeBook> book;
  std::array<std::array<std::vector<int>, kDepths + 1>, 2> goals;  // [split][depth]
  bool fresh = false;
  int distractors = 0;
  int most_of_a_kind = textcraft::kMostOfAKind;

  absl::StatusOr<int64_t> TaskCount(Split split, int depth) const {
    if (depth < 1 || depth > kDepths) {
      return absl::InvalidArgumentError(
          absl::StrCat("textcraft has no difficulty ", depth, "; known: 1, 2, 3, 4 (the depth)"));
    }
    return fresh ? kFreshTasks : GoalsOf(split, depth).size() * kRounds;
  }

  const std::vector<int>& GoalsOf(Split split, int depth) const {
    return goals[static_cast<int>(split)][depth];
  }

  absl::StatusOr<World> MakeWorld(const TaskId& task) const {
    const absl::StatusOr<int64_t> count = TaskCount(task.split, task.difficulty);
    if (!count.ok()) return count.status();
    if (task.index < 0 || task.index >= *count) {
      return absl::OutOfRangeError(absl::StrCat("textcraft has no ", SplitName(task.split),
                                                " task ", task.index, " of depth ", task.difficulty,
                                                "; indices are 0 to ", *count - 1));
    }
    if (fresh) {
      return textcraft::MakeFreshWorld(task.split, task.difficulty, task.index, distractors,
                                       most_of_a_kind);
    }
    const std::vector<int>& candidates = GoalsOf(task.split, task.difficulty);
    const int goal = candidates[task.index % candidates.size()];
    Random random(RandomKey(0)
                      .With("textcraft listing")
                      .With(book->names()[goal].id)
                      .With(static_cast<uint64_t>(task.index) / candidates.size()));
    return World{book, goal, textcraft::DrawListing(*book, goal, distractors, random)};
  }
};

class TextCraftInstance : public Instance {
 public:
  explicit TextCraftInstance(std::shared_ptr<const Shared> shared)
      : shared_(std::move(shared)), game_(shared_->book) {}

  absl::StatusOr<Turn> Reset(const TaskId& task) override {
    is_playing_ = false;
    absl::StatusOr<World> world = shared_->MakeWorld(task);
    if (!world.ok()) return world.status();
    game_ = Game(std::move(world->book));
    is_playing_ = true;
    return Turn{game_.Reset(world->goal, std::move(world->listing))};
  }

  absl::StatusOr<Turn> Step(std::string_view action) override {
    if (!is_playing_) return NotPlaying();
    absl::StatusOr<textcraft::Reply> reply = game_.Step(CleanAction(action));
    Turn turn;
    if (!reply.ok()) {
      turn.observation = std::string(reply.status().message());
      turn.invalid_action = true;
      return turn;
    }
    turn.observation = std::move(reply->observation);
    turn.invalid_action = reply->refused;
    turn.done = turn.success = reply->done;
    turn.progress = turn.success ? 1 : 0;
    turn.reward = reply->done ? 1 : 0;
    is_playing_ = !reply->done;
    return turn;
  }

  std::vector<std::string> ValidActions() const override {
    return is_playing_ ? textcraft::ValidActions(game_) : std::vector<std::string>();
  }

  absl::StatusOr<Advice> Expert() override {
    if (!is_playing_) return NotPlaying();
    const textcraft::Name& goal = game_.book().names()[game_.goal()];
    const std::optional<Plan> plan = FindPlan(game_, goal.recipes);
    if (!plan) {
      return absl::NotFoundError(absl::StrCat("no listed recipes lead to ", goal.text));
    }
    return First(*plan);
  }

  // Makes what the list names, from its top, as far as the listed recipes lead there.
  absl::StatusOr<Advice> GoalBlind() override {
    if (!is_playing_) return NotPlaying();
    for (const int listed : game_.listed()) {
      if (game_.Held(game_.book().recipes()[listed].output) != nullptr) continue;
      const std::optional<Plan> plan = FindPlan(game_, {listed});
      if (plan) return First(*plan);
    }
    return Expert();
  }

 private:
  static absl::Status NotPlaying() {
    return absl::FailedPreconditionError("no textcraft task is being played; call Reset first");
  }

  Advice First(const Plan& plan) const {
    textcraft::NextAction next = FirstAction(game_, plan);
    return {std::move(next.thought), std::move(next.action)};
  }

  std::shared_ptr<const Shared> shared_;
  Game game_;
  bool is_playing_ = false;
};

class TextCraft : public Environment {
 public:
  explicit TextCraft(std::shared_ptr<const Shared> shared) : shared_(std::move(shared)) {}

  const Spec& spec() const override { return TextCraftSpec(); }

  absl::StatusOr<int64_t> TaskCount(Split split, int difficulty) const override {
    return shared_->TaskCount(split, difficulty);
  }

  std::unique_ptr<Instance> NewInstance() const override {
    return std::make_unique<TextCraftInstance>(shared_);
  }

 private:
  std::shared_ptr<const Shared> shared_;
};

}  // namespace

const Spec& TextCraftSpec() {
  static const auto* const spec = new Spec{
      .name = "textcraft",
      .instructions = kInstructions,
      .acceptance = "OK. I'll follow your instructions and try my best to solve the task.",
      .difficulties = {{1, "depth 1"}, {2, "depth 2"}, {3, "depth 3"}, {4, "depth 4"}},
      .options = {{"recipes", "real",
                   "real: Minecraft's, as AgentGym plays them; fresh: made new for every task"},
                  {"distractors", absl::StrCat(textcraft::kAgentGymDistractors),
                   "how many recipes are shown that the goal does not need, 0 to 20"},
                  {"counts", absl::StrCat(textcraft::kMostOfAKind),
                   "fresh recipes take and make 1 to this many of each item, 1 to 4"}},
      .evaluation_turns = 20,
      .interface = textcraft::TextInterface()};
  return *spec;
}

absl::StatusOr<std::unique_ptr<Environment>> MakeTextCraft(const Options& options) {
  OptionValues values(TextCraftSpec(), options);
  auto shared = std::make_shared<Shared>();
  shared->fresh = values.OneOf("recipes", {"real", "fresh"}) == "fresh";
  shared->distractors = static_cast<int>(values.Number("distractors", 0, kMostDistractors));
  shared->most_of_a_kind = static_cast<int>(values.Number("counts", 1, textcraft::kMostOfAKind));
  if (!values.status().ok()) return values.status();

  auto book = RecipeBook::Minecraft();
  if (!book.ok()) return book.status();
  shared->book = *std::move(book);
  std::array<int, kDepths + 1> seen{};
  for (const int goal : shared->book->goals()) {
    const int depth = shared->book->names()[goal].depth;
    if (depth > kDepths) continue;
    const bool is_test = ++seen[depth] % kTestPeriod == 0;
    shared->goals[static_cast<int>(is_test ? Split::kTest : Split::kTrain)][depth].push_back(goal);
  }
  return std::make_unique<TextCraft>(std::move(shared));
}

}  // namespace sojourn::envs
