#include "envs/babyai/instruction.h"

#include <algorithm>
#include <cstdlib>

#include "envs/babyai/level.h"

namespace sojourn::envs::babyai {
namespace {

bool NextTo(Point a, Point b) { return std::abs(a.x - b.x) + std::abs(a.y - b.y) == 1; }

}  // namespace

void Description::Find(const Level& level) {
  objects.clear();
  positions.clear();
  const Room& room = level.RoomAt(level.agent_pos());
  const Point forward = kDirections[level.agent_dir() & 3];
  const Point right = {-forward.y, forward.x};
  for (int x = 0; x < level.width(); ++x) {
    for (int y = 0; y < level.height(); ++y) {
      const Cell& cell = level.at(x, y);
      if (cell.kind == Kind::kEmpty) continue;
      if (kind.has_value() && cell.kind != *kind) continue;
      if (color.has_value() && cell.color != *color) continue;
      if (location.has_value()) {
        if (!room.Inside({x, y})) continue;
        const Point v = {x - level.agent_pos().x, y - level.agent_pos().y};
        const int ahead = v.x * forward.x + v.y * forward.y;
        const int aside = v.x * right.x + v.y * right.y;
        const bool there = *location == Location::kLeft    ? aside < 0
                           : *location == Location::kRight ? aside > 0
                           : *location == Location::kFront ? ahead > 0
                                                           : ahead < 0;
        if (!there) continue;
      }
      objects.push_back(cell.id);
      positions.push_back({x, y});
    }
  }
}

bool Description::Has(uint16_t id) const {
  return id != 0 && std::find(objects.begin(), objects.end(), id) != objects.end();
}

void Description::Update(const Level& level) {
  positions.clear();
  for (int x = 0; x < level.width(); ++x) {
    for (int y = 0; y < level.height(); ++y) {
      if (Has(level.at(x, y).id)) positions.push_back({x, y});
    }
  }
}

std::string Description::Surface(const Level& level) {
  Find(level);
  std::string text = objects.size() > 1 ? "a " : "the ";
  if (color.has_value()) text.append(ColorName(*color)).append(" ");
  text.append(kind.has_value() ? KindName(*kind) : "object");
  if (location.has_value()) {
    text.append(*location == Location::kFront    ? " in front of you"
                : *location == Location::kBehind ? " behind you"
                : *location == Location::kLeft   ? " on your left"
                                                 : " on your right");
  }
  return text;
}

InstructionPtr MakeAction(Instruction::Type type, Description object, bool strict) {
  auto instruction = std::make_unique<Instruction>();
  instruction->type = type;
  instruction->object = std::move(object);
  instruction->strict = strict;
  return instruction;
}

InstructionPtr MakePutNext(Description move, Description fixed) {
  auto instruction = MakeAction(Instruction::Type::kPutNext, std::move(move));
  instruction->fixed = std::move(fixed);
  return instruction;
}

InstructionPtr MakeSequence(Instruction::Type type, InstructionPtr a, InstructionPtr b) {
  auto instruction = std::make_unique<Instruction>();
  instruction->type = type;
  instruction->a = std::move(a);
  instruction->b = std::move(b);
  return instruction;
}

std::string Instruction::Surface(const Level& level) {
  switch (type) {
    case Type::kGoTo: return "go to " + object.Surface(level);
    case Type::kOpen: return "open " + object.Surface(level);
    case Type::kPickup: return "pick up " + object.Surface(level);
    case Type::kPutNext: {
      std::string text = "put " + object.Surface(level);
      return text + " next to " + fixed.Surface(level);
    }
    case Type::kBefore: {
      std::string text = a->Surface(level);
      return text + ", then " + b->Surface(level);
    }
    case Type::kAfter: {
      std::string text = a->Surface(level);
      return text + " after you " + b->Surface(level);
    }
    case Type::kAnd: {
      std::string text = a->Surface(level);
      return text + " and " + b->Surface(level);
    }
  }
  return "";
}

void Instruction::Begin(const Level& level) {
  a_done_ = b_done_ = false;
  carried_before_ = 0;
  if (is_action()) {
    object.Find(level);
    if (type == Type::kPutNext) fixed.Find(level);
  } else {
    a->Begin(level);
    b->Begin(level);
  }
}

void Instruction::UpdatePositions(const Level& level) {
  if (is_action()) {
    object.Update(level);
    if (type == Type::kPutNext) fixed.Update(level);
  } else {
    a->UpdatePositions(level);
    b->UpdatePositions(level);
  }
}

int Instruction::Navigations() const {
  if (type == Type::kPutNext) return 2;
  return is_action() ? 1 : a->Navigations() + b->Navigations();
}

bool Instruction::ObjectsNext(const Level& level) const {
  for (const uint16_t id : object.objects) {
    for (const Point position : fixed.positions) {
      if (NextTo(level.object(id).position, position)) return true;
    }
  }
  return false;
}

Verdict Instruction::Verify(const Level& level, Action action) {
  switch (type) {
    case Type::kBefore: return VerifyInOrder(*a, *b, a_done_, level, action);
    case Type::kAfter: return VerifyInOrder(*b, *a, b_done_, level, action);
    case Type::kAnd:
      if (!a_done_) a_done_ = a->Verify(level, action) == Verdict::kSuccess;
      if (!b_done_) b_done_ = b->Verify(level, action) == Verdict::kSuccess;
      return a_done_ && b_done_ ? Verdict::kSuccess : Verdict::kContinue;
    default: return VerifyAction(level, action);
  }
}

Verdict Instruction::VerifyInOrder(Instruction& first, Instruction& second, bool& first_done, const Level& level,
                                   Action action) {
  if (!first_done) {
    const Verdict verdict = first.Verify(level, action);
    if (verdict == Verdict::kFailure) return Verdict::kFailure;
    first_done = verdict == Verdict::kSuccess;
    if (!first_done) {
      // Strict sequences fail when the second part is done first.
      return strict && second.Verify(level, action) == Verdict::kSuccess ? Verdict::kFailure : Verdict::kContinue;
    }
  }
  return second.Verify(level, action);   // the action that finished the first part may finish the second too
}

Verdict Instruction::VerifyAction(const Level& level, Action action) {
  if (type == Type::kGoTo) {
    const Point front = level.front();
    for (const Point position : object.positions) {
      if (position == front) return Verdict::kSuccess;
    }
    return Verdict::kContinue;
  }
  if (type == Type::kOpen) {
    if (action != Action::kToggle) return Verdict::kContinue;
    const Cell& front = level.at(level.front().x, level.front().y);
    if (front.kind == Kind::kDoor && front.state == DoorState::kOpen && object.Has(front.id)) return Verdict::kSuccess;
    return strict && front.kind == Kind::kDoor ? Verdict::kFailure : Verdict::kContinue;
  }
  const uint16_t carried = level.carrying().id;
  const uint16_t before = std::exchange(carried_before_, carried);
  if (type == Type::kPickup) {
    if (action != Action::kPickup) return Verdict::kContinue;
    if (before == 0 && object.Has(carried)) return Verdict::kSuccess;
    return strict && carried != 0 ? Verdict::kFailure : Verdict::kContinue;
  }
  if (strict && action == Action::kPickup && carried != 0) return Verdict::kFailure;
  if (action != Action::kDrop || !object.Has(before)) return Verdict::kContinue;
  for (const Point position : fixed.positions) {
    if (NextTo(level.object(before).position, position)) return Verdict::kSuccess;
  }
  return Verdict::kContinue;
}

}  // namespace sojourn::envs::babyai
