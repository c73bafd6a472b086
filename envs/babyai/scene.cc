#include "envs/babyai/scene.h"

#include <array>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace sojourn::envs::babyai {
namespace {

constexpr int kNames = 36;  // 18 doors (color, state), then 6 colors of key, ball, box

int NameIndex(const Cell& cell) {
  const int color = static_cast<int>(cell.color);
  if (cell.kind == Kind::kDoor) return color * 3 + static_cast<int>(cell.state);
  return 18 + (static_cast<int>(cell.kind) - static_cast<int>(Kind::kKey)) * 6 + color;
}

const std::array<std::string, kNames>& NameTable() {
  static const auto& table = *[] {
    auto* names = new std::array<std::string, kNames>;
    constexpr const char* kStates[] = {"open", "closed", "locked"};
    for (int color = 0; color < 6; ++color) {
      const std::string color_name(ColorName(static_cast<Color>(color)));
      for (int state = 0; state < 3; ++state) {
        (*names)[color * 3 + state] = absl::StrCat(color_name, " ", kStates[state], " door");
      }
      for (const Kind kind : {Kind::kKey, Kind::kBall, Kind::kBox}) {
        const Cell cell = {kind, static_cast<Color>(color)};
        (*names)[NameIndex(cell)] = absl::StrCat(color_name, " ", std::string(KindName(kind)));
      }
    }
    return names;
  }();
  return table;
}

const std::string& Name(const Cell& cell) { return NameTable()[NameIndex(cell)]; }

const char* Words(Verb verb) {
  switch (verb) {
    case Verb::kTurnLeft:
      return "turn left";
    case Verb::kTurnRight:
      return "turn right";
    case Verb::kMoveForward:
      return "move forward";
    case Verb::kPickup:
      return "pickup";
    case Verb::kDrop:
      return "drop";
    case Verb::kGoThrough:
      return "go through";
    case Verb::kToggleAndGoThrough:
      return "toggle and go through";
    case Verb::kToggle:
      return "toggle";
    case Verb::kGoTo:
      return "go to";
    case Verb::kCheck:
      return "check available actions";
  }
  return "";
}

void AppendNumber(int number, std::string* text) {
  if (number >= 10) text->push_back(static_cast<char>('0' + number / 10));
  text->push_back(static_cast<char>('0' + number % 10));
}

bool IsListed(Kind kind) {
  return kind == Kind::kDoor || kind == Kind::kKey || kind == Kind::kBall || kind == Kind::kBox;
}

// How many objects of each name were met so far.
using Counts = std::array<uint8_t, kNames>;

}  // namespace

void Scene::Look(const MiniGrid& grid, const View& view) {
  pos_ = grid.agent_pos();
  dir_ = grid.agent_dir();
  carrying_ = grid.carrying();
  ListObjects(view);
  search_.Run(pos_, dir_);
  for (SeenObject& object : objects_) object.facing = search_.Facing(object.pos);
  Describe();
  ListChoices();
}

void Scene::ListObjects(const View& view) {
  const Point ahead = kDirections[dir_], right = {-ahead.y, ahead.x};
  // The view's corner at [0][0]; its other corner is 7 * (right - ahead) away.
  const Point top_left = {pos_.x + 6 * ahead.x - 3 * right.x, pos_.y + 6 * ahead.y - 3 * right.y};
  const bool x_decreases = right.x - ahead.x < 0, y_decreases = right.y - ahead.y < 0;
  search_.Clear({x_decreases ? top_left.x - 7 : top_left.x,
                 y_decreases ? top_left.y - 7 : top_left.y, x_decreases ? 8 : 7,
                 y_decreases ? 8 : 7});

  barrier_ = 0;
  saw_something_ = drop_blocked_ = false;
  std::array<SeenObject, kViewSize * kViewSize> found;
  std::array<uint8_t, 11> at_distance =
      {};  // [d + 1]: objects at distance d, then where they begin
  int count = 0;
  for (int j = 0; j < kViewSize; ++j) {
    for (int i = 0; i < kViewSize; ++i) {
      const Cell& cell = view[i][j];
      const bool wall = cell.kind == Kind::kWall;
      if (!wall && !IsListed(cell.kind)) continue;
      const int front = kViewSize - 1 - j, side = i - kViewSize / 2;
      if (front == 0 && side == 0) continue;  // what the agent carries
      const Point at = {pos_.x + front * ahead.x + side * right.x,
                        pos_.y + front * ahead.y + side * right.y};
      if (at.x < 0 || at.y < 0) continue;
      saw_something_ = true;
      if (cell.kind != Kind::kDoor) {
        search_.Block(at);
        if (side == 0 && front == 1) drop_blocked_ = true;
      }
      if ((wall || cell.kind == Kind::kBox) && side == 0 && (barrier_ == 0 || front < barrier_)) {
        barrier_ = front;
        barrier_is_box_ = !wall;
      }
      if (wall) continue;
      found[count++] = {cell, at, front, side};
      ++at_distance[front + std::abs(side) + 1];
    }
  }
  for (size_t d = 1; d < at_distance.size(); ++d) at_distance[d] += at_distance[d - 1];
  objects_.resize(count);
  for (int k = 0; k < count; ++k) {
    objects_[at_distance[found[k].front + std::abs(found[k].right)]++] = found[k];
  }
}

