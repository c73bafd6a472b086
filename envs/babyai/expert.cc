#include "envs/babyai/expert.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sojourn::envs::babyai {
namespace {

using Advice = Instance::Advice;

// Costs in primitives. A way past an obstacle is taken only where there is no other.
constexpr int kFar = 1 << 28;
constexpr int kObstacle = 1000;  // an object to carry away
constexpr int kLocked = 10000;   // a door whose key is not in hand
constexpr int kSpoil = 400;      // opening a door that the instruction wants opened later

struct Pose {
  Point pos;
  int dir = 0;
};

Point Ahead(const Pose& pose) {
  return {pose.pos.x + kDirections[pose.dir].x, pose.pos.y + kDirections[pose.dir].y};
}

std::string NameOf(const Cell& cell) {
  return absl::StrCat(std::string(ColorName(cell.color)), " ", std::string(KindName(cell.kind)));
}

bool IsMovable(const Cell& cell) {
  return cell.kind == Kind::kKey || cell.kind == Kind::kBall || cell.kind == Kind::kBox;
}

class Planner {
 public:
  Planner(const Scene& scene, const MiniGrid& grid, const Mission& mission)
      : scene_(scene),
        grid_(grid),
        mission_(mission),
        width_(grid.width()),
        height_(grid.height()),
        carrying_(grid.carrying()),
        here_{grid.agent_pos(), grid.agent_dir()} {
    cells_.reserve(width_ * height_);
    for (int y = 0; y < height_; ++y) {
      for (int x = 0; x < width_; ++x) cells_.push_back(grid.at(x, y));
    }
  }

  absl::StatusOr<Advice> Next() {
    const Clause* best = nullptr;
    int best_cost = 0;
    for (const Clause& clause : mission_.current()) {
      if (clause.done) continue;
      const int cost = Estimate(clause);
      // Obstacles make estimates jump about; among hindered clauses the first is served first.
      const bool better = best == nullptr || (cost < best_cost && cost < kObstacle) ||
                          (best_cost >= kFar && cost < kFar);
      if (better) {
        best = &clause;
        best_cost = cost;
      }
    }
    // All is done, but was so in the midst of an action: whatever is done next completes it.
    if (best == nullptr) return Advice{"look around", "turn left"};
    goals_ = GoalsOf(*best);
    return Serve(*best);
  }

 private:
  // The least cost from each pose to a set of goal poses.
  using Field = std::vector<int>;

  int IndexOf(const Pose& pose) const { return (pose.pos.y * width_ + pose.pos.x) * 4 + pose.dir; }
  bool Inside(Point at) const { return at.x >= 0 && at.y >= 0 && at.x < width_ && at.y < height_; }
  const Cell& CellAt(Point at) const { return cells_[at.y * width_ + at.x]; }
  bool HoldsKeyOf(const Cell& door) const {
    return carrying_.kind == Kind::kKey && carrying_.color == door.color;
  }

  // --- the level ---

  // Primitives that it takes to get into a cell from beside it.
  int EntryCost(const Cell& cell) const {
    switch (cell.kind) {
      case Kind::kEmpty:
      case Kind::kFloor:
        return 1;
      case Kind::kDoor:
        if (cell.state == DoorState::kOpen) return 1;
        if (cell.state == DoorState::kLocked && !HoldsKeyOf(cell)) return kLocked;
        return 2 + (IsWantedClosed(cell) ? kSpoil : 0);
      case Kind::kKey:
      case Kind::kBall:
      case Kind::kBox:
        return kObstacle;
      default:
        return kFar;
    }
  }

  // An open door can never be opened again through AgentGym's actions.
  bool IsWantedClosed(const Cell& door) const {
    const auto wants = [&](const std::vector<Clause>& clauses) {
      return std::any_of(clauses.begin(), clauses.end(), [&](const Clause& clause) {
        return clause.task == Task::kOpen && !clause.done && clause.object.Has(door);
      });
    };
    return wants(mission_.current()) || (mission_.next() != nullptr && wants(*mission_.next()));
  }

