#include "envs/alfworld/expert.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sojourn::envs::alfworld {
namespace {

using Advice = Instance::Advice;
using Found = std::optional<Advice>;

std::optional<Predicate> StateOf(Kind kind) {
  switch (kind) {
    case Kind::kClean:
      return Predicate::kIsClean;
    case Kind::kHeat:
      return Predicate::kIsHot;
    case Kind::kCool:
      return Predicate::kIsCool;
    default:
      return std::nullopt;
  }
}

// Questions about a play.
class View {
 public:
  View(const Play& play, const Aim& aim) : play_(play), aim_(aim), world_(play.world()) {}

  bool Is(Predicate predicate, Entity a, Entity b = 0) const { return world_[predicate].Has(a, b); }
  const std::string& Name(Entity entity) const { return play_.game().names()[entity]; }

  // "mug" of "mug 2".
  std::string KindName(Entity entity) const {
    return Name(entity).substr(0, Name(entity).rfind(' '));
  }

  bool IsHere(Entity receptacle) const { return play_.IsAt(receptacle, play_.location()); }

  bool IsWanted(Entity object) const {
    if (!Is(Predicate::kObjectType, object, aim_.object_type) ||
        !Is(Predicate::kPickupable, object)) {
      return false;
    }
    switch (aim_.kind) {
      case Kind::kClean:
        return Is(Predicate::kCleanable, object);
      case Kind::kHeat:
        return Is(Predicate::kHeatable, object);
      case Kind::kCool:
        return Is(Predicate::kCoolable, object);
      default:
        return true;
    }
  }

  bool IsReady(Entity object) const {
    const std::optional<Predicate> state = StateOf(aim_.kind);
    return (!state.has_value() || Is(*state, object)) &&
           (!aim_.sliced || Is(Predicate::kIsSliced, object));
  }

  bool Takes(Entity receptacle, Entity object) const {
    for (const Fact& kind : world_[Predicate::kReceptacleType].Of(receptacle)) {
      for (const Fact& type : world_[Predicate::kObjectType].Of(object)) {
        if (Is(Predicate::kCanContain, kind.b, type.b)) return true;
      }
    }
    return false;
  }

  bool IsDestination(Entity receptacle) const {
    return Is(Predicate::kReceptacleType, receptacle, aim_.receptacle_type);
  }

  bool IsLamp(Entity object) const {
    return Is(Predicate::kToggleable, object) &&
           (aim_.lamp_type == kNobody || Is(Predicate::kObjectType, object, aim_.lamp_type));
  }

  int WantedIn(Entity receptacle) const {
    int count = 0;
    for (const Fact& inside : world_[Predicate::kInReceptacle].all()) {
      if (inside.b == receptacle && IsWanted(inside.a)) ++count;
    }
    return count;
  }

  std::vector<Entity> Receptacles() const {
    std::vector<Entity> receptacles;
    for (const Fact& place : world_[Predicate::kReceptacleAtLocation].all()) {
      if (receptacles.empty() || receptacles.back() != place.a) receptacles.push_back(place.a);
    }
    return receptacles;
  }

  const World& world() const { return world_; }
  const Play& play() const { return play_; }
  const Aim& aim() const { return aim_; }

 private:
  const Play& play_;
  const Aim& aim_;
  const World world_;
};

}  // namespace

// Finds the next command.
class Step {
 public:
  Step(const Expert& expert, const Play& play, const Aim& aim)
      : expert_(expert), view_(play, aim), play_(play), aim_(aim), held_(play.held()) {}

  Found Next() const {
    if (held_ == kNobody) {
      if (aim_.sliced && !HasSliced())
        return Fetch([&](Entity o) { return play_.game().IsKnife(o); }, "something to cut with");
      return Fetch([&](Entity object) { return IsToFetch(object); }, Wanted());
    }
    if (aim_.sliced && play_.game().IsKnife(held_) && !HasSliced()) return Slice();
    if (!view_.IsWanted(held_) || (aim_.sliced && !view_.Is(Predicate::kIsSliced, held_))) {
      return PutAway();
    }
    if (aim_.kind == Kind::kLook) return Light();
    return view_.IsReady(held_) ? Bring() : Prepare();
  }

