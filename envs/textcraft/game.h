// TextCraft as AgentGym's server plays it: the same replies, word for word, and the same rules.
//
// What may surprise: the output's number in "craft 7 x using ..." is ignored; too few items are
// noticed before a wrong recipe; after the goal is made the game goes on, and making it again ends
// it again; "inventoryxyz" is "inventory"; only the first line of an action is read.
#ifndef SOJOURN_ENVS_TEXTCRAFT_GAME_H_
#define SOJOURN_ENVS_TEXTCRAFT_GAME_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "envs/textcraft/count.h"
#include "envs/textcraft/recipe_book.h"

namespace sojourn::envs::textcraft {

struct Reply {
  std::string observation;
  bool done = false;     // this action made the goal; the reward is then 1, else 0
  bool refused = false;  // not understood or not possible; nothing changed
};

class Game {
 public:
  struct Holding {
    int name;
    Count count;
  };

  explicit Game(std::shared_ptr<const RecipeBook> book) : book_(std::move(book)) {}

  // Begins anew with empty hands. `goal` is a name of the book, `listed` are the recipes to show,
  // in order. Returns the first observation.
  std::string Reset(int goal, std::vector<int> listed);

  // OutOfRange when a number is longer than Python converts (4300 digits): the message is then the
  // one of the original server's {"error": ...}.
  absl::StatusOr<Reply> Step(std::string_view action);

  const RecipeBook& book() const { return *book_; }
  int goal() const { return goal_; }
  const std::vector<int>& listed() const { return listed_; }

  // In the order in which the items were first taken.
  const std::vector<Holding>& inventory() const { return inventory_; }

  // What is held of an item; null for nothing.
  const Count* Held(int name) const;

 private:
  absl::StatusOr<Reply> Get(std::string_view amount_digits, std::string_view item);
  absl::StatusOr<Reply> Craft(std::string_view output, std::string_view inputs);
  absl::StatusOr<Reply> Inventory() const;
  const Recipe* Match(int output, absl::Span<const Holding> inputs) const;
  void Add(int name, const Count& count);
  void Remove(const Holding& items);

  std::shared_ptr<const RecipeBook> book_;
  int goal_ = -1;
  std::vector<int> listed_;
  std::vector<Holding> inventory_;
};

}  // namespace sojourn::envs::textcraft

#endif  // SOJOURN_ENVS_TEXTCRAFT_GAME_H_