  std::vector<Point> Positions(const std::function<bool(const Cell&)>& wanted) const {
    std::vector<Point> positions;
    for (int y = 0; y < height_; ++y) {
      for (int x = 0; x < width_; ++x) {
        if (CellAt({x, y}).id != 0 && wanted(CellAt({x, y}))) positions.push_back({x, y});
      }
    }
    return positions;
  }
  std::vector<Point> Positions(const Described& described) const {
    return Positions([&](const Cell& cell) { return described.Has(cell); });
  }

  // Dijkstra's algorithm, backwards from the goals. Only costs below that of `until` are final:
  // what costs as much or more is no way on from there.
  Field Flow(const std::vector<Pose>& goals) const { return Flow(goals, here_); }
  Field Flow(const std::vector<Pose>& goals, const Pose& until) const {
    Field field(cells_.size() * 4, kFar);
    std::priority_queue<std::pair<int, int>, std::vector<std::pair<int, int>>, std::greater<>>
        queue;
    const auto relax = [&](const Pose& pose, int cost) {
      const int index = IndexOf(pose);
      if (cost >= field[index]) return;
      field[index] = cost;
      queue.push({cost, index});
    };
    for (const Pose& goal : goals) {
      if (Inside(goal.pos) && EntryCost(CellAt(goal.pos)) < kFar) relax(goal, 0);
    }
    while (!queue.empty()) {
      const auto [cost, index] = queue.top();
      queue.pop();
      if (cost != field[index]) continue;
      if (index == IndexOf(until)) break;
      const int cell = index / 4;
      const Pose pose = {{cell % width_, cell / width_}, index % 4};
      relax({pose.pos, (pose.dir + 1) % 4}, cost + 1);
      relax({pose.pos, (pose.dir + 3) % 4}, cost + 1);
      const Point step = kDirections[pose.dir], from = {pose.pos.x - step.x, pose.pos.y - step.y};
      if (!Inside(from) || EntryCost(CellAt(from)) >= kFar) continue;
      relax({from, pose.dir}, cost + EntryCost(CellAt(pose.pos)));
    }
    return field;
  }

  std::vector<Pose> PosesFacing(const std::vector<Point>& targets) const {
    std::vector<Pose> poses;
    for (const Point target : targets) {
      for (int dir = 0; dir < 4; ++dir) {
        const Point step = kDirections[dir];
        poses.push_back({{target.x - step.x, target.y - step.y}, dir});
      }
    }
    return poses;
  }

  // Poses from which a drop puts an object next to one of `fixed`.
  std::vector<Pose> PosesPlacing(const std::vector<Point>& fixed) const {
    std::vector<Point> spots;
    for (const Point& at : fixed) {
      for (const Point step : kDirections) {
        const Point spot = {at.x + step.x, at.y + step.y};
        if (Inside(spot) && CellAt(spot).kind == Kind::kEmpty) spots.push_back(spot);
      }
    }
    return PosesFacing(spots);
  }

  // --- what the clauses want ---

  std::vector<Pose> GoalsOf(const Clause& clause) const {
    switch (clause.task) {
      case Task::kGoTo:
      case Task::kPickup:
        return PosesFacing(Positions(clause.object));
      case Task::kOpen:
        return PosesFacing(Positions([&](const Cell& cell) {
          return clause.object.Has(cell) && cell.state != DoorState::kOpen;
        }));
      case Task::kPutNext:
        if (clause.object.Has(carrying_)) return PosesPlacing(Positions(clause.fixed));
        return PosesFacing(Positions(clause.object));
    }
    return {};
  }

  int Estimate(const Clause& clause) const {
    if (clause.task == Task::kPutNext && clause.object.Has(carrying_)) return 0;
    return Flow(GoalsOf(clause))[IndexOf(here_)];
  }

  absl::StatusOr<Advice> Serve(const Clause& clause) {
    const std::string& words = clause.object.words;
    switch (clause.task) {
      case Task::kGoTo: {
        const std::vector<Point> targets = Positions(clause.object);
        if (targets.empty() && clause.object.Has(carrying_)) return Drop();
        return Approach(targets, "go to the ", words);
      }
      case Task::kPickup:
        return Fetch(clause.object, "pick up the ", words);
      case Task::kOpen:
        return Open(clause);
      case Task::kPutNext:
        return PutNext(clause);
    }
    return NoWay();
  }

