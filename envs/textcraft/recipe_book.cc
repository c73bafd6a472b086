#include "envs/textcraft/recipe_book.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "envs/textcraft/python_random.h"
#include "envs/textcraft/recipe_table.h"

namespace sojourn::envs::textcraft {
namespace {

// The original's random.seed, and how many recipes it draws for each ingredient of each recipe.
constexpr uint32_t kSeed = 42;
constexpr int kUsesDrawn = 10;

// Splits "3 oak_sign" in two.
bool ParseCounted(std::string_view text, int& count, std::string_view& name) {
  const std::pair<std::string_view, std::string_view> parts =
      absl::StrSplit(absl::StripAsciiWhitespace(text), absl::MaxSplits(' ', 1));
  name = parts.second;
  return absl::SimpleAtoi(parts.first, &count) && count > 0 && !name.empty();
}

// "4 oak_planks (planks) = 1 #oak_logs"
bool ParseFact(std::string_view line, RecipeFact& fact) {
  const std::vector<std::string_view> sides = absl::StrSplit(line, " = ");
  std::string_view name;
  if (sides.size() != 2 || !ParseCounted(sides[0], fact.output_count, name)) return false;
  const size_t group = name.find(" (");
  if (group != std::string_view::npos) {
    if (name.back() != ')') return false;
    fact.group = name.substr(group + 2, name.size() - group - 3);
    name = name.substr(0, group);
  }
  fact.output = name;
  for (const std::string_view part : absl::StrSplit(sides[1], ',')) {
    RecipeFact::Input input;
    if (!ParseCounted(part, input.count, name)) return false;
    input.is_tag = name.front() == '#';
    input.name = name.substr(input.is_tag ? 1 : 0);
    fact.inputs.push_back(std::move(input));
  }
  return true;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const RecipeBook>> RecipeBook::Parse(std::string_view table) {
  std::vector<RecipeFact> facts;
  int number = 0;
  for (const std::string_view line : absl::StrSplit(table, '\n')) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    RecipeFact fact;
    if (!ParseFact(line, fact)) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, " of the recipes: \"", line,
                       "\" is not like \"4 oak_planks (planks) = 1 #oak_logs, 2 stick\""));
    }
    facts.push_back(std::move(fact));
  }
  return Build(facts);
}

absl::StatusOr<std::shared_ptr<const RecipeBook>> RecipeBook::Build(
    absl::Span<const RecipeFact> facts) {
  auto book = std::make_shared<RecipeBook>();
  book->Load(facts);
  book->TurnUncraftableTagsIntoItems();
  book->WriteTexts();
  book->ListUses();
  absl::Status status = book->CheckIngredientsDiffer();
  status.Update(book->ComputeDepths());
  if (!status.ok()) return status;
  return book;
}

absl::StatusOr<std::shared_ptr<const RecipeBook>> RecipeBook::Minecraft() {
  static const auto* const book =
      new absl::StatusOr<std::shared_ptr<const RecipeBook>>(Parse(kMinecraftRecipes));
  return *book;
}

int RecipeBook::Intern(std::string_view id) {
  const auto [entry, is_new] = index_.try_emplace(id, static_cast<int>(names_.size()));
  if (is_new) {
    Name& name = names_.emplace_back();
    name.id = id;
    name.text = absl::StrReplaceAll(id, {{"_", " "}});
  }
  return entry->second;
}

int RecipeBook::Find(std::string_view id) const {
  const auto entry = index_.find(id);
  return entry == index_.end() ? -1 : entry->second;
}