 private:
  std::string Wanted() const {
    for (const Fact& type : view_.world()[Predicate::kObjectType].all()) {
      if (type.b == aim_.object_type) return absl::StrCat("a ", view_.KindName(type.a));
    }
    return "what I need";
  }

  bool HasSliced() const {
    const auto sliced = view_.world()[Predicate::kIsSliced].all();
    return std::any_of(sliced.begin(), sliced.end(),
                       [&](const Fact& fact) { return view_.IsWanted(fact.a); });
  }

  // Where two things shall come together: where one is already.
  Entity Meeting() const {
    Entity best = kNobody;
    int most = -1;
    for (const Entity receptacle : view_.Receptacles()) {
      if (!view_.IsDestination(receptacle)) continue;
      const int count = 3 * view_.WantedIn(receptacle) + (view_.IsHere(receptacle) ? 2 : 0) +
                        (play_.IsAccessible(receptacle) ? 1 : 0);
      if (count > most) {
        most = count;
        best = receptacle;
      }
    }
    return best;
  }

  bool IsToFetch(Entity object) const {
    if (!view_.IsWanted(object) || (aim_.sliced && !view_.Is(Predicate::kIsSliced, object))) {
      return false;
    }
    if (aim_.kind == Kind::kTwo) return !view_.Is(Predicate::kInReceptacle, object, Meeting());
    if (aim_.kind != Kind::kPlace) return true;
    const auto places = view_.world()[Predicate::kInReceptacle].Of(object);
    return std::none_of(places.begin(), places.end(),
                        [&](const Fact& place) { return view_.IsDestination(place.b); });
  }

  // The admissible command of this verb with these arguments (kNobody: any).
  Found Command(Verb verb, std::initializer_list<std::pair<int, Entity>> arguments,
                std::string thought) const {
    for (const Play::Command& command : play_.admissible()) {
      if (command.verb == verb &&
          std::all_of(arguments.begin(), arguments.end(), [&](const auto& argument) {
            return command.arguments[argument.first] == argument.second;
          })) {
        return Advice{std::move(thought), command.text};
      }
    }
    return std::nullopt;
  }

  Found GoTo(Entity receptacle, std::string thought) const {
    return Command(Verb::kGoTo, {{3, receptacle}}, std::move(thought));
  }

  // To where its door can be opened, and opens it; none when it stands open before the agent.
  Found Reach(Entity receptacle, std::string_view purpose) const {
    if (!view_.IsHere(receptacle)) {
      return GoTo(receptacle, absl::StrCat(purpose, ", so I go to the ", view_.Name(receptacle)));
    }
    if (!play_.IsAccessible(receptacle)) {
      return Command(Verb::kOpen, {{2, receptacle}},
                     absl::StrCat(purpose, ", and the ", view_.Name(receptacle), " is closed"));
    }
    return std::nullopt;
  }

  template <typename Wanted>
  Found Fetch(const Wanted& is_wanted, const std::string& what) const {
    // Something in a receptacle that it has seen into; here, if possible.
    Fact best{kNobody, kNobody}, hidden = best;
    for (const Fact& inside : view_.world()[Predicate::kInReceptacle].all()) {
      if (!is_wanted(inside.a) || !view_.Is(Predicate::kPickupable, inside.a)) continue;
      if (!expert_.seen_[inside.b]) {
        if (hidden.a == kNobody) hidden = inside;
      } else if (best.a == kNobody || (view_.IsHere(inside.b) && !view_.IsHere(best.b))) {
        best = inside;
      }
    }
    if (best.a == kNobody && hidden.a == kNobody) return std::nullopt;
    if (best.a == kNobody) return Search(hidden.a, hidden.b, what);
    const std::string purpose =
        absl::StrCat("The ", view_.Name(best.a), " is in or on the ", view_.Name(best.b));
    if (Found step = Reach(best.b, purpose)) return step;
    return Command(Verb::kTake, {{2, best.a}, {3, best.b}},
                   absl::StrCat("I have found the ", view_.Name(best.a), " and take it"));
  }

