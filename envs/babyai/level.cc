#include "envs/babyai/level.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace sojourn::envs::babyai {
namespace {

constexpr int kPlaceTries = 1000;
constexpr int kConnectTries = 5000;
constexpr int kDescribeTries = 100;
constexpr int kFacingTries = 10000;  // MiniGrid has no such bound: it never returns where there is no such place
constexpr std::array<Kind, 3> kMovable = {Kind::kKey, Kind::kBall, Kind::kBox};
constexpr Cell kWall = {.kind = Kind::kWall, .color = Color::kGrey};

bool Transparent(const Cell& cell) {
  return cell.kind != Kind::kWall && (cell.kind != Kind::kDoor || cell.state == DoorState::kOpen);
}

}  // namespace

std::string_view KindName(Kind kind) {
  static constexpr std::array<std::string_view, 11> kNames = {"unseen", "empty", "wall", "floor", "door", "key",
                                                              "ball",   "box",   "goal", "lava",  "agent"};
  return kNames[static_cast<int>(kind)];
}

std::string_view ColorName(Color color) {
  static constexpr std::array<std::string_view, 6> kNames = {"red", "green", "blue", "purple", "yellow", "grey"};
  return kNames[static_cast<int>(color)];
}

void Reject(const std::string& reason) { throw Rejected{"Sampling rejected: " + reason}; }
void TimeOut(const std::string& reason) { throw Rejected{"Timeout during mission generation: " + reason}; }

Level::Level(Generator generator, LevelParameters parameters)
    : generator_(generator),
      parameters_(std::move(parameters)),
      width_((parameters_.room_size - 1) * parameters_.columns + 1),
      height_((parameters_.room_size - 1) * parameters_.rows + 1) {
  BuildRooms();
}

// ---- generation -----------------------------------------------------------------------------------------

void Level::Reset(absl::uint128 seed) {
  random_ = NumpyRandom(seed);
  agent_ = {-1, -1};
  direction_ = -1;
  rejections_.clear();
  for (;;) {
    try {
      Generate();
      break;
    } catch (const Rejected& rejected) {
      rejections_.push_back(rejected.line);
    }
  }
  mission_ = instruction_->Surface(*this);
  carried_ = 0;
  steps_ = 0;
  instruction_->Begin(*this);
  max_steps_ = parameters_.max_steps > 0 ? parameters_.max_steps
                                         : instruction_->Navigations() * size() * size() * rows() * columns();
  first_view_.reset();
  if (start_carrying_ != 0) {
    first_view_ = view();   // the original returns the view from before the object is handed over
    SetCell(objects_[start_carrying_].start, 0);
    carried_ = start_carrying_;
  }
}

void Level::Generate() {
  start_carrying_ = 0;
  objects_.assign(1, Object{});
  BuildRooms();
  for (int j = 0; j < rows(); ++j) {
    for (int i = 0; i < columns(); ++i) {
      Room& r = room(i, j);
      const int low_x = r.top.x + 1, low_y = r.top.y + 1;
      const int high_x = r.top.x + r.size - 1, high_y = r.top.y + r.size - 1;
      if (i < columns() - 1) {
        r.neighbours[0] = RoomIndex(i + 1, j);
        r.door_positions[0] = Point{high_x, static_cast<int>(RandInt(low_y, high_y))};
      }
      if (j < rows() - 1) {
        r.neighbours[1] = RoomIndex(i, j + 1);
        r.door_positions[1] = Point{static_cast<int>(RandInt(low_x, high_x)), high_y};
      }
      if (i > 0) {
        r.neighbours[2] = RoomIndex(i - 1, j);
        r.door_positions[2] = room(i - 1, j).door_positions[0];
      }
      if (j > 0) {
        r.neighbours[3] = RoomIndex(i, j - 1);
        r.door_positions[3] = room(i, j - 1).door_positions[1];
      }
    }
  }
  agent_ = {columns() / 2 * (size() - 1) + size() / 2, rows() / 2 * (size() - 1) + size() / 2};
  direction_ = 0;

  instruction_ = generator_(*this, parameters_);

  std::vector<Color> locked_colors;
  if (parameters_.level_gen && parameters_.unblocking) {
    for (const Room& r : rooms_) {
      for (const uint16_t door : r.doors) {
        if (door != 0 && door != Room::kOpening && objects_[door].cell.state == DoorState::kLocked) {
          locked_colors.push_back(objects_[door].cell.color);
        }
      }
    }
  }
  Validate(*instruction_, locked_colors);
}