void Scene::Describe() {
  std::string& text = description_;
  text.clear();
  Counts counts = {};
  text += saw_something_ ? "In front of you in this room, you can see several objects: "
                         : "You cannot see any objects within sight.";
  for (SeenObject& object : objects_) {
    object.number = ++counts[NameIndex(object.cell)];
    text += "There is a ";
    text += Name(object.cell);
    text += ' ';
    AppendNumber(object.number, &text);
    if (object.right == 0) {
      text += " right in front of you ";
      AppendNumber(object.front, &text);
      text += " steps away.  ";
      continue;
    }
    text += ' ';
    AppendNumber(object.front, &text);
    text += " steps in front of you and ";
    AppendNumber(std::abs(object.right), &text);
    text += object.right > 0 ? " steps to your right.  " : " steps to your left.  ";
  }
  text += "The room has walls around you. ";
  if (barrier_ > 0) {
    text += barrier_is_box_ ? "You are facing a box " : "You are facing a wall ";
    AppendNumber(barrier_, &text);
    text += " steps away. ";
  }
  if (carrying_.kind == Kind::kEmpty) {
    text += "You are not carrying anything.";
  } else {
    text += "You are carrying a ";
    text += Name(carrying_);
    text += '.';
  }
}

void Scene::Offer(Verb verb, int object, int number) {
  action_list_ += choices_.empty() ? "\"" : ", \"";
  choice_begin_.push_back(static_cast<uint32_t>(action_list_.size()));
  action_list_ += Words(verb);
  if (object >= 0) {
    action_list_ += ' ';
    action_list_ += Name(objects_[object].cell);
    action_list_ += ' ';
    AppendNumber(number, &action_list_);
  }
  action_list_ += '"';
  choices_.push_back({verb, object, {}});
}

void Scene::ListChoices() {
  choices_.clear();
  choice_begin_.clear();
  refused_.clear();
  action_list_.clear();
  const bool empty_handed = carrying_.kind == Kind::kEmpty;
  const int count = static_cast<int>(objects_.size());

  Offer(Verb::kTurnLeft);
  Offer(Verb::kTurnRight);
  if (barrier_ != 1) Offer(Verb::kMoveForward);

  // Numbers the objects that can be reached, for "pickup" and "go to".
  const auto offer_reachable = [&](Verb verb, int index, Counts* counts) {
    uint8_t& reached = (*counts)[NameIndex(objects_[index].cell)];
    if (objects_[index].facing != PathSearch::kUnreachable) {
      Offer(verb, index, ++reached);
    } else {
      refused_.push_back({verb, index, reached + 1, Refused::kNoPath});
    }
  };
  if (empty_handed) {
    Counts counts = {};
    for (int i = 0; i < count; ++i) {
      if (objects_[i].cell.kind != Kind::kDoor) offer_reachable(Verb::kPickup, i, &counts);
    }
  } else if (!drop_blocked_) {
    Offer(Verb::kDrop);
  }

  for (int i = 0; i < count; ++i) {
    const SeenObject& door = objects_[i];
    if (door.cell.kind != Kind::kDoor) continue;
    const auto refuse = [&](Verb verb, Refused::Reason reason) {
      refused_.push_back({verb, i, door.number, reason});
    };
    if (door.cell.state == DoorState::kOpen) {
      if (search_.On(door.pos) != PathSearch::kUnreachable) {
        Offer(Verb::kGoThrough, i, door.number);
      } else {
        refuse(Verb::kGoThrough, Refused::kNoPath);
      }
      continue;
    }
    if (door.cell.state == DoorState::kLocked) {
      if (carrying_.kind != Kind::kKey) {
        refuse(Verb::kToggleAndGoThrough, Refused::kNoKey);
        continue;
      }
      if (carrying_.color != door.cell.color) {
        refuse(Verb::kToggleAndGoThrough, Refused::kWrongKey);
        continue;
      }
    } else {
      refuse(Verb::kGoThrough, Refused::kClosed);
    }
    if (door.facing != PathSearch::kUnreachable) {
      Offer(Verb::kToggleAndGoThrough, i, door.number);
      if (search_.IsStart(door.facing)) Offer(Verb::kToggle);
    } else {
      refuse(Verb::kToggleAndGoThrough, Refused::kNoPath);
    }
  }

  Counts counts = {};
  for (int i = 0; i < count; ++i) offer_reachable(Verb::kGoTo, i, &counts);
  Offer(Verb::kCheck);

  // Only now does action_list_ stay where it is.
  for (size_t i = 0; i < choices_.size(); ++i) {
    const size_t begin = choice_begin_[i];
    const size_t end = i + 1 < choices_.size() ? choice_begin_[i + 1] - 4 : action_list_.size() - 1;
    choices_[i].text = std::string_view(action_list_).substr(begin, end - begin);
  }
}