  absl::StatusOr<Advice> Open(const Clause& clause) {
    const Field field = Flow(goals_);
    if (field[IndexOf(here_)] > 0) {
      // Go first for a door that needs no key; then for one whose key is in hand or can be had.
      std::vector<Point> targets, locked;
      for (const Point at : Positions(clause.object)) {
        const Cell& door = CellAt(at);
        if (door.state == DoorState::kOpen) continue;
        const bool needs_key = door.state == DoorState::kLocked && !HoldsKeyOf(door);
        (needs_key ? locked : targets).push_back(at);
      }
      if (!targets.empty()) return Approach(targets, "go to the ", clause.object.words);
      if (locked.empty()) return NoWay();
      // Clear the way to the door before the hands are full.
      if (const std::optional<Point> obstacle = FirstObstacle(field)) return Remove(*obstacle);
      return FetchKey(CellAt(locked.front()));
    }
    const Cell& door = CellAt(Ahead(here_));
    if (door.state == DoorState::kLocked && !HoldsKeyOf(door)) return FetchKey(door);
    for (const Choice& choice : scene_.choices()) {
      if (choice.verb == Verb::kToggle)
        return Take(choice, absl::StrCat("open the ", NameOf(door)));
    }
    return NoWay();
  }

  absl::StatusOr<Advice> PutNext(const Clause& clause) {
    const std::string thought =
        absl::StrCat("put the ", NameOf(carrying_), " next to the ", clause.fixed.words);
    const std::vector<Point> fixed = Positions(clause.fixed);
    // Where no place beside the fixed object is empty, one has to be made and kept.
    Described around;
    bool has_place = false;
    for (const Point& at : fixed) {
      for (const Point step : kDirections) {
        const Point spot = {at.x + step.x, at.y + step.y};
        if (!Inside(spot)) continue;
        keep_empty_.push_back(spot);
        const Cell& cell = CellAt(spot);
        has_place = has_place || cell.kind == Kind::kEmpty || clause.object.Has(cell);
        if (IsMovable(cell) && !clause.fixed.Has(cell)) around.ids.push_back(cell.id);
      }
    }
    if (!has_place && !around.ids.empty()) {
      goals_ = PosesFacing(Positions(around));
      around.words = "object beside the " + clause.fixed.words;
      return Fetch(around, "move the ", around.words);
    }
    if (clause.object.Has(carrying_)) {
      const Field field = Flow(goals_);
      if (field[IndexOf(here_)] > 0) {
        const bool seen =
            std::any_of(scene_.objects().begin(), scene_.objects().end(),
                        [&](const SeenObject& object) { return clause.fixed.Has(object.cell); });
        return Follow(field, seen ? thought : absl::StrCat("look for the ", clause.fixed.words));
      }
      if (const Choice* drop = Find(Verb::kDrop)) return Take(*drop, thought);
      return NoWay();
    }
    if (carrying_.kind != Kind::kEmpty && fixed.empty()) return Drop();
    // Clear the way to the place before the hands are full, as if the object were picked up
    // already.
    std::vector<Cell> before = cells_;
    for (Cell& cell : cells_) {
      if (clause.object.Has(cell)) cell = Cell{};
    }
    const std::vector<Pose> places = PosesPlacing(fixed);
    const std::optional<Point> obstacle = FirstObstacle(Flow(places));
    cells_ = std::move(before);
    if (obstacle) {
      goals_ = places;
      return Remove(*obstacle);
    }
    return Fetch(clause.object, "pick up the ", clause.object.words);
  }

  // --- how to get it ---

  absl::StatusOr<Advice> NoWay() const {
    return absl::NotFoundError(
        absl::StrCat("no available action leads on with \"", grid_.mission(), "\""));
  }

  Advice Take(const Choice& choice, std::string thought) const {
    return {std::move(thought), std::string(choice.text)};
  }

  const Choice* Find(Verb verb) const {
    for (const Choice& choice : scene_.choices()) {
      if (choice.verb == verb) return &choice;
    }
    return nullptr;
  }

