#include "envs/textcraft/interface.h"

#include <set>
#include <string>
#include <string_view>

#include "absl/strings/str_split.h"
#include "envs/textcraft/recipe_book.h"

namespace sojourn::envs::textcraft {
namespace {

// Words of items that the sentences around them use as well.
constexpr std::string_view kNotOfItems[] = {"and", "the", "item", "items", "crafting",
                                            "of",  "on",  "a",    "o"};

std::set<std::string> WordsOfItems() {
  std::set<std::string> words;
  const auto book = RecipeBook::Minecraft();
  if (!book.ok()) return words;  // no game can be made either, which says why
  for (const Name& name : (*book)->names()) {
    for (const std::string_view word :
         absl::StrSplit(name.id, absl::ByAnyChar("_:"), absl::SkipEmpty())) {
      words.insert(std::string(word));
    }
  }
  for (const std::string_view word : kNotOfItems) words.erase(std::string(word));
  return words;
}

}  // namespace

Interface TextInterface() {
  Interface interface;
  interface.verbs = {
      {"get|got", {"fetch|fetched", "take|took", "collect|collected"}},
      {"craft|crafted|crafting",
       {"make|made|making", "assemble|assembled|assembling", "produce|produced|producing"}},
      {"using", {"consuming", "spending", "expending"}},
      {"inventory", {"belongings", "possessions", "backpack"}}};
  // Fresh recipes use real items' names, too.
  for (const std::string& word : WordsOfItems()) interface.objects.push_back({word, {}});
  interface.commands = {"get NUMBER ITEM", "craft NUMBER ITEM using NUMBER ITEM, NUMBER ITEM, ...",
                        "inventory"};
  interface.lists_no_actions = true;
  interface.lists = {{.begin = "Crafting commands:\n", .separator = "\n", .end = "\n\nGoal: "},
                     {.begin = "Inventory: ", .separator = ") "}};
  interface.sentences = {
      {"Crafting commands:\n", {"These recipes can be used:\n", "What you can do with what:\n"}},
      {"Goal: craft $1.", {"In the end you must craft $1.", "You need $1; craft it."}},
      {"Got #1 $2", {"You pick up #1 $2", "#1 $2 more for you"}},
      {"Crafted #1 $2", {"You have crafted #1 $2", "Crafted: $2, #1 of it"}},
      {"Inventory: You are not carrying anything.", {"You have nothing.", "Your hands are empty."}},
      {"Inventory: [", {"You have [", "What you carry: ["}},
      {"Could not find enough items to craft $1",
       {"There are too few items to craft $1", "To craft $1 you lack items"}},
      {"Could not find a valid recipe for $1",
       {"There is no such recipe for $1", "No valid recipe makes $1"}},
      {"Could not find $1", {"Nowhere is there any $1", "You look for $1 in vain"}},
      {"Could not execute $1", {"This cannot be done: $1", "Not understood: $1"}},
      {"Wrong item format: $1",
       {"An item is not written like this: $1", "This does not say how many of what: $1"}}};
  interface.parts = {"Crafting commands:\n", "Goal: "};
  interface.format =
      "Your output must strictly follow this format:\"Thought:\n"
      "your thoughts.\n\n"
      "Action:\n"
      "your next action\"";
  return interface;
}

}  // namespace sojourn::envs::textcraft