// The original's rules, in its order, which matters: a recipe is dropped when an ingredient is
// already known to depend on its output, and what is known grows from recipe to recipe.
void RecipeBook::Load(absl::Span<const RecipeFact> facts) {
  std::vector<absl::flat_hash_set<int>> made_from;  // by name: the names it is made from, so far
  for (const RecipeFact& fact : facts) {
    Recipe recipe;
    for (const RecipeFact::Input& input : fact.inputs) {
      const int name = Intern(input.name);
      (input.is_tag ? names_[name].is_tag : names_[name].is_item) = true;
      recipe.inputs.push_back({name, input.count, input.is_tag});
    }
    recipe.output = Intern(fact.output);
    recipe.output_count = fact.output_count;
    names_[recipe.output].is_item = true;
    // A block taken apart again.
    if (fact.inputs.size() == 1 && absl::EndsWith(fact.inputs[0].name, "_block")) continue;

    const int group = fact.group.empty() ? -1 : Intern(fact.group);
    if (group >= 0 && group != recipe.output) {
      names_[group].is_tag = true;
      names_[recipe.output].tag = group;
    }
    made_from.resize(names_.size());
    if (std::any_of(recipe.inputs.begin(), recipe.inputs.end(), [&](const Ingredient& input) {
          return made_from[input.name].contains(recipe.output);
        })) {
      continue;
    }
    auto& ancestors = made_from[recipe.output];
    for (const Ingredient& input : recipe.inputs) {
      ancestors.insert(input.name);
      if (input.name == recipe.output) continue;
      ancestors.insert(made_from[input.name].begin(), made_from[input.name].end());
    }
    const int index = static_cast<int>(recipes_.size());
    if (names_[recipe.output].recipes.empty()) goals_.push_back(recipe.output);
    names_[recipe.output].recipes.push_back(index);
    if (group >= 0) {
      if (names_[group].tag_recipes.empty()) crafted_tags_.push_back(group);
      names_[group].tag_recipes.push_back(index);
    }
    recipes_.push_back(std::move(recipe));
  }
  for (int name = 0; name < static_cast<int>(names_.size()); ++name) {
    if (names_[name].tag >= 0) names_[names_[name].tag].members.push_back(name);
  }
}

void RecipeBook::TurnUncraftableTagsIntoItems() {
  for (Recipe& recipe : recipes_) {
    for (Ingredient& input : recipe.inputs) {
      if (!input.is_tag) continue;
      Name& tag = names_[input.name];
      if (std::any_of(tag.members.begin(), tag.members.end(),
                      [&](int member) { return !names_[member].recipes.empty(); })) {
        continue;
      }
      input.is_tag = false;
      tag.is_tag = false;
      tag.is_item = true;
    }
  }
}

void RecipeBook::WriteTexts() {
  absl::flat_hash_map<std::string, int> texts;
  for (int index = 0; index < static_cast<int>(recipes_.size()); ++index) {
    Recipe& recipe = recipes_[index];
    for (const Ingredient& input : recipe.inputs) {
      absl::StrAppend(&recipe.inputs_text, recipe.inputs_text.empty() ? "" : ", ", input.count, " ",
                      names_[input.name].text);
    }
    recipe.text = absl::StrCat("craft ", recipe.output_count, " ", names_[recipe.output].text,
                               " using ", recipe.inputs_text);
    recipe.first_alike = texts.try_emplace(recipe.text, index).first->second;
  }
}

// Goals are still in the order of the table here.
void RecipeBook::ListUses() {
  const auto list = [&](const std::vector<int>& recipes) {
    for (const int recipe : recipes) {
      for (const Ingredient& input : recipes_[recipe].inputs) {
        names_[input.name].uses.push_back(recipe);
      }
    }
  };
  for (const int item : goals_) list(names_[item].recipes);
  for (const int tag : crafted_tags_) list(names_[tag].tag_recipes);
}