  // Plays an action's navigation in the mind; nullopt if it comes to nothing on the way.
  std::optional<Pose> EndOf(const Choice& choice, int* primitives, int* spoiled) const {
    std::vector<Action> plan;
    scene_.AppendPlan(choice, &plan);
    *primitives = static_cast<int>(plan.size());
    *spoiled = 0;
    Pose pose = here_;
    std::optional<Point> opened;
    for (const Action action : plan) {
      switch (action) {
        case Action::kLeft:
          pose.dir = (pose.dir + 3) % 4;
          break;
        case Action::kRight:
          pose.dir = (pose.dir + 1) % 4;
          break;
        case Action::kForward: {
          const Point next = Ahead(pose);
          if (!Inside(next)) return std::nullopt;
          const Cell& cell = CellAt(next);
          const bool open = cell.kind == Kind::kEmpty || cell.kind == Kind::kFloor ||
                            (cell.kind == Kind::kDoor && cell.state == DoorState::kOpen) ||
                            opened == next;
          if (!open) return pose;  // the action stops here
          pose.pos = next;
          break;
        }
        case Action::kToggle:
          opened = Ahead(pose);
          if (IsWantedClosed(CellAt(*opened))) *spoiled += kSpoil;
          break;
        default:
          break;
      }
    }
    return pose;
  }

  // The first cell on the best way for which `stop` holds.
  std::optional<Point> FirstOnTheWay(const Field& field,
                                     const std::function<bool(const Cell&)>& stop) const {
    Pose pose = here_;
    while (field[IndexOf(pose)] > 0 && field[IndexOf(pose)] < kFar) {
      const int cost = field[IndexOf(pose)];
      const Point next = Ahead(pose);
      if (Inside(next) && field[IndexOf({next, pose.dir})] + EntryCost(CellAt(next)) == cost) {
        if (stop(CellAt(next))) return next;
        pose.pos = next;
        continue;
      }
      const Pose left = {pose.pos, (pose.dir + 3) % 4}, right = {pose.pos, (pose.dir + 1) % 4};
      pose = field[IndexOf(left)] + 1 == cost ? left : right;
    }
    return std::nullopt;
  }

  std::optional<Point> FirstObstacle(const Field& field) const {
    return FirstOnTheWay(field, [&](const Cell& cell) { return EntryCost(cell) >= kObstacle; });
  }

  // One turn along the field, obstacles first.
  absl::StatusOr<Advice> Follow(const Field& field, const std::string& thought) {
    const int now = field[IndexOf(here_)];
    if (now >= kFar) return NoWay();
    if (const std::optional<Point> obstacle = FirstObstacle(field)) return Remove(*obstacle);
    const Choice* best = nullptr;
    std::pair<int, int> best_value = {now, 0};
    for (const Choice& choice : scene_.choices()) {
      if (choice.verb == Verb::kPickup || choice.verb == Verb::kDrop ||
          choice.verb == Verb::kToggle || choice.verb == Verb::kCheck) {
        continue;
      }
      int primitives = 0, spoiled = 0;
      const std::optional<Pose> end = EndOf(choice, &primitives, &spoiled);
      if (!end || primitives == 0) continue;
      const std::pair<int, int> value = {field[IndexOf(*end)] + spoiled, primitives};
      if (value.first < now && value < best_value) {
        best = &choice;
        best_value = value;
      }
    }
    if (best == nullptr) return NoWay();
    if (best->verb == Verb::kToggleAndGoThrough || best->verb == Verb::kGoThrough) {
      const char* verb = best->verb == Verb::kGoThrough ? "go through the " : "open the ";
      return Take(*best, absl::StrCat(verb, NameOf(scene_.objects()[best->object].cell)));
    }
    return Take(*best, thought);
  }