  // Looks into the next receptacle that may hold such a thing, or into the one that does.
  Found Search(Entity object, Entity where, const std::string& what) const {
    Entity next = where;
    if (expert_.looks_ < Expert::kMostLooks) {
      int least = 4;
      for (const Entity receptacle : view_.Receptacles()) {
        if (expert_.seen_[receptacle]) continue;
        const bool is_likely = view_.Takes(receptacle, object) || view_.IsLamp(object);
        const bool has_door = view_.Is(Predicate::kOpenable, receptacle);
        const int rank = (is_likely ? 0 : 2) + (has_door ? 1 : 0);
        if (rank < least) {
          least = rank;
          next = receptacle;
        }
        if (view_.IsHere(receptacle) && is_likely) {
          next = receptacle;
          break;
        }
      }
    }
    const std::string purpose = absl::StrCat("I look for ", what);
    if (Found step = Reach(next, purpose)) return step;
    return Command(Verb::kExamineReceptacle, {{1, next}},
                   absl::StrCat(purpose, " here at the ", view_.Name(next)));
  }

  // With empty hands again.
  Found PutAway() const {
    Entity best = kNobody;
    int least = 8;
    for (const Entity receptacle : view_.Receptacles()) {
      if (!view_.Takes(receptacle, held_)) continue;
      const int cost =
          (view_.IsHere(receptacle) ? 0 : 2) + (play_.IsAccessible(receptacle) ? 0 : 1);
      if (cost < least) {
        least = cost;
        best = receptacle;
      }
    }
    if (best == kNobody) return std::nullopt;
    const std::string purpose = absl::StrCat("I do not need the ", view_.Name(held_));
    if (Found step = Reach(best, purpose)) return step;
    return Command(Verb::kPut, {{3, best}}, absl::StrCat(purpose, " and put it down"));
  }

  Found Slice() const {
    for (const Fact& place : view_.world()[Predicate::kObjectAtLocation].all()) {
      if (!view_.IsWanted(place.a) || !view_.Is(Predicate::kSliceable, place.a)) continue;
      const std::string purpose = absl::StrCat("I cut the ", view_.Name(place.a));
      if (place.b == play_.location()) return Command(Verb::kSlice, {{2, place.a}}, purpose);
      for (const Fact& at : view_.world()[Predicate::kReceptacleAtLocation].all()) {
        if (at.b == place.b) return GoTo(at.a, purpose);
      }
    }
    return std::nullopt;
  }

  Found Light() const {
    Fact best{kNobody, kNobody}, hidden = best;
    for (const Fact& inside : view_.world()[Predicate::kInReceptacle].all()) {
      if (!view_.IsLamp(inside.a)) continue;
      if (view_.IsHere(inside.b)) {
        if (Found step = Command(Verb::kUse, {{2, inside.a}},
                                 absl::StrCat("I hold the ", view_.Name(held_),
                                              " under the light of the ", view_.Name(inside.a)))) {
          return step;
        }
      }
      (expert_.seen_[inside.b] ? best : hidden) = inside;
    }
    if (best.a != kNobody) {
      return GoTo(best.b,
                  absl::StrCat("The ", view_.Name(best.a), " is at the ", view_.Name(best.b)));
    }
    if (hidden.a == kNobody) return std::nullopt;
    return Search(hidden.a, hidden.b, absl::StrCat("a ", view_.KindName(hidden.a)));
  }

  Found Prepare() const {
    const Game& game = play_.game();
    const Verb verb = aim_.kind == Kind::kClean  ? Verb::kClean
                      : aim_.kind == Kind::kHeat ? Verb::kHeat
                                                 : Verb::kCool;
    const char* const word = aim_.kind == Kind::kClean  ? "clean"
                             : aim_.kind == Kind::kHeat ? "hot"
                                                        : "cool";
    const std::string purpose = absl::StrCat("The ", view_.Name(held_), " must be ", word);
    Entity next = kNobody;
    for (const Fact& kind : view_.world()[Predicate::kReceptacleType].all()) {
      const bool serves = aim_.kind == Kind::kClean  ? game.IsSink(kind.b)
                          : aim_.kind == Kind::kHeat ? kind.b == game.microwave()
                                                     : kind.b == game.fridge();
      if (!serves) continue;
      if (view_.IsHere(kind.a)) return Command(verb, {{2, kind.a}}, purpose);
      if (next == kNobody) next = kind.a;
    }
    if (next == kNobody) return std::nullopt;
    return GoTo(next, absl::StrCat(purpose, ", so I go to the ", view_.Name(next)));
  }

