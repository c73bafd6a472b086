#include "envs/textcraft/valid_actions.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace sojourn::envs::textcraft {
namespace {

void AddNew(std::string action, std::vector<std::string>& actions) {
  if (std::find(actions.begin(), actions.end(), action) == actions.end()) {
    actions.push_back(std::move(action));
  }
}

// Extends `action`, the recipe's command up to this ingredient, by every item held that will do.
void AddCrafts(const Game& game, const Recipe& recipe, size_t ingredient, const std::string& action,
               std::vector<std::string>& actions) {
  if (ingredient == recipe.inputs.size()) return AddNew(action, actions);
  const Ingredient& wanted = recipe.inputs[ingredient];
  for (const Game::Holding& holding : game.inventory()) {
    const Name& name = game.book().names()[holding.name];
    const bool fits = (wanted.is_tag ? name.tag : holding.name) == wanted.name;
    if (!fits || holding.count < Count(wanted.count)) continue;
    AddCrafts(game, recipe, ingredient + 1,
              absl::StrCat(action, ingredient > 0 ? ", " : "", wanted.count, " ", name.text),
              actions);
  }
}

}  // namespace

std::vector<std::string> ValidActions(const Game& game) {
  const RecipeBook& book = game.book();
  std::vector<std::string> actions;
  for (const int listed : game.listed()) {
    for (const Ingredient& input : book.recipes()[listed].inputs) {
      const Name& name = book.names()[input.name];
      if (input.is_tag || !book.IsGettable(input.name)) continue;
      AddNew(absl::StrCat("get ", input.count, " ", name.text), actions);
    }
  }
  for (const int listed : game.listed()) {
    const Recipe& recipe = book.recipes()[listed];
    AddCrafts(game, recipe, 0,
              absl::StrCat("craft ", recipe.output_count, " ", book.names()[recipe.output].text,
                           " using "),
              actions);
  }
  actions.push_back("inventory");
  return actions;
}

}  // namespace sojourn::envs::textcraft