  // Goes before one of the targets. `words` describes them while none is in view.
  absl::StatusOr<Advice> Approach(const std::vector<Point>& targets, const std::string& verb,
                                  const std::string& words) {
    const Field field = Flow(PosesFacing(targets));
    if (field[IndexOf(here_)] == 0) {  // there, but it did not count: look away and back
      return Advice{absl::StrCat("look for the ", words), "turn left"};
    }
    for (const SeenObject& object : scene_.objects()) {
      if (std::find(targets.begin(), targets.end(), object.pos) != targets.end()) {
        return Follow(field, verb + NameOf(object.cell));
      }
    }
    return Follow(field, absl::StrCat("look for the ", words));
  }

  // Picks up one of the described objects.
  absl::StatusOr<Advice> Fetch(const Described& described, const std::string& verb,
                               const std::string& words) {
    const std::vector<Point> targets = Positions(described);
    const Field field = Flow(PosesFacing(targets));
    if (carrying_.kind != Kind::kEmpty) {
      // A key is kept until the doors on the way are open.
      const bool needs_key = FirstOnTheWay(field, [&](const Cell& cell) {
                               return cell.state == DoorState::kLocked;
                             }).has_value();
      return needs_key ? Approach(targets, "go to the ", words) : Drop();
    }
    const Choice* best = nullptr;
    int best_primitives = 0;
    for (const Choice& choice : scene_.choices()) {
      if (choice.verb != Verb::kPickup) continue;
      if (!described.Has(scene_.objects()[choice.object].cell)) continue;
      int primitives = 0, spoiled = 0;
      const std::optional<Pose> end = EndOf(choice, &primitives, &spoiled);
      if (!end || !(Ahead(*end) == scene_.objects()[choice.object].pos)) continue;
      if (best == nullptr || primitives < best_primitives) {
        best = &choice;
        best_primitives = primitives;
      }
    }
    if (best != nullptr) return Take(*best, verb + NameOf(scene_.objects()[best->object].cell));
    if (field[IndexOf(here_)] == 0) return NoWay();
    return Approach(targets, "go to the ", words);
  }

  absl::StatusOr<Advice> FetchKey(const Cell& door) {
    Described keys;
    keys.words = absl::StrCat(std::string(ColorName(door.color)), " key");
    for (const Point at : Positions([&](const Cell& cell) {
           return cell.kind == Kind::kKey && cell.color == door.color;
         })) {
      keys.ids.push_back(CellAt(at).id);
    }
    // A key behind doors that need the very same key: the ways to obtain it turn in a circle.
    if (keys.ids.empty() || ++detours_ > kMaxDetours) return NoWay();
    return Fetch(keys, "pick up the ", keys.words);
  }

  absl::StatusOr<Advice> Remove(Point obstacle) {
    const Cell& cell = CellAt(obstacle);
    if (cell.kind == Kind::kDoor) return FetchKey(cell);
    if (++detours_ > kMaxDetours) return NoWay();
    Described blocker;
    blocker.words = NameOf(cell);
    blocker.ids = {cell.id};
    return Fetch(blocker, "move the ", blocker.words);
  }

  // Puts down what is carried: at the nearest spot where it is in nobody's way or, if there is
  // none, where it is least in the way to the clause's goal.
  absl::StatusOr<Advice> Drop() {
    const std::vector<Pose> poses = FreePoses();
    const Pose* best = nullptr;
    int best_cost = 0;
    for (const Pose& pose : poses) {  // nearest first
      const Point spot = Ahead(pose);
      if (!Inside(spot) || CellAt(spot).kind != Kind::kEmpty) continue;
      const bool keep =
          std::find(keep_empty_.begin(), keep_empty_.end(), spot) != keep_empty_.end();
      if (!keep && IsOutOfTheWay(spot)) {
        best = &pose;
        break;
      }
      Cell& cell = cells_[spot.y * width_ + spot.x];
      cell = carrying_;
      const int cost = Flow(goals_, pose)[IndexOf(pose)] + (keep ? kObstacle : 0);
      cell = Cell{};
      if (best != nullptr && cost >= best_cost) continue;
      best = &pose;
      best_cost = cost;
    }
    if (best == nullptr) return NoWay();
    const std::string thought = absl::StrCat("drop the ", NameOf(carrying_));
    if (IndexOf(*best) != IndexOf(here_)) return Follow(Flow({*best}), thought);
    const Choice* drop = Find(Verb::kDrop);
    return drop != nullptr ? absl::StatusOr<Advice>(Take(*drop, thought)) : NoWay();
  }

