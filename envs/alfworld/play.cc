#include "envs/alfworld/play.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "envs/python_text.h"

namespace sojourn::envs::alfworld {

Play::Play(std::shared_ptr<const Game> game) : game_(std::move(game)), state_(game_->start()) {
  won_ = game_->goal().Holds(world());
  FindAdmissible();
}

std::string Play::Intro() const {
  const World now = world();
  return game_->grammar().Intro(telling(now));
}

Entity Play::held() const {
  const auto held = world()[Predicate::kHolds].Of(game_->agent());
  return held.empty() ? kNobody : held[0].b;
}

bool Play::IsAt(Entity receptacle, Entity location) const {
  return world()[Predicate::kReceptacleAtLocation].Has(receptacle, location);
}

bool Play::IsAccessible(Entity receptacle) const {
  const World now = world();
  return !now[Predicate::kOpenable].Has(receptacle) || now[Predicate::kOpened].Has(receptacle);
}

Play::Reply Play::Step(std::string_view text) {
  text = StripSpace(text);
  const auto at = std::lower_bound(
      admissible_.begin(), admissible_.end(), text,
      [](const Command& command, std::string_view wanted) { return command.text < wanted; });
  if (at == admissible_.end() || at->text != text) return {"Nothing happens.", false};
  const Command command = std::move(*at);
  Apply(command);
  won_ = game_->goal().Holds(world());
  const World now = world();
  Reply reply{game_->grammar().Feedback(command.verb, command.arguments, telling(now))};
  const Entity about = command.verb == Verb::kGoTo                ? command.arguments[3]
                       : command.verb == Verb::kOpen              ? command.arguments[2]
                       : command.verb == Verb::kExamineReceptacle ? command.arguments[1]
                                                                  : kNobody;
  if (about != kNobody && IsAccessible(about)) reply.shown = about;
  FindAdmissible();
  return reply;
}

// Arguments are those of the verb's form.
void Play::Apply(const Command& command) {
  const Arguments& given = command.arguments;
  switch (command.verb) {
    case Verb::kLook:
    case Verb::kInventory:
    case Verb::kHelp:
    case Verb::kExamineReceptacle:
    case Verb::kExamineObject:
      return;
    case Verb::kGoTo:
      state_.Unmake(Predicate::kAtLocation, given[0], given[1]);
      state_.Make(Predicate::kAtLocation, given[0], given[2]);
      return;
    case Verb::kOpen:
      state_.Make(Predicate::kOpened, given[2]);
      return;
    case Verb::kClose:
      state_.Unmake(Predicate::kOpened, given[2]);
      return;
    case Verb::kTake:
      state_.Unmake(Predicate::kInReceptacle, given[2], given[3]);
      state_.Unmake(Predicate::kObjectAtLocation, given[2], given[1]);
      state_.Make(Predicate::kHolds, given[0], given[2]);
      state_.Make(Predicate::kHoldsAny, given[0]);
      return;
    case Verb::kPut:
      state_.Make(Predicate::kInReceptacle, given[2], given[3]);
      state_.Make(Predicate::kObjectAtLocation, given[2], given[1]);
      state_.Unmake(Predicate::kHolds, given[0], given[2]);
      state_.Unmake(Predicate::kHoldsAny, given[0]);
      return;
    case Verb::kClean:
      state_.Make(Predicate::kIsClean, given[3]);
      return;
    case Verb::kHeat:
      state_.Make(Predicate::kIsHot, given[3]);
      state_.Unmake(Predicate::kIsCool, given[3]);
      return;
    case Verb::kCool:
      state_.Make(Predicate::kIsCool, given[3]);
      state_.Unmake(Predicate::kIsHot, given[3]);
      return;
    case Verb::kUse:
      state_.Make(Predicate::kIsToggled, given[2]);
      return;
    case Verb::kSlice:
      state_.Make(Predicate::kIsSliced, given[2]);
      return;
  }
}

void Play::FindAdmissible() {
  admissible_.clear();
  const World now = world();
  const Telling words = telling(now);
  const Entity agent = game_->agent(), here = location(), held = this->held();
  const auto add = [&](Verb verb, Arguments arguments) {
    std::string text = game_->grammar().Command(verb, arguments, words);
    admissible_.push_back({verb, std::move(arguments), std::move(text)});
  };

  add(Verb::kLook, {agent, here});
  add(Verb::kInventory, {agent});
  if (game_->grammar().has_help()) add(Verb::kHelp, {agent});
  if (held != kNobody) add(Verb::kExamineObject, {agent, held});

  // Going to where one is would change nothing; the planner behind the original drops such actions.
  for (const Fact& place : now[Predicate::kReceptacleAtLocation].all()) {
    const Entity receptacle = place.a;
    if (place.b != here) {
      add(Verb::kGoTo, {agent, here, place.b, receptacle});
      continue;
    }
    add(Verb::kExamineReceptacle, {agent, receptacle});
    if (now[Predicate::kOpenable].Has(receptacle)) {
      const bool is_open = now[Predicate::kOpened].Has(receptacle);
      add(is_open ? Verb::kClose : Verb::kOpen, {agent, here, receptacle});
    }
    if (held == kNobody) continue;
    for (const Fact& kind : now[Predicate::kReceptacleType].Of(receptacle)) {
      for (const Fact& type : now[Predicate::kObjectType].Of(held)) {
        if (IsAccessible(receptacle) && now[Predicate::kCanContain].Has(kind.b, type.b)) {
          add(Verb::kPut, {agent, here, held, receptacle, type.b, kind.b});
        }
      }
      const Arguments arguments = {agent, here, receptacle, held};
      if (game_->IsSink(kind.b) && now[Predicate::kCleanable].Has(held)) {
        add(Verb::kClean, arguments);
      }
      if (kind.b == game_->microwave() && now[Predicate::kHeatable].Has(held)) {
        add(Verb::kHeat, arguments);
      }
      if (kind.b == game_->fridge() && now[Predicate::kCoolable].Has(held)) {
        add(Verb::kCool, arguments);
      }
    }
  }
  for (const Fact& inside : now[Predicate::kInReceptacle].all()) {
    if (!IsAt(inside.b, here)) continue;
    if (held == kNobody && now[Predicate::kPickupable].Has(inside.a) && IsAccessible(inside.b)) {
      add(Verb::kTake, {agent, here, inside.a, inside.b});
    }
    // Lamps can be switched through a closed door.
    if (now[Predicate::kToggleable].Has(inside.a)) {
      add(Verb::kUse, {agent, here, inside.a, inside.b});
    }
  }
  if (held != kNobody && game_->IsKnife(held)) {
    for (const Fact& sliceable : now[Predicate::kSliceable].all()) {
      if (now[Predicate::kObjectAtLocation].Has(sliceable.a, here)) {
        add(Verb::kSlice, {agent, here, sliceable.a, held});
      }
    }
  }

  // Several ways to say the same do the same.
  std::stable_sort(admissible_.begin(), admissible_.end(),
                   [](const Command& a, const Command& b) { return a.text < b.text; });
  admissible_.erase(
      std::unique(admissible_.begin(), admissible_.end(),
                  [](const Command& a, const Command& b) { return a.text == b.text; }),
      admissible_.end());
}

}  // namespace sojourn::envs::alfworld
