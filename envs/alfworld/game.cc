#include "envs/alfworld/game.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace sojourn::envs::alfworld {
namespace {

constexpr std::string_view kBar = "_bar_";

// "drawer" of "drawer_bar__minus_00_dot_16..."; basins are told from what they are in.
std::string BaseOf(const std::string& id) {
  std::string base = id.substr(0, id.find(kBar));
  if (absl::StrContains(id, "basin")) base += "basin";
  return base;
}

}  // namespace

std::vector<std::string> NamesOf(const std::vector<std::string>& sorted_ids) {
  absl::flat_hash_map<std::string, int> left;
  for (const std::string& id : sorted_ids) {
    if (absl::StrContains(id, kBar)) ++left[BaseOf(id)];
  }
  std::vector<std::string> names;
  for (const std::string& id : sorted_ids) {
    if (absl::StrContains(id, kBar)) {
      const std::string base = BaseOf(id);
      names.push_back(absl::StrCat(base, " ", left[base]--));
    } else {
      names.push_back(absl::StrCat(
          absl::StrReplaceAll(
              id, {{"_minus_", "-"}, {"_plus_", "+"}, {"_dot_", "."}, {"_comma_", ","}}),
          " "));
    }
  }
  return names;
}

absl::StatusOr<std::shared_ptr<const Game>> Game::Make(const Problem& problem, const Rules& rules,
                                                       std::shared_ptr<const Grammar> grammar,
                                                       std::string task) {
  auto game = std::make_shared<Game>();
  game->grammar_ = std::move(grammar);
  game->task_ = std::move(task);

  std::vector<int> order;
  for (size_t i = 0; i < problem.things.size(); ++i) {
    if (problem.things[i].is_used) order.push_back(static_cast<int>(i));
  }
  std::sort(order.begin(), order.end(),
            [&](int a, int b) { return problem.things[a].id < problem.things[b].id; });
  std::vector<std::string> ids;
  std::vector<Entity> entities(problem.things.size(), kNobody);
  for (const int thing : order) {
    entities[thing] = static_cast<Entity>(ids.size());
    ids.push_back(problem.things[thing].id);
    game->types_.push_back(problem.things[thing].type);
  }
  game->names_ = NamesOf(ids);

  std::vector<Problem::Said> facts = problem.facts;
  for (Problem::Said& fact : facts) {
    fact.a = entities[fact.a];
    fact.b = fact.b >= 0 ? entities[fact.b] : 0;
  }
  std::sort(facts.begin(), facts.end(), [](const Problem::Said& x, const Problem::Said& y) {
    return std::tie(x.predicate, x.a, x.b) < std::tie(y.predicate, y.a, y.b);
  });
  for (const Problem::Said& fact : facts) {
    const int i = static_cast<int>(fact.predicate);
    Relation& relation = i < kChanging ? game->start_.holds[i] : game->fixed_[i];
    relation.Add(static_cast<Entity>(fact.a), static_cast<Entity>(fact.b));
  }

  const auto find = [&](std::string_view id) -> std::optional<Entity> {
    const auto at = std::lower_bound(ids.begin(), ids.end(), id);
    if (at == ids.end() || *at != id) return std::nullopt;
    return static_cast<Entity>(at - ids.begin());
  };
  game->sinks_[0] = find("sinkbasintype").value_or(kNobody);
  if (rules.cleans_in_sinks) game->sinks_[1] = find("sinktype").value_or(kNobody);
  game->microwave_ = find("microwavetype").value_or(kNobody);
  game->fridge_ = find("fridgetype").value_or(kNobody);
  game->knives_ = {find("knifetype").value_or(kNobody), find("butterknifetype").value_or(kNobody)};

  const auto agents = std::count(game->types_.begin(), game->types_.end(), Type::kAgent);
  const World world(&game->fixed_, &game->start_);
  if (agents != 1 || world[Predicate::kAtLocation].all().size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected one agent in one place (atLocation); there are ", agents,
                     " agents and ", world[Predicate::kAtLocation].all().size(), " places"));
  }
  if (!world[Predicate::kHolds].all().empty() || !world[Predicate::kHoldsAny].all().empty()) {
    return absl::InvalidArgumentError("the agent must begin with empty hands");
  }
  game->agent_ = world[Predicate::kAtLocation].all()[0].a;

  auto goal = Goal::Compile(problem.goal, find, game->types_, game->fixed_);
  if (!goal.ok()) return goal.status();
  game->goal_ = *std::move(goal);
  return game;
}

bool Game::IsKnife(Entity object) const {
  const Relation& types = fixed_[static_cast<int>(Predicate::kObjectType)];
  return std::any_of(knives_.begin(), knives_.end(),
                     [&](Entity type) { return type != kNobody && types.Has(object, type); });
}

}  // namespace sojourn::envs::alfworld