void Level::BuildRooms() {
  grid_.assign(static_cast<size_t>(width_) * height_, Cell{});
  rooms_.assign(static_cast<size_t>(rows()) * columns(), Room{});
  locked_room_index_ = -1;
  for (int j = 0; j < rows(); ++j) {
    for (int i = 0; i < columns(); ++i) {
      Room& r = room(i, j);
      r.top = {i * (size() - 1), j * (size() - 1)};
      r.size = size();
      for (int k = 0; k < size(); ++k) {
        for (const Point p : {Point{r.top.x + k, r.top.y}, Point{r.top.x + k, r.top.y + size() - 1},
                              Point{r.top.x, r.top.y + k}, Point{r.top.x + size() - 1, r.top.y + k}}) {
          grid_[p.y * width_ + p.x] = kWall;
        }
      }
    }
  }
}

void Level::Validate(const Instruction& instruction, const std::vector<Color>& locked_colors) {
  if (!instruction.is_action()) {
    Validate(*instruction.a, locked_colors);
    Validate(*instruction.b, locked_colors);
    return;
  }
  if (instruction.type == Instruction::Type::kPutNext) {
    Instruction& put = const_cast<Instruction&>(instruction);
    put.Begin(*this);
    for (const uint16_t id : put.object.objects) {
      if (put.fixed.Has(id)) Reject("there are objects that match both lhs and rhs of PutNext");
    }
    if (put.ObjectsNext(*this)) Reject("objs already next to each other");
  }
  const auto unlocks = [&](const Description& d) {
    return d.kind == Kind::kKey && d.color.has_value() &&
           std::find(locked_colors.begin(), locked_colors.end(), *d.color) != locked_colors.end();
  };
  if (unlocks(instruction.object) || (instruction.type == Instruction::Type::kPutNext && unlocks(instruction.fixed))) {
    Reject("cannot do anything with/to a key that can be used to open a door");
  }
}

uint16_t Level::NewObject(Kind kind, Color color, uint16_t contains) {
  const auto id = static_cast<uint16_t>(objects_.size());
  objects_.push_back({.cell = {.kind = kind, .color = color, .state = DoorState::kOpen, .id = id}, .contains = contains});
  return id;
}

void Level::SetCell(Point p, uint16_t id) { grid_[p.y * width_ + p.x] = id == 0 ? Cell{} : objects_[id].cell; }

void Level::Recolour(uint16_t id, Color color) {
  objects_[id].cell.color = color;
  SetCell(objects_[id].position, id);
}

Point Level::PlaceObject(uint16_t id, Point top, int size, bool away_from_agent) {
  const int64_t end_x = std::min(top.x + size, width_), end_y = std::min(top.y + size, height_);
  for (int tries = 0; tries <= kPlaceTries; ++tries) {
    Point p;
    p.x = static_cast<int>(RandInt(top.x, end_x));
    p.y = static_cast<int>(RandInt(top.y, end_y));
    if (at(p.x, p.y).kind != Kind::kEmpty || p == agent_) continue;
    if (away_from_agent && std::abs(agent_.x - p.x) + std::abs(agent_.y - p.y) < 2) continue;
    if (id != 0) {
      objects_[id].start = objects_[id].position = p;
      SetCell(p, id);
    }
    return p;
  }
  TimeOut("rejection sampling failed in place_obj");
}

uint16_t Level::PlaceInRoom(int i, int j, uint16_t id) {
  Room& r = room(i, j);
  PlaceObject(id, r.top, r.size, /*away_from_agent=*/true);
  r.objects.push_back(id);
  return id;
}

uint16_t Level::AddObject(int i, int j, std::optional<Kind> kind, std::optional<Color> color) {
  if (!kind.has_value()) kind = RandElem(kMovable);
  if (!color.has_value()) color = RandColor();
  return PlaceInRoom(i, j, NewObject(*kind, *color));
}

uint16_t Level::AddDoor(int i, int j, std::optional<int> wall, std::optional<Color> color, std::optional<bool> locked) {
  Room& r = room(i, j);
  while (!wall.has_value()) {
    const int drawn = static_cast<int>(RandInt(0, 4));
    if (r.neighbours[drawn] >= 0 && r.doors[drawn] == 0) wall = drawn;
  }
  if (!color.has_value()) color = RandColor();
  if (!locked.has_value()) locked = RandBool();
  r.locked = *locked;
  const uint16_t id = NewObject(Kind::kDoor, *color);
  objects_[id].cell.state = *locked ? DoorState::kLocked : DoorState::kClosed;
  objects_[id].position = *r.door_positions[*wall];
  SetCell(objects_[id].position, id);
  r.doors[*wall] = id;
  rooms_[r.neighbours[*wall]].doors[(*wall + 2) % 4] = id;
  return id;
}