  Found Bring() const {
    const Entity place = Meeting();
    if (place == kNobody) return std::nullopt;
    const std::string purpose = absl::StrCat("The ", view_.Name(held_), " belongs there");
    if (Found step = Reach(place, purpose)) return step;
    return Command(Verb::kPut, {{3, place}},
                   absl::StrCat("I put the ", view_.Name(held_), " where it belongs"));
  }

  const Expert& expert_;
  const View view_;
  const Play& play_;
  const Aim& aim_;
  const Entity held_;
};

void Expert::Reset(const Play& play) {
  seen_.assign(play.game().names().size(), false);
  looks_ = 0;
}

void Expert::Note(const Play::Reply& reply) {
  if (reply.shown == kNobody || seen_[reply.shown]) return;
  seen_[reply.shown] = true;
  ++looks_;
}

absl::StatusOr<Instance::Advice> Expert::Advise(const Play& play, const Aim& aim) const {
  if (const Found found = Step(*this, play, aim).Next()) return *found;
  return absl::NotFoundError("no way to the goal is known from here");
}

std::optional<Aim> OtherAim(const Play& play, const Aim& aim) {
  const View view(play, aim);
  const Entity held = play.held();
  for (const Fact& type : view.world()[Predicate::kObjectType].all()) {
    if (held == kNobody ? type.b == aim.object_type : type.a != held) continue;
    if (!view.Is(Predicate::kPickupable, type.a)) continue;
    const auto inside = view.world()[Predicate::kInReceptacle].Of(type.a);
    if (inside.empty() && held == kNobody) continue;
    for (const Entity receptacle : view.Receptacles()) {
      const auto kinds = view.world()[Predicate::kReceptacleType].Of(receptacle);
      if (kinds.empty() || kinds[0].b == aim.receptacle_type ||
          !view.Is(Predicate::kCanContain, kinds[0].b, type.b)) {
        continue;
      }
      const bool is_there = std::any_of(inside.begin(), inside.end(), [&](const Fact& place) {
        return view.Is(Predicate::kReceptacleType, place.b, kinds[0].b);
      });
      if (is_there) break;  // this one is where it could go
      return Aim{.kind = Kind::kPlace, .object_type = type.b, .receptacle_type = kinds[0].b};
    }
  }
  return std::nullopt;
}

double Progress(const Play& play, const Aim& aim) {
  if (play.won()) return 1;
  const View view(play, aim);
  const Entity held = play.held();
  const bool holds = held != kNobody && view.IsWanted(held);
  if (aim.kind == Kind::kLook) {
    const auto toggled = view.world()[Predicate::kIsToggled].all();
    const bool has_light = std::any_of(toggled.begin(), toggled.end(),
                                       [&](const Fact& lamp) { return view.IsLamp(lamp.a); });
    return (holds ? 0.5 : 0) + (has_light ? 0.25 : 0);
  }
  if (aim.kind == Kind::kTwo) {
    double best = 0;
    for (const Entity receptacle : view.Receptacles()) {
      if (view.IsDestination(receptacle)) best = std::max<double>(best, view.WantedIn(receptacle));
    }
    return std::min(0.75, 0.5 * std::min(1.0, best) + (holds ? 0.25 : 0));
  }
  // In hand, and made clean, hot or cool; either may be undone.
  if (!StateOf(aim.kind).has_value()) return holds ? 0.5 : 0;
  double best = holds ? 1.0 / 3 : 0;
  for (const Fact& fact : view.world()[*StateOf(aim.kind)].all()) {
    if (view.IsWanted(fact.a)) best = std::max(best, fact.a == held ? 2.0 / 3 : 1.0 / 3);
  }
  return best;
}

}  // namespace sojourn::envs::alfworld
