#include "envs/textcraft/fresh_world.h"

#include <numeric>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/random.h"

namespace sojourn::envs::textcraft {
namespace {

// None ends in "_block": such recipes would be taken for blocks taken apart.
constexpr std::string_view kNames[] = {
    "acacia_boat", "acacia_log",   "anvil",         "apple",         "armor_stand", "arrow",
    "bamboo",      "barrel",       "beacon",        "beehive",       "beetroot",    "birch_door",
    "birch_log",   "birch_planks", "black_dye",     "blaze_powder",  "blaze_rod",   "blue_ice",
    "blue_wool",   "bone",         "bone_meal",     "book",          "bow",         "bowl",
    "bread",       "brick",        "bucket",        "cake",          "campfire",    "carrot",
    "cauldron",    "chain",        "chest",         "clay_ball",     "clock",       "coal",
    "cobblestone", "compass",      "cookie",        "crossbow",      "dandelion",   "diamond",
    "diorite",     "dirt",         "egg",           "emerald",       "ender_pearl", "feather",
    "fishing_rod", "flint",        "flower_pot",    "furnace",       "glass",       "glass_bottle",
    "glowstone",   "gold_ingot",   "gold_nugget",   "granite",       "gravel",      "green_dye",
    "gunpowder",   "honeycomb",    "hopper",        "ink_sac",       "iron_door",   "iron_ingot",
    "iron_sword",  "item_frame",   "jungle_planks", "ladder",        "lantern",     "lapis_lazuli",
    "leather",     "lever",        "loom",          "magma_cream",   "map",         "melon_slice",
    "minecart",    "nether_wart",  "oak_logs",      "oak_planks",    "oak_sign",    "obsidian",
    "painting",    "paper",        "piston",        "prismarine",    "pumpkin",     "quartz",
    "rail",        "red_wool",     "redstone",      "redstone_lamp", "sand",        "sandstone",
    "shield",      "slime_ball",   "snowball",      "spider_eye",    "stick",       "stone",
    "string",      "sugar",        "sugar_cane",    "terracotta",    "torch",       "tripwire_hook",
    "vine",        "wheat"};

class Generator {
 public:
  Generator(RandomKey key, int most_of_a_kind)
      : random_(key), most_of_a_kind_(most_of_a_kind), names_(std::size(kNames)) {
    std::iota(names_.begin(), names_.end(), 0);
    random_.Shuffle(names_);
  }

  // Adds the recipe of a new item and all that it needs, the item's own recipe last.
  std::string AddTree(int depth, int output_count) {
    RecipeFact fact{output_count, NewName()};
    const bool two = Flip();
    if (depth == 1) {
      fact.inputs.push_back(Gathered());
    } else {
      const int needed = Number(most_of_a_kind_);
      const int made = needed + Number(most_of_a_kind_ + 1 - needed) - 1;
      fact.inputs.push_back({needed, AddTree(depth - 1, made)});
    }
    if (two) fact.inputs.push_back(Gathered());
    if (two && Flip()) std::swap(fact.inputs[0], fact.inputs[1]);
    facts_.push_back(fact);
    return fact.output;
  }

  void AddDistractors(int count) {
    std::vector<std::string> shared;
    for (const RecipeFact& fact : facts_) {
      for (const RecipeFact::Input& input : fact.inputs) shared.push_back(input.name);
    }
    for (int i = 0; i < count; ++i) {
      RecipeFact fact{Number(most_of_a_kind_), NewName()};
      for (int inputs = Number(2); inputs > 0; --inputs) {
        fact.inputs.push_back(Flip() ? Gathered() : Shared(shared));
      }
      if (fact.inputs.size() == 2 && fact.inputs[0].name == fact.inputs[1].name) {
        fact.inputs.pop_back();
      }
      facts_.push_back(std::move(fact));
    }
  }

  Random& random() { return random_; }
  int Number(int highest) { return 1 + static_cast<int>(random_.Below(highest)); }
  const std::vector<RecipeFact>& facts() const { return facts_; }

 private:
  bool Flip() { return random_.Below(2) == 0; }

  std::string NewName() {
    const int name = names_.back();
    names_.pop_back();
    return std::string(kNames[name]);
  }

  RecipeFact::Input Gathered() { return {Number(most_of_a_kind_), NewName()}; }
  RecipeFact::Input Shared(const std::vector<std::string>& names) {
    return {Number(most_of_a_kind_), names[random_.Below(names.size())]};
  }

  Random random_;
  const int most_of_a_kind_;
  std::vector<int> names_;  // not used yet; the last one is next
  std::vector<RecipeFact> facts_;
};

bool IsOfTest(const RecipeFact& fact) {
  std::string text = absl::StrCat(fact.output_count, " ", fact.output);
  for (const RecipeFact::Input& input : fact.inputs) {
    absl::StrAppend(&text, ",", input.count, " ", input.name);
  }
  return RandomKey(0).With("textcraft fresh split").With(text).value() % 4 == 0;
}

}  // namespace

absl::StatusOr<World> MakeFreshWorld(Split split, int depth, int64_t index, int distractors,
                                     int most_of_a_kind) {
  const RandomKey key = RandomKey(0)
                            .With("textcraft fresh world")
                            .With(SplitName(split))
                            .With(depth)
                            .With(static_cast<uint64_t>(index));
  for (uint64_t attempt = 0;; ++attempt) {
    Generator generator(key.With(attempt), most_of_a_kind);
    const std::string goal = generator.AddTree(depth, generator.Number(most_of_a_kind));
    if (IsOfTest(generator.facts().back()) != (split == Split::kTest)) continue;
    generator.AddDistractors(distractors);
    auto book = RecipeBook::Build(generator.facts());
    if (!book.ok()) return book.status();
    World world{*book, (*book)->Find(goal), std::vector<int>((*book)->recipes().size())};
    std::iota(world.listing.begin(), world.listing.end(), 0);
    generator.random().Shuffle(world.listing);
    return world;
  }
}

}  // namespace sojourn::envs::textcraft
