#include "envs/babyai/mission.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sojourn::envs::babyai {
namespace {

enum class Place : uint8_t { kAnywhere, kLeft, kRight, kFront, kBehind };

struct Item {
  Cell cell;
  Point at;
};

bool Consume(std::string_view prefix, std::string_view* text) {
  if (text->substr(0, prefix.size()) != prefix) return false;
  text->remove_prefix(prefix.size());
  return true;
}

bool ConsumeEnd(std::string_view suffix, std::string_view* text) {
  if (text->size() < suffix.size()) return false;
  if (text->substr(text->size() - suffix.size()) != suffix) return false;
  text->remove_suffix(suffix.size());
  return true;
}

// Reads phrases against the objects of a level.
class Reader {
 public:
  explicit Reader(const MiniGrid& grid) : pos_(grid.agent_pos()), dir_(grid.agent_dir()) {
    for (int y = 0; y < grid.height(); ++y) {
      for (int x = 0; x < grid.width(); ++x) {
        if (grid.at(x, y).id != 0) items_.push_back({grid.at(x, y), {x, y}});
      }
    }
    // What the agent carries from the start counts too, wherever it is.
    if (grid.carrying().kind != Kind::kEmpty) items_.push_back({grid.carrying(), pos_});
    // The agent's room ends at the walls and doors that it would run into.
    const auto bound = [&](int step_x, int step_y) {
      Point at = pos_;
      do {
        at = {at.x + step_x, at.y + step_y};
      } while (grid.at(at.x, at.y).kind != Kind::kWall && grid.at(at.x, at.y).kind != Kind::kDoor);
      return at;
    };
    low_ = {bound(-1, 0).x, bound(0, -1).y};
    high_ = {bound(1, 0).x, bound(0, 1).y};
  }

  std::vector<Clause> Clauses(std::string_view text) const {
    const size_t split = text.find(" and ");
    if (split == std::string_view::npos) return {ReadClause(text)};
    return {ReadClause(text.substr(0, split)), ReadClause(text.substr(split + 5))};
  }

 private:
  Clause ReadClause(std::string_view text) const {
    Clause clause;
    if (Consume("go to ", &text)) {
      clause.task = Task::kGoTo;
    } else if (Consume("pick up ", &text)) {
      clause.task = Task::kPickup;
    } else if (Consume("open ", &text)) {
      clause.task = Task::kOpen;
    } else if (Consume("put ", &text)) {
      clause.task = Task::kPutNext;
      constexpr std::string_view kNextTo = " next to ";
      const size_t split = text.find(kNextTo);
      if (split != std::string_view::npos) {
        clause.fixed = Resolve(text.substr(split + kNextTo.size()));
        text = text.substr(0, split);
      }
    }
    clause.object = Resolve(text);
    return clause;
  }

  Described Resolve(std::string_view text) const {
    if (!Consume("the ", &text)) Consume("a ", &text);
    Place place = Place::kAnywhere;
    if (ConsumeEnd(" in front of you", &text)) place = Place::kFront;
    if (ConsumeEnd(" behind you", &text)) place = Place::kBehind;
    if (ConsumeEnd(" on your left", &text)) place = Place::kLeft;
    if (ConsumeEnd(" on your right", &text)) place = Place::kRight;
    Described described;
    described.words = std::string(text);
    const size_t space = text.rfind(' ');
    const std::string_view kind = space == std::string_view::npos ? text : text.substr(space + 1);
    const std::string_view color = space == std::string_view::npos ? "" : text.substr(0, space);
    for (const Item& item : items_) {
      if (kind != "object" && KindName(item.cell.kind) != kind) continue;
      if (!color.empty() && ColorName(item.cell.color) != color) continue;
      if (place != Place::kAnywhere && !IsAt(item.at, place)) continue;
      described.ids.push_back(item.cell.id);
      described.places.push_back(item.at);
    }
    return described;
  }

