#include "envs/textcraft/planner.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"

namespace sojourn::envs::textcraft {
namespace {

constexpr uint64_t kPlenty = 1'000'000;  // more of an item than any plan takes

// Depth-first branch and bound. The agenda, a list of things still to do, lives on the call stack;
// everything a branch changes it puts back.
class Search {
 public:
  explicit Search(const Game& game)
      : book_(game.book()),
        listed_(book_.recipes().size()),
        held_(book_.names().size()),
        got_(book_.names().size()) {
    for (const int recipe : game.listed()) listed_[recipe] = true;
    for (const Game::Holding& holding : game.inventory()) {
      held_[holding.name] = static_cast<int>(holding.count.Clamped(kPlenty));
    }
  }

  std::optional<Plan> Run(absl::Span<const int> targets) {
    for (const int target : targets) Make(target, 1, 0, nullptr, nullptr, 0);
    return best_;
  }

 private:
  struct Making {  // a recipe being made, for the sake of another
    int recipe, times;
    int left_over;  // of its output, beyond what is asked for
    std::vector<int> inputs;
    const Making* parent;
  };
  struct Task {  // an ingredient to provide, or the making itself when all are there
    Making* making;
    int ingredient;  // -1: make it
    const Task* next;
  };

  void Do(const Task* task, int turns) {
    if (turns >= fewest_) return;
    if (task == nullptr) return Record(turns);
    Making& making = *task->making;
    const Recipe& recipe = book_.recipes()[making.recipe];
    if (task->ingredient < 0) {
      held_[recipe.output] += making.left_over;
      crafts_.push_back(&making);
      Do(task->next, turns);
      crafts_.pop_back();
      held_[recipe.output] -= making.left_over;
      return;
    }
    const Ingredient& ingredient = recipe.inputs[task->ingredient];
    if (!ingredient.is_tag) return Provide(*task, ingredient.name, turns);
    for (const int member : book_.names()[ingredient.name].members) Provide(*task, member, turns);
  }

  // Takes `name` for the task's ingredient: what is held of it, and the rest made or got.
  void Provide(const Task& task, int name, int turns) {
    Making& making = *task.making;
    const int needed = book_.recipes()[making.recipe].inputs[task.ingredient].count * making.times;
    const int taken = std::min(held_[name], needed), missing = needed - taken;
    held_[name] -= taken;
    making.inputs[task.ingredient] = name;
    if (missing == 0) {
      Do(task.next, turns);
    } else if (book_.IsGettable(name)) {
      const bool is_new = got_[name] == 0;
      got_[name] += missing;
      Do(task.next, turns + is_new);
      got_[name] -= missing;
    } else if (!IsInTheMaking(name, &making)) {
      for (const int recipe : book_.names()[name].recipes) {
        const int made = book_.recipes()[recipe].output_count;
        const int times = (missing + made - 1) / made;
        Make(recipe, times, times * made - missing, &making, task.next, turns);
      }
    }
    held_[name] += taken;
  }

  void Make(int recipe, int times, int left_over, const Making* parent, const Task* next,
            int turns) {
    if (!listed_[book_.recipes()[recipe].first_alike]) return;
    const size_t size = book_.recipes()[recipe].inputs.size();
    Making making{recipe, times, left_over, std::vector<int>(size), parent};
    std::vector<Task> tasks(size + 1);
    for (size_t i = 0; i < size; ++i) tasks[i] = {&making, static_cast<int>(i), &tasks[i + 1]};
    tasks[size] = {&making, -1, next};
    Do(&tasks[0], turns + times);
  }

  bool IsInTheMaking(int name, const Making* making) const {
    for (; making != nullptr; making = making->parent) {
      if (book_.recipes()[making->recipe].output == name) return true;
    }
    return false;
  }

  void Record(int turns) {
    fewest_ = turns;
    best_.emplace();
    for (const Making* making : crafts_) {
      for (int i = 0; i < making->times; ++i) {
        best_->crafts.push_back({making->recipe, making->inputs});
      }
    }
    for (int name = 0; name < static_cast<int>(got_.size()); ++name) {
      if (got_[name] > 0) best_->gets.push_back({name, got_[name]});
    }
  }

  const RecipeBook& book_;
  std::vector<bool> listed_;
  std::vector<int> held_, got_;  // by name: held and not yet spoken for; to be got
  std::vector<const Making*> crafts_;
  int fewest_ = std::numeric_limits<int>::max();
  std::optional<Plan> best_;
};

}  // namespace

std::optional<Plan> FindPlan(const Game& game, absl::Span<const int> targets) {
  return Search(game).Run(targets);
}

NextAction FirstAction(const Game& game, const Plan& plan) {
  const RecipeBook& book = game.book();
  const Plan::Craft& craft = plan.crafts.front();
  const Recipe& recipe = book.recipes()[craft.recipe];
  const std::string& output = book.names()[recipe.output].text;
  for (const int input : craft.inputs) {
    for (const Plan::Get& get : plan.gets) {
      if (get.name != input) continue;
      return {absl::StrCat("for ", output, " using ", recipe.inputs_text),
              absl::StrCat("get ", get.count, " ", book.names()[input].text)};
    }
  }
  std::string action = absl::StrCat("craft ", recipe.output_count, " ", output, " using ");
  for (size_t i = 0; i < recipe.inputs.size(); ++i) {
    absl::StrAppend(&action, i > 0 ? ", " : "", recipe.inputs[i].count, " ",
                    book.names()[craft.inputs[i]].text);
  }
  return {absl::StrCat("make ", output), action};
}

}  // namespace sojourn::envs::textcraft