void Level::RemoveWall(int i, int j, int wall) {
  Room& r = room(i, j);
  for (int k = 1; k < r.size - 1; ++k) {
    const Point p = wall == 0   ? Point{r.top.x + r.size - 1, r.top.y + k}
                    : wall == 1 ? Point{r.top.x + k, r.top.y + r.size - 1}
                    : wall == 2 ? Point{r.top.x, r.top.y + k}
                                : Point{r.top.x + k, r.top.y};
    SetCell(p, 0);
  }
  r.doors[wall] = Room::kOpening;
  rooms_[r.neighbours[wall]].doors[(wall + 2) % 4] = Room::kOpening;
}

void Level::PlaceAgent(std::optional<int> i, std::optional<int> j) {
  if (!i.has_value()) i = static_cast<int>(RandInt(0, columns()));
  if (!j.has_value()) j = static_cast<int>(RandInt(0, rows()));
  const Room& r = room(*i, *j);
  for (int tries = 0; tries <= kFacingTries; ++tries) {   // not right in front of an object
    agent_ = {-1, -1};
    agent_ = PlaceObject(0, r.top, r.size, /*away_from_agent=*/false);
    direction_ = static_cast<int>(RandInt(0, 4));
    const Kind ahead = at(front().x, front().y).kind;
    if (ahead == Kind::kEmpty || ahead == Kind::kWall) return;
  }
  TimeOut("the agent's room has no place that is not right in front of an object");
}

void Level::ConnectAll(const std::vector<Color>& colors) {
  const int start = static_cast<int>(&RoomAt(agent_) - rooms_.data());
  for (int tries = 0;; ++tries) {
    if (tries > kConnectTries) TimeOut("connect_all failed");
    std::vector<bool> reached(rooms_.size());
    std::vector<int> stack = {start};
    size_t count = 0;
    while (!stack.empty()) {
      const int at = stack.back();
      stack.pop_back();
      if (reached[at]) continue;
      reached[at] = true;
      ++count;
      for (int k = 0; k < 4; ++k) {
        if (rooms_[at].doors[k] != 0) stack.push_back(rooms_[at].neighbours[k]);
      }
    }
    if (count == rooms_.size()) return;
    const int i = static_cast<int>(RandInt(0, columns()));
    const int j = static_cast<int>(RandInt(0, rows()));
    const int k = static_cast<int>(RandInt(0, 4));
    const Room& r = room(i, j);
    if (!r.door_positions[k].has_value() || r.doors[k] != 0) continue;
    if (r.locked || rooms_[r.neighbours[k]].locked) continue;
    AddDoor(i, j, k, RandElem(colors), false);
  }
}

std::vector<uint16_t> Level::AddDistractors(std::optional<int> i, std::optional<int> j, int count, bool unique) {
  std::vector<std::pair<Kind, Color>> present;
  for (const Room& r : rooms_) {
    for (const uint16_t id : r.objects) present.emplace_back(objects_[id].cell.kind, objects_[id].cell.color);
  }
  std::vector<uint16_t> added;
  while (static_cast<int>(added.size()) < count) {
    const Color color = RandColor();
    const Kind kind = RandElem(kMovable);
    const std::pair<Kind, Color> look = {kind, color};
    if (unique && std::find(present.begin(), present.end(), look) != present.end()) continue;
    const int room_i = i.has_value() ? *i : static_cast<int>(RandInt(0, columns()));
    const int room_j = j.has_value() ? *j : static_cast<int>(RandInt(0, rows()));
    added.push_back(AddObject(room_i, room_j, kind, color));
    present.push_back(look);
  }
  return added;
}

bool Level::ObjectsReachable(Point* unreachable) const {
  std::vector<bool> reached(grid_.size());
  std::vector<Point> stack = {agent_};
  while (!stack.empty()) {
    const Point p = stack.back();
    stack.pop_back();
    if (p.x < 0 || p.x >= width_ || p.y < 0 || p.y >= height_ || reached[p.y * width_ + p.x]) continue;
    reached[p.y * width_ + p.x] = true;
    const Kind kind = at(p.x, p.y).kind;
    if (kind != Kind::kEmpty && kind != Kind::kDoor) continue;
    for (const Point d : kDirections) stack.push_back({p.x + d.x, p.y + d.y});
  }
  for (int x = 0; x < width_; ++x) {
    for (int y = 0; y < height_; ++y) {
      const Kind kind = at(x, y).kind;
      if (kind == Kind::kEmpty || kind == Kind::kWall || reached[y * width_ + x]) continue;
      if (unreachable != nullptr) *unreachable = {x, y};
      return false;
    }
  }
  return true;
}