  bool IsAt(Point at, Place place) const {
    if (at.x < low_.x || at.x > high_.x || at.y < low_.y || at.y > high_.y) return false;
    const Point ahead = kDirections[dir_], right = {-ahead.y, ahead.x};
    const int x = at.x - pos_.x, y = at.y - pos_.y;
    const int front = x * ahead.x + y * ahead.y, side = x * right.x + y * right.y;
    switch (place) {
      case Place::kLeft:
        return side < 0;
      case Place::kRight:
        return side > 0;
      case Place::kFront:
        return front > 0;
      case Place::kBehind:
        return front < 0;
      case Place::kAnywhere:
        break;
    }
    return true;
  }

  Point pos_, low_, high_;
  int dir_;
  std::vector<Item> items_;
};

Cell CellAt(const MiniGrid& grid, Point at) {
  if (at.x < 0 || at.y < 0 || at.x >= grid.width() || at.y >= grid.height()) return {};
  return grid.at(at.x, at.y);
}

// Whether a primitive completes a clause.
bool Meets(const Clause& clause, Action action, const MiniGrid& grid) {
  const Point ahead = kDirections[grid.agent_dir()];
  const Point at = {grid.agent_pos().x + ahead.x, grid.agent_pos().y + ahead.y};
  const Cell front = CellAt(grid, at);
  switch (clause.task) {
    case Task::kGoTo: {
      const std::vector<Point>& places = clause.object.places;
      return std::find(places.begin(), places.end(), at) != places.end();
    }
    case Task::kPickup:
      return action == Action::kPickup && clause.carried == 0 && clause.object.Has(grid.carrying());
    case Task::kOpen:
      return action == Action::kToggle && clause.object.Has(front) &&
             front.state == DoorState::kOpen;
    case Task::kPutNext:
      // Something that is carried but no longer: it must be right ahead.
      return action == Action::kDrop && clause.carried != 0 && front.id == clause.carried &&
             clause.object.Has(front) &&
             std::any_of(kDirections.begin(), kDirections.end(), [&](Point step) {
               return clause.fixed.Has(CellAt(grid, {at.x + step.x, at.y + step.y}));
             });
  }
  return false;
}

// Looks where the described objects are now.
void Locate(const MiniGrid& grid, Described* described) {
  described->places.clear();
  for (int y = 0; y < grid.height(); ++y) {
    for (int x = 0; x < grid.width(); ++x) {
      if (described->Has(grid.at(x, y))) described->places.push_back({x, y});
    }
  }
}

}  // namespace

bool Described::Has(const Cell& cell) const {
  return cell.id != 0 && std::find(ids.begin(), ids.end(), cell.id) != ids.end();
}

void Mission::Start(const MiniGrid& grid) {
  const Reader reader(grid);
  const std::string_view text = grid.mission();
  constexpr std::string_view kThen = ", then ", kAfter = " after you ";
  parts_.clear();
  part_ = 0;
  if (const size_t split = text.find(kThen); split != std::string_view::npos) {
    parts_.push_back(reader.Clauses(text.substr(0, split)));
    parts_.push_back(reader.Clauses(text.substr(split + kThen.size())));
  } else if (const size_t split = text.find(kAfter); split != std::string_view::npos) {
    parts_.push_back(reader.Clauses(text.substr(split + kAfter.size())));
    parts_.push_back(reader.Clauses(text.substr(0, split)));
  } else {
    parts_.push_back(reader.Clauses(text));
  }
}

bool Mission::Observe(Action action, const MiniGrid& grid) {
  if (action == Action::kDrop) {
    for (std::vector<Clause>& part : parts_) {
      for (Clause& clause : part) {
        Locate(grid, &clause.object);
        Locate(grid, &clause.fixed);
      }
    }
  }
  // A part that becomes current is judged by the very primitive that finished the part before it.
  while (true) {
    std::vector<Clause>& part = parts_[part_];
    bool finished = true;
    for (Clause& clause : part) {
      if (clause.done) continue;
      clause.done = Meets(clause, action, grid);
      clause.carried = grid.carrying().id;
      finished = finished && clause.done;
    }
    if (!finished) return false;
    if (part_ + 1 == parts_.size()) {
      if (part.size() == 1) part[0].done = false;
      return true;
    }
    ++part_;
  }
}

const std::vector<Clause>* Mission::next() const {
  return part_ + 1 < parts_.size() ? &parts_[part_ + 1] : nullptr;
}

}  // namespace sojourn::envs::babyai