const Choice* Scene::Find(std::string_view action) const {
  for (const Choice& choice : choices_) {
    if (choice.text == action) return &choice;
  }
  return nullptr;
}

void Scene::AppendPlan(const Choice& choice, std::vector<Action>* plan) const {
  switch (choice.verb) {
    case Verb::kTurnLeft:
      plan->push_back(Action::kLeft);
      return;
    case Verb::kTurnRight:
      plan->push_back(Action::kRight);
      return;
    case Verb::kMoveForward:
      plan->push_back(Action::kForward);
      return;
    case Verb::kDrop:
      plan->push_back(Action::kDrop);
      return;
    case Verb::kToggle:
      plan->push_back(Action::kToggle);
      return;
    case Verb::kCheck:
      return;
    case Verb::kGoThrough:
      search_.AppendPath(search_.On(objects_[choice.object].pos), plan);
      return;
    case Verb::kGoTo:
    case Verb::kPickup:
    case Verb::kToggleAndGoThrough:
      search_.AppendPath(objects_[choice.object].facing, plan);
      if (choice.verb == Verb::kPickup) plan->push_back(Action::kPickup);
      if (choice.verb == Verb::kToggleAndGoThrough) {
        plan->push_back(Action::kToggle);
        plan->push_back(Action::kForward);
      }
      return;
  }
}

std::string Scene::Refusal(std::string_view action) const {
  if (action == "move forward") {
    return "There is a barrier in front of you, you can't move forward.";
  }
  if (action == "drop") {
    return carrying_.kind == Kind::kEmpty
               ? "You cannot drop the object, as you are not carrying anything."
               : "You cannot drop the object, as there is already an object in front of you.";
  }
  for (const Refused& refused : refused_) {
    const std::string& name = Name(objects_[refused.object].cell);
    const std::string what = absl::StrCat(Words(refused.verb), " ", name, " ", refused.number);
    if (what != action) continue;
    switch (refused.reason) {
      case Refused::kClosed:
        return absl::StrCat("You cannot ", what, ", as it is closed. You should toggle it first.");
      case Refused::kNoKey:
        return absl::StrCat("You cannot ", what, ", as you are not carrying a key.");
      case Refused::kWrongKey:
        return absl::StrCat(
            "You cannot ", what,
            ", as the color of the key you are carrying does not match the color of "
            "door.");
      case Refused::kNoPath:
        break;
    }
    if (refused.verb != Verb::kToggleAndGoThrough) {
      return absl::StrCat("You cannot ", what, ", as there is no path leading to it.");
    }
    // The original prints its Python dict of door counts, up to this door, instead of the number.
    std::string doors;
    for (int i = 0; i <= refused.object; ++i) {
      if (objects_[i].cell.kind != Kind::kDoor || objects_[i].number != 1) continue;
      int met = 0;
      for (int j = i; j <= refused.object; ++j) {
        met += NameIndex(objects_[j].cell) == NameIndex(objects_[i].cell);
      }
      absl::StrAppend(&doors, doors.empty() ? "'" : ", '", Name(objects_[i].cell), "': ", met);
    }
    return absl::StrCat("You cannot ", Words(refused.verb), " ", name, " {", doors,
                        "}, as there is no path leading to it.");
  }
  return "The action is not recognized. Please check valid actions.";
}

}  // namespace sojourn::envs::babyai
