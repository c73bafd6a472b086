// TextCraft's recipes: which items exist, what can be crafted from what, and how hard each is.
//
// Built once from a table of facts, immutable and shared by all games that play by it.
#ifndef SOJOURN_ENVS_TEXTCRAFT_RECIPE_BOOK_H_
#define SOJOURN_ENVS_TEXTCRAFT_RECIPE_BOOK_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace sojourn::envs::textcraft {

// A line of the table (recipes.txt documents the format). Names are bare: "oak_planks".
struct RecipeFact {
  struct Input {
    int count;
    std::string name;
    bool is_tag = false;
  };
  int output_count;
  std::string output;
  std::string group;  // empty: none
  std::vector<Input> inputs;
};

struct Ingredient {
  int name;  // index into RecipeBook::names()
  int count;
  bool is_tag;  // any item whose `tag` is this name will do
};

struct Recipe {
  std::vector<Ingredient> inputs;
  int output;
  int output_count;
  std::string text;         // "craft 4 oak planks using 1 oak logs"
  std::string inputs_text;  // "1 oak logs"
  int first_alike;          // the first recipe with the same text: itself, nearly always
};

struct Name {
  std::string id;                // "oak_planks"; the original's "minecraft:" is left out
  std::string text;              // "oak planks"
  bool is_item = false;          // occurs as an item
  bool is_tag = false;           // occurs as a tag
  int tag = -1;                  // of an item: the tag that it belongs to
  int depth = 0;                 // the least height of a recipe tree; 0: cannot be crafted
  std::vector<int> recipes;      // of an item: those that make it
  std::vector<int> tag_recipes;  // of a tag: those that make an item of it
  std::vector<int> members;      // of a tag: the items that belong to it
  std::vector<int> uses;  // recipes that name it as an ingredient: all by item, then all by tag
};

class RecipeBook {
 public:
  // Reads a table. InvalidArgument names the line and what is wrong with it.
  static absl::StatusOr<std::shared_ptr<const RecipeBook>> Parse(std::string_view table);

  // InvalidArgument when items depend on each other in a circle that the original's rule leaves in,
  // or when one item could be two ingredients of a recipe.
  static absl::StatusOr<std::shared_ptr<const RecipeBook>> Build(
      absl::Span<const RecipeFact> facts);

  // The recipes of Minecraft that AgentGym's TextCraft plays with, loaded once.
  static absl::StatusOr<std::shared_ptr<const RecipeBook>> Minecraft();

  const std::vector<Name>& names() const { return names_; }
  const std::vector<Recipe>& recipes() const { return recipes_; }

  // The name with this bare id, or -1.
  int Find(std::string_view id) const;

  // Can be taken from the surroundings: an item that no recipe makes.
  bool IsGettable(int name) const;

  // Every craftable item: by depth, and within a depth in the table's order. AgentGym's data_idx is
  // an index into this list, modulo its length.
  const std::vector<int>& goals() const { return goals_; }

  // The recipes that make an item, or else those that make an item of a tag.
  const std::vector<int>& RecipesFor(int name) const;

  // Every recipe that may play a part in crafting `goal`, without repeated texts.
  std::vector<int> Tree(int goal) const;

  // The recipes from which the original takes a goal's distractors, without repeated texts: some of
  // those that share an ingredient with the tree. It draws them with a fixed seed, so they are part
  // of the goal; how they are drawn is copied step by step.
  std::vector<int> Distractors(int goal) const;

 private:
  int Intern(std::string_view id);
  void Load(absl::Span<const RecipeFact> facts);
  void TurnUncraftableTagsIntoItems();
  void WriteTexts();
  void ListUses();
  absl::Status CheckIngredientsDiffer() const;
  absl::Status ComputeDepths();

  std::vector<Name> names_;
  std::vector<Recipe> recipes_;
  std::vector<int> goals_;
  std::vector<int> crafted_tags_;  // in the order in which recipes first make an item of them
  absl::flat_hash_map<std::string, int> index_;
};

}  // namespace sojourn::envs::textcraft

#endif  // SOJOURN_ENVS_TEXTCRAFT_RECIPE_BOOK_H_