  // Poses that can be reached without moving anything, in the order of the number of primitives.
  std::vector<Pose> FreePoses() const {
    std::vector<bool> seen(cells_.size() * 4, false);
    std::vector<Pose> poses = {here_};
    seen[IndexOf(here_)] = true;
    for (size_t i = 0; i < poses.size(); ++i) {
      const Pose pose = poses[i];
      for (const Pose& next : {Pose{pose.pos, (pose.dir + 3) % 4},
                               Pose{pose.pos, (pose.dir + 1) % 4}, Pose{Ahead(pose), pose.dir}}) {
        if (!Inside(next.pos) || seen[IndexOf(next)]) continue;
        if (!(next.pos == pose.pos) && EntryCost(CellAt(next.pos)) >= kSpoil) continue;
        seen[IndexOf(next)] = true;
        poses.push_back(next);
      }
    }
    return poses;
  }

  // Whether an object at `spot` leaves everything within reach that is within reach without it.
  bool IsOutOfTheWay(Point spot) const { return CountReach({-1, -1}) == CountReach(spot) + 1; }

  // Cells that can be walked on, plus objects that can be touched, through any door.
  int CountReach(Point closed) const {
    std::vector<bool> seen(cells_.size(), false);
    std::vector<Point> stack = {here_.pos};
    seen[here_.pos.y * width_ + here_.pos.x] = true;
    int count = 0;
    while (!stack.empty()) {
      const Point at = stack.back();
      stack.pop_back();
      ++count;
      if (IsMovable(CellAt(at))) continue;
      for (const Point step : kDirections) {
        const Point next = {at.x + step.x, at.y + step.y};
        if (!Inside(next) || next == closed || seen[next.y * width_ + next.x]) continue;
        if (CellAt(next).kind == Kind::kWall) continue;
        seen[next.y * width_ + next.x] = true;
        stack.push_back(next);
      }
    }
    return count;
  }

  static constexpr int kMaxDetours = 8;

  const Scene& scene_;
  const MiniGrid& grid_;
  const Mission& mission_;
  const int width_, height_;
  const Cell carrying_;
  const Pose here_;
  std::vector<Cell> cells_;        // row by row
  std::vector<Pose> goals_;        // where the clause that is served wants the agent
  std::vector<Point> keep_empty_;  // spots where nothing else should be dropped
  int detours_ = 0;
};

}  // namespace

absl::StatusOr<Advice> AdviseExpert(const Scene& scene, const MiniGrid& grid,
                                    const Mission& mission) {
  return Planner(scene, grid, mission).Next();
}

Advice AdviseGoalBlind(const Scene& scene, const MiniGrid& grid, const Mission& mission) {
  Task task = Task::kGoTo;
  for (const Clause& clause : mission.current()) {
    if (clause.done) continue;
    task = clause.task;
    break;
  }
  const bool wants_object = task == Task::kPickup || task == Task::kPutNext;
  std::vector<Action> plan;
  for (int i = 0; i < static_cast<int>(scene.objects().size()); ++i) {
    const Cell& cell = scene.objects()[i].cell;
    const bool ahead = scene.objects()[i].front == 1 && scene.objects()[i].right == 0;
    for (const Choice& choice : scene.choices()) {
      if (choice.verb == Verb::kToggle && task == Task::kOpen && ahead &&
          cell.kind == Kind::kDoor) {
        return {absl::StrCat("open the ", NameOf(cell)), std::string(choice.text)};
      }
      if (choice.object != i) continue;
      if (choice.verb == Verb::kPickup && wants_object) {
        return {absl::StrCat("pick up the ", NameOf(cell)), std::string(choice.text)};
      }
      plan.clear();
      if (choice.verb == Verb::kGoTo) scene.AppendPlan(choice, &plan);
      if (plan.empty()) continue;
      return {absl::StrCat("go to the ", NameOf(cell)), std::string(choice.text)};
    }
  }
  return {"look for an object", "turn left"};
}

}  // namespace sojourn::envs::babyai