absl::Status RecipeBook::CheckIngredientsDiffer() const {
  for (const Recipe& recipe : recipes_) {
    absl::flat_hash_set<int> names;
    for (const Ingredient& input : recipe.inputs) {
      const int tag = names_[input.name].tag;
      if (!names.insert(input.name).second || (tag >= 0 && names.contains(tag)) ||
          std::any_of(names.begin(), names.end(),
                      [&](int other) { return names_[other].tag == input.name; })) {
        return absl::InvalidArgumentError(absl::StrCat("\"", recipe.text, "\" names \"",
                                                       names_[input.name].text,
                                                       "\" twice; add its counts up"));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status RecipeBook::ComputeDepths() {
  enum class State : char { kUnknown, kOpen, kKnown };
  std::vector<State> states(names_.size(), State::kUnknown);
  const auto compute = [&](auto& self, int name) -> absl::Status {
    if (states[name] == State::kKnown) return absl::OkStatus();
    if (states[name] == State::kOpen) {
      return absl::InvalidArgumentError(
          absl::StrCat("the recipes make \"", names_[name].id, "\" from itself"));
    }
    states[name] = State::kOpen;
    int least = -1;
    for (const int recipe : RecipesFor(name)) {
      int depth = 0;
      for (const Ingredient& input : recipes_[recipe].inputs) {
        const absl::Status status = self(self, input.name);
        if (!status.ok()) return status;
        depth = std::max(depth, names_[input.name].depth + 1);
      }
      least = least < 0 ? depth : std::min(least, depth);
    }
    names_[name].depth = std::max(least, 0);
    states[name] = State::kKnown;
    return absl::OkStatus();
  };
  for (int name = 0; name < static_cast<int>(names_.size()); ++name) {
    const absl::Status status = compute(compute, name);
    if (!status.ok()) return status;
  }
  std::stable_sort(goals_.begin(), goals_.end(),
                   [&](int a, int b) { return names_[a].depth < names_[b].depth; });
  return absl::OkStatus();
}

bool RecipeBook::IsGettable(int name) const {
  const Name& entry = names_[name];
  return entry.is_item && !entry.is_tag && entry.recipes.empty() && entry.tag_recipes.empty();
}

const std::vector<int>& RecipeBook::RecipesFor(int name) const {
  return names_[name].recipes.empty() ? names_[name].tag_recipes : names_[name].recipes;
}

std::vector<int> RecipeBook::Tree(int goal) const {
  std::vector<int> tree;
  std::vector<bool> seen_recipe(recipes_.size()), seen_name(names_.size());
  std::vector<int> open = {goal};
  seen_name[goal] = true;
  while (!open.empty()) {
    const int name = open.back();
    open.pop_back();
    for (const int recipe : RecipesFor(name)) {
      const int listed = recipes_[recipe].first_alike;
      if (!seen_recipe[listed]) tree.push_back(listed);
      seen_recipe[listed] = true;
      for (const Ingredient& input : recipes_[recipe].inputs) {
        if (!seen_name[input.name]) open.push_back(input.name);
        seen_name[input.name] = true;
      }
    }
  }
  return tree;
}

std::vector<int> RecipeBook::Distractors(int goal) const {
  // The original walks the tree without remembering where it was, so recipes repeat.
  std::vector<int> walk;
  std::vector<int> path;
  const auto visit = [&](auto& self, int name) -> void {
    if (std::find(path.begin(), path.end(), name) != path.end()) return;
    path.push_back(name);
    walk.insert(walk.end(), RecipesFor(name).begin(), RecipesFor(name).end());
    for (const int recipe : RecipesFor(name)) {
      for (const Ingredient& input : recipes_[recipe].inputs) self(self, input.name);
    }
    path.pop_back();
  };
  visit(visit, goal);

  std::vector<bool> seen(recipes_.size());
  for (const int recipe : walk) seen[recipes_[recipe].first_alike] = true;
  PythonRandom random(kSeed);
  std::vector<int> others;
  for (const int recipe : walk) {
    for (const Ingredient& input : recipes_[recipe].inputs) {
      const std::vector<int>& uses = names_[input.name].uses;
      const int size = static_cast<int>(uses.size());
      for (const int index : random.Sample(size, std::min(size, kUsesDrawn))) {
        const int listed = recipes_[uses[index]].first_alike;
        if (!seen[listed]) others.push_back(listed);
        seen[listed] = true;
      }
    }
  }
  return others;
}

}  // namespace sojourn::envs::textcraft