void Level::CheckObjectsReachable() const {
  Point p;
  if (!ObjectsReachable(&p)) {
    Reject("unreachable object at (" + std::to_string(p.x) + ", " + std::to_string(p.y) + ")");
  }
}

void Level::OpenAllDoors() {
  for (Object& object : objects_) {
    if (object.cell.kind != Kind::kDoor) continue;
    object.cell.state = DoorState::kOpen;
    SetCell(object.position, object.cell.id);
  }
}

Description Level::Describe(uint16_t id) const {
  return {.kind = objects_[id].cell.kind, .color = objects_[id].cell.color};
}

// ---- levels that draw from the whole language -------------------------------------------------------------

void Level::AddLockedRoom() {
  Color color;
  for (;;) {
    const int i = static_cast<int>(RandInt(0, columns()));
    const int j = static_cast<int>(RandInt(0, rows()));
    const int wall = static_cast<int>(RandInt(0, 4));
    locked_room_index_ = RoomIndex(i, j);
    locked_room_ = room(i, j);
    if (room(i, j).neighbours[wall] < 0) continue;
    color = objects_[AddDoor(i, j, wall, {}, true)].cell.color;
    break;
  }
  for (;;) {
    const int i = static_cast<int>(RandInt(0, columns()));
    const int j = static_cast<int>(RandInt(0, rows()));
    if (RoomIndex(i, j) == locked_room_index_) continue;
    AddObject(i, j, Kind::kKey, color);
    return;
  }
}

InstructionPtr Level::GenerateFromLanguage() {
  const LevelParameters& p = parameters_;
  if (RandFloat() < p.locked_room_probability) AddLockedRoom();
  ConnectAll();
  AddDistractors({}, {}, p.objects, /*unique=*/false);
  do {
    PlaceAgent();
  } while (&RoomAt(agent_) - rooms_.data() == locked_room_index_);
  if (!p.unblocking) CheckObjectsReachable();
  return RandInstruction(p.actions, p.forms);
}

Description Level::RandObject(const std::vector<Kind>& kinds) {
  for (int tries = 0; tries <= kDescribeTries; ++tries) {
    Description d;
    if (const int64_t color = RandInt(0, 1 + static_cast<int64_t>(kColors.size())); color > 0) d.color = kColors[color - 1];
    d.kind = RandElem(kinds);
    if (parameters_.locations && RandBool()) {
      d.location = static_cast<Location>(RandInt(0, 4));
    }
    d.Find(*this);
    if (d.objects.empty()) continue;
    if (!parameters_.implicit_unlock && locked_room_.has_value() &&
        std::all_of(d.positions.begin(), d.positions.end(), [&](Point q) { return locked_room_->Inside(q); })) {
      continue;
    }
    return d;
  }
  TimeOut("failed to find suitable object");
}

InstructionPtr Level::RandInstruction(const std::vector<Instruction::Type>& actions,
                                      const std::vector<LevelParameters::Form>& forms) {
  static const std::vector<Kind> kAll = {Kind::kBox, Kind::kBall, Kind::kKey, Kind::kDoor};
  static const std::vector<Kind> kNotDoors = {Kind::kBox, Kind::kBall, Kind::kKey};
  switch (RandElem(forms)) {
    case LevelParameters::kAction: {
      const Instruction::Type type = RandElem(actions);
      if (type == Instruction::Type::kGoTo) return MakeAction(type, RandObject(kAll));
      if (type == Instruction::Type::kPickup) return MakeAction(type, RandObject(kNotDoors));
      if (type == Instruction::Type::kOpen) return MakeAction(type, RandObject({Kind::kDoor}));
      Description move = RandObject(kNotDoors);
      return MakePutNext(std::move(move), RandObject(kAll));
    }
    case LevelParameters::kAndForm: {
      InstructionPtr a = RandInstruction(actions, {LevelParameters::kAction});
      return MakeSequence(Instruction::Type::kAnd, std::move(a), RandInstruction(actions, {LevelParameters::kAction}));
    }
    default: {
      const std::vector<LevelParameters::Form> parts = {LevelParameters::kAction, LevelParameters::kAndForm};
      InstructionPtr a = RandInstruction(actions, parts);
      InstructionPtr b = RandInstruction(actions, parts);
      const auto type = RandInt(0, 2) == 0 ? Instruction::Type::kBefore : Instruction::Type::kAfter;
      return MakeSequence(type, std::move(a), std::move(b));
    }
  }
}

// ---- play -------------------------------------------------------------------------------------------------

