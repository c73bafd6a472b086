#include "envs/textcraft/game.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "envs/python_text.h"

namespace sojourn::envs::textcraft {
namespace {

constexpr size_t kLongestNumber = 4300;  // digits that Python converts, both ways

Reply Refuse(std::string observation) { return {std::move(observation), false, true}; }

// Splits at the first match of "([0-9]+) (.*)"; false when the text does not begin so.
bool ParseCounted(std::string_view text, std::string_view& digits, std::string_view& rest) {
  size_t length = 0;
  while (length < text.size() && text[length] >= '0' && text[length] <= '9') ++length;
  if (length == 0 || length == text.size() || text[length] != ' ') return false;
  digits = text.substr(0, length);
  rest = text.substr(length + 1);
  return true;
}

absl::StatusOr<Count> ParseNumber(std::string_view digits) {
  if (digits.size() <= kLongestNumber) return Count::FromDigits(digits);
  return absl::OutOfRangeError(absl::StrCat(
      "Exceeds the limit (4300 digits) for integer string conversion: value has ", digits.size(),
      " digits; use sys.set_int_max_str_digits() to increase the limit"));
}

std::string ToId(std::string_view item) { return absl::StrReplaceAll(item, {{" ", "_"}}); }

// The book's name for an item as an action spells it, with spaces or underscores; -1 for none.
int Find(const RecipeBook& book, std::string_view item) {
  std::array<char, 64> id;  // longer than every name
  if (item.size() > id.size()) return book.Find(ToId(item));
  std::replace_copy(item.begin(), item.end(), id.begin(), ' ', '_');
  return book.Find(std::string_view(id.data(), item.size()));
}

}  // namespace

std::string Game::Reset(int goal, std::vector<int> listed) {
  goal_ = goal;
  listed_ = std::move(listed);
  inventory_.clear();
  std::string text = "Crafting commands:\n";
  for (const int recipe : listed_) absl::StrAppend(&text, book_->recipes()[recipe].text, "\n");
  if (listed_.empty()) text += '\n';
  absl::StrAppend(&text, "\nGoal: craft ", book_->names()[goal].text, ".");
  return text;
}

absl::StatusOr<Reply> Game::Step(std::string_view action) {
  constexpr std::string_view kCraft = "craft ", kUsing = " using ", kGet = "get ";
  const std::string_view line = action.substr(0, action.find('\n'));
  if (line.starts_with(kCraft)) {
    const std::string_view what = line.substr(kCraft.size());
    const size_t split = what.rfind(kUsing);
    if (split != std::string_view::npos) {
      return Craft(what.substr(0, split), what.substr(split + kUsing.size()));
    }
  } else if (line.starts_with(kGet)) {
    std::string_view digits, item;
    if (ParseCounted(line.substr(kGet.size()), digits, item)) return Get(digits, item);
  } else if (line.starts_with("inventory")) {
    return Inventory();
  }
  return Refuse(absl::StrCat("Could not execute ", action));
}

absl::StatusOr<Reply> Game::Get(std::string_view amount_digits, std::string_view item) {
  const absl::StatusOr<Count> amount = ParseNumber(amount_digits);
  if (!amount.ok()) return amount.status();
  const int name = Find(*book_, item);
  if (name < 0 || !book_->IsGettable(name)) return Refuse(absl::StrCat("Could not find ", item));
  Add(name, *amount);
  return Reply{absl::StrCat("Got ", amount->ToString(), " ", item), name == goal_};
}

absl::StatusOr<Reply> Game::Inventory() const {
  if (inventory_.empty()) return Reply{"Inventory: You are not carrying anything."};
  Reply reply{"Inventory: "};
  for (const Holding& holding : inventory_) {
    const std::string count = holding.count.ToString();
    if (count.size() > kLongestNumber) {
      return absl::OutOfRangeError(
          "Exceeds the limit (4300 digits) for integer string conversion; use "
          "sys.set_int_max_str_digits() to increase the limit");
    }
    absl::StrAppend(&reply.observation, "[", book_->names()[holding.name].text, "] (", count, ") ");
  }
  return reply;
}

absl::StatusOr<Reply> Game::Craft(std::string_view output, std::string_view inputs) {
  std::string_view digits = "1", output_item = output;
  ParseCounted(output, digits, output_item);
  const absl::StatusOr<Count> output_count = ParseNumber(digits);
  if (!output_count.ok()) return output_count.status();

  absl::InlinedVector<Holding, 4> items;
  for (bool last = false; !last;) {
    const size_t comma = inputs.find(',');
    last = comma == std::string_view::npos;
    const std::string_view part = StripSpace(inputs.substr(0, comma));
    if (!last) inputs.remove_prefix(comma + 1);
    std::string_view item;
    if (!ParseCounted(part, digits, item)) {
      return Refuse(absl::StrCat("Wrong item format: ", part));
    }
    absl::StatusOr<Count> count = ParseNumber(digits);
    if (!count.ok()) return count.status();
    items.push_back({Find(*book_, item), *std::move(count)});
  }

  const int name = Find(*book_, output_item);
  const bool is_tag = name >= 0 && book_->names()[name].is_tag;
  // Tags and unknown names are never held, so this refuses them too.
  for (const Holding& item : items) {
    const Count* const held = Held(item.name);
    if (held != nullptr && !(*held < item.count)) continue;
    return Refuse(absl::StrCat("Could not find enough items to craft ",
                               is_tag ? "None" : absl::StrCat("minecraft:", ToId(output_item))));
  }
  const Recipe* const recipe = name < 0 || is_tag ? nullptr : Match(name, items);
  if (recipe == nullptr) {
    const std::string id = PythonRepr(absl::StrCat("minecraft:", ToId(output_item)));
    return Refuse(
        absl::StrCat("Could not find a valid recipe for ItemTagWithCount(item_tag=ItemTag(",
                     is_tag ? absl::StrCat("tag=", id, ", item_id=None")
                            : absl::StrCat("tag=None, item_id=", id),
                     "), count=", output_count->ToString(), ")"));
  }
  for (const Holding& item : items) Remove(item);
  Add(name, Count(recipe->output_count));
  return Reply{
      absl::StrCat("Crafted ", recipe->output_count, " minecraft:", book_->names()[name].id),
      name == goal_};
}

// Each ingredient takes the first given item that fits it; its count must then be the recipe's.
const Recipe* Game::Match(int output, absl::Span<const Holding> inputs) const {
  for (const int index : book_->names()[output].recipes) {
    const Recipe& recipe = book_->recipes()[index];
    if (recipe.inputs.size() != inputs.size()) continue;
    absl::InlinedVector<bool, 8> used(inputs.size(), false);
    const bool matches =
        std::all_of(recipe.inputs.begin(), recipe.inputs.end(), [&](const Ingredient& wanted) {
          for (size_t i = 0; i < inputs.size(); ++i) {
            const int given = inputs[i].name;
            const bool fits = (wanted.is_tag ? book_->names()[given].tag : given) == wanted.name;
            if (!fits || used[i]) continue;
            used[i] = true;
            return inputs[i].count == Count(wanted.count);
          }
          return false;
        });
    if (matches) return &recipe;
  }
  return nullptr;
}

const Count* Game::Held(int name) const {
  for (const Holding& holding : inventory_) {
    if (holding.name == name) return &holding.count;
  }
  return nullptr;
}

void Game::Add(int name, const Count& count) {
  for (Holding& holding : inventory_) {
    if (holding.name != name) continue;
    holding.count.Add(count);
    return;
  }
  inventory_.push_back({name, count});
}

// No recipe names an item twice, so an item that was held is still held here.
void Game::Remove(const Holding& items) {
  const auto holding = std::find_if(inventory_.begin(), inventory_.end(),
                                    [&](const Holding& h) { return h.name == items.name; });
  holding->count.Subtract(items.count);
  if (holding->count.IsZero()) inventory_.erase(holding);
}

}  // namespace sojourn::envs::textcraft
