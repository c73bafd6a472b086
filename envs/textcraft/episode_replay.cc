#include "envs/textcraft/episode_replay.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "envs/textcraft/game.h"
#include "envs/textcraft/listing.h"
#include "envs/textcraft/recipe_book.h"

namespace sojourn::envs::textcraft {
namespace {

using Texts = std::set<std::string>;

Texts TextsOf(const RecipeBook& book, absl::Span<const int> recipes) {
  Texts texts;
  for (const int recipe : recipes) texts.insert(book.recipes()[recipe].text);
  return texts;
}

class Comparison {
 public:
  template <typename Recorded, typename Ours>
  void Expect(std::string_view what, const Recorded& recorded, const Ours& ours) {
    if (nlohmann::json(recorded) == nlohmann::json(ours)) return;
    differences_.push_back(absl::StrCat(what, ": recorded ", nlohmann::json(recorded).dump(),
                                        ", ours ", nlohmann::json(ours).dump()));
  }
  std::vector<std::string> Take() { return std::move(differences_); }

 private:
  std::vector<std::string> differences_;
};

void CompareReset(const RecipeBook& book, int goal, const nlohmann::json& line, Game& game,
                  Comparison& compare) {
  const std::vector<int> tree = book.Tree(goal);
  const std::vector<int> others = book.Distractors(goal);
  const Texts tree_texts = TextsOf(book, tree), other_texts = TextsOf(book, others);
  if (line.contains("goal")) {
    compare.Expect("goal", line.at("goal"), absl::StrCat("minecraft:", book.names()[goal].id));
  }
  if (line.contains("depth")) compare.Expect("depth", line.at("depth"), book.names()[goal].depth);
  if (line.contains("tree_recipes")) {
    compare.Expect("tree", line.at("tree_recipes").get<Texts>(), tree_texts);
  }
  if (line.contains("distractor_pool")) {
    compare.Expect("distractor pool", line.at("distractor_pool").get<Texts>(), other_texts);
  }

  // The recorded commands, told by ours in their order, must give the recorded text.
  const auto recorded = line.at("reset").at("observation").get<std::string>();
  std::vector<int> listing;
  for (const std::string_view command : absl::StrSplit(recorded, '\n')) {
    const auto match = std::find_if(book.recipes().begin(), book.recipes().end(),
                                    [&](const Recipe& recipe) { return recipe.text == command; });
    if (match != book.recipes().end()) listing.push_back(match - book.recipes().begin());
  }
  compare.Expect("reset", recorded, game.Reset(goal, listing));
  const Texts listed = TextsOf(book, listing);
  compare.Expect("number of commands", listing.size(),
                 tree.size() + std::min<size_t>(others.size(), kAgentGymDistractors));
  compare.Expect("commands listed twice", listing.size() - listed.size(), 0);
  for (const std::string& text : tree_texts) {
    if (!listed.contains(text)) compare.Expect("command not listed", nullptr, text);
  }
  for (const std::string& text : listed) {
    if (!tree_texts.contains(text) && !other_texts.contains(text)) {
      compare.Expect("command never listed", text, nullptr);
    }
  }
}

void CompareStep(const nlohmann::json& recorded, std::string_view name, Game& game,
                 Comparison& compare) {
  const auto action = recorded.at("action").get<std::string>();
  const absl::StatusOr<Reply> reply = game.Step(action);
  const std::string where = absl::StrCat(name, " \"", action, "\"");
  nlohmann::json ours;
  if (reply.ok()) {
    ours = {{"observation", reply->observation},
            {"reward", reply->done ? 1 : 0},
            {"done", reply->done}};
  } else {
    ours = {{"response", {{"error", reply.status().message()}}}};
  }
  nlohmann::json theirs = recorded;
  theirs.erase("action");
  compare.Expect(where, theirs, ours);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ReplayEpisode(const nlohmann::json& line) {
  const auto loaded = RecipeBook::Minecraft();
  if (!loaded.ok()) return loaded.status();
  const RecipeBook& book = **loaded;
  const auto goals = static_cast<int64_t>(book.goals().size());
  try {
    const auto index = line.at("data_idx").get<int64_t>();
    const int goal = book.goals()[(index % goals + goals) % goals];  // Python's %
    Game game(*loaded);
    Comparison compare;
    CompareReset(book, goal, line, game, compare);
    const nlohmann::json& steps = line.at("steps");
    for (size_t i = 0; i < steps.size(); ++i) {
      CompareStep(steps[i], absl::StrCat("step ", i + 1), game, compare);
    }
    return compare.Take();
  } catch (const nlohmann::json::exception& error) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a recorded TextCraft episode: ", error.what()));
  }
}

}  // namespace sojourn::envs::textcraft