const Cell* Level::contains(uint16_t box_id) const {
  const uint16_t content = box_id < objects_.size() ? objects_[box_id].contains : uint16_t{0};
  return content == 0 ? nullptr : &objects_[content].cell;
}

StepOutcome Level::Step(Action action) {
  ++steps_;
  first_view_.reset();
  StepOutcome outcome;
  const Point ahead = front();
  const Cell front_cell = at(ahead.x, ahead.y);
  switch (action) {
    case Action::kLeft: direction_ = (direction_ + 3) & 3; break;
    case Action::kRight: direction_ = (direction_ + 1) & 3; break;
    case Action::kForward:
      if (front_cell.kind == Kind::kEmpty || (front_cell.kind == Kind::kDoor && front_cell.state == DoorState::kOpen)) {
        agent_ = ahead;
      }
      break;
    case Action::kPickup:
      if (carried_ == 0 && (front_cell.kind == Kind::kKey || front_cell.kind == Kind::kBall || front_cell.kind == Kind::kBox)) {
        carried_ = front_cell.id;
        objects_[carried_].position = {-1, -1};
        SetCell(ahead, 0);
      }
      break;
    case Action::kDrop:
      if (carried_ != 0 && front_cell.kind == Kind::kEmpty) {
        objects_[carried_].position = ahead;
        SetCell(ahead, std::exchange(carried_, uint16_t{0}));
      }
      break;
    case Action::kToggle:
      if (front_cell.kind == Kind::kDoor) {
        DoorState& state = objects_[front_cell.id].cell.state;
        if (state == DoorState::kLocked) {
          const Cell key = carrying();
          if (key.kind == Kind::kKey && key.color == front_cell.color) state = DoorState::kOpen;
        } else {
          state = state == DoorState::kOpen ? DoorState::kClosed : DoorState::kOpen;
        }
        SetCell(ahead, front_cell.id);
      } else if (front_cell.kind == Kind::kBox) {
        SetCell(ahead, objects_[front_cell.id].contains);
      }
      break;
    case Action::kDone: break;
  }
  outcome.truncated = steps_ >= max_steps_;
  if (action == Action::kDrop) instruction_->UpdatePositions(*this);
  const Verdict verdict = instruction_->Verify(*this, action);
  outcome.terminated = verdict != Verdict::kContinue;
  if (verdict == Verdict::kSuccess) outcome.reward = 1 - 0.9 * (static_cast<double>(steps_) / max_steps_);
  return outcome;
}

View Level::view() const {
  if (first_view_.has_value()) return *first_view_;
  View view;
  const Point forward = kDirections[direction_ & 3];
  const Point right = {-forward.y, forward.x};
  std::array<uint8_t, kViewSize> transparent{};   // by row j: bit i
  for (int i = 0; i < kViewSize; ++i) {
    for (int j = 0; j < kViewSize; ++j) {
      const int ahead = kViewSize - 1 - j, aside = i - kViewSize / 2;
      const int x = agent_.x + forward.x * ahead + right.x * aside;
      const int y = agent_.y + forward.y * ahead + right.y * aside;
      Cell& cell = view[i][j];
      cell = x >= 0 && x < width_ && y >= 0 && y < height_ ? grid_[y * width_ + x] : kWall;
      if (Transparent(cell)) transparent[j] |= static_cast<uint8_t>(1 << i);
    }
  }
  // What is seen spreads row by row from the agent, through what can be seen through: first to the right,
  // then to the left, each time also one row further away.
  std::array<uint8_t, kViewSize> seen{};
  seen[kViewSize - 1] = 1 << kViewSize / 2;
  for (int j = kViewSize - 1; j >= 0; --j) {
    for (int i = 0; i < kViewSize - 1; ++i) {
      if ((seen[j] & transparent[j]) >> i & 1) {
        seen[j] |= static_cast<uint8_t>(1 << (i + 1));
        if (j > 0) seen[j - 1] |= static_cast<uint8_t>(3 << i);
      }
    }
    for (int i = kViewSize - 1; i > 0; --i) {
      if ((seen[j] & transparent[j]) >> i & 1) {
        seen[j] |= static_cast<uint8_t>(1 << (i - 1));
        if (j > 0) seen[j - 1] |= static_cast<uint8_t>(3 << (i - 1));
      }
    }
  }
  view[kViewSize / 2][kViewSize - 1] = carrying();
  for (int i = 0; i < kViewSize; ++i) {
    for (int j = 0; j < kViewSize; ++j) {
      if ((seen[j] >> i & 1) == 0) view[i][j] = {.kind = Kind::kUnseen};
    }
  }
  return view;
}

}  // namespace sojourn::envs::babyai
