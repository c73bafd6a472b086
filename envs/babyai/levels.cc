// The levels that MiniGrid 2.3.1 registers as BabyAI-*, each a generator and its parameters
// (minigrid/envs/babyai/*.py and minigrid/__init__.py).
#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "common/suggest.h"
#include "envs/babyai/level.h"

namespace sojourn::envs::babyai {
namespace {

using P = LevelParameters;
using Type = Instruction::Type;

InstructionPtr GoTo(Level& level, uint16_t id) { return MakeAction(Type::kGoTo, level.Describe(id)); }
Description OfKind(Kind kind) { return {.kind = kind}; }

// ---- go to ------------------------------------------------------------------------------------------------

InstructionPtr GoToRedBall(Level& level, const P& p) {
  level.PlaceAgent();
  const uint16_t ball = level.AddObject(0, 0, Kind::kBall, Color::kRed);
  const auto distractors = level.AddDistractors({}, {}, p.objects, false);
  if (p.flag) {
    for (const uint16_t id : distractors) level.Recolour(id, Color::kGrey);
  }
  level.CheckObjectsReachable();
  return GoTo(level, ball);
}

InstructionPtr GoToObj(Level& level, const P&) {
  level.PlaceAgent();
  return GoTo(level, level.AddDistractors({}, {}, 1)[0]);
}

InstructionPtr GoToLocal(Level& level, const P& p) {
  level.PlaceAgent();
  const auto objects = level.AddDistractors({}, {}, p.objects, false);
  level.CheckObjectsReachable();
  return GoTo(level, level.RandElem(objects));
}

InstructionPtr GoToMaze(Level& level, const P& p) {
  level.PlaceAgent();
  level.ConnectAll();
  const auto objects = level.AddDistractors({}, {}, p.objects, false);
  level.CheckObjectsReachable();
  InstructionPtr instruction = GoTo(level, level.RandElem(objects));
  if (p.flag) level.OpenAllDoors();
  return instruction;
}

// A locked door, its key, and the room behind. The original means to keep the key (and distractors, where it
// adds some) out of that room, but compares numbers by identity, which is never true: any room will do.
int LockedRoomAndKey(Level& level, int* column, int* row, uint16_t* door) {
  *column = static_cast<int>(level.RandInt(0, level.columns()));
  *row = static_cast<int>(level.RandInt(0, level.rows()));
  *door = level.AddDoor(*column, *row, {}, {}, true);
  const int key_column = static_cast<int>(level.RandInt(0, level.columns()));
  const int key_row = static_cast<int>(level.RandInt(0, level.rows()));
  level.AddObject(key_column, key_row, Kind::kKey, level.object(*door).cell.color);
  return level.RoomIndex(*column, *row);
}

void DistractorsEverywhere(Level& level, int count) {
  for (int i = 0; i < level.columns(); ++i) {
    for (int j = 0; j < level.rows(); ++j) level.AddDistractors(i, j, count, false);
  }
}

void PlaceAgentOutside(Level& level, int room_index) {
  do {
    level.PlaceAgent();
  } while (&level.RoomAt(level.agent_pos()) - &level.room(0, 0) == room_index);
}

InstructionPtr GoToImpUnlock(Level& level, const P&) {
  int column, row;
  uint16_t door;
  const int locked = LockedRoomAndKey(level, &column, &row, &door);
  level.ConnectAll();
  DistractorsEverywhere(level, 2);
  PlaceAgentOutside(level, locked);
  level.CheckObjectsReachable();
  return GoTo(level, level.AddDistractors(column, row, 1, false)[0]);
}

InstructionPtr FromLanguage(Level& level, const P&) { return level.GenerateFromLanguage(); }

InstructionPtr GoToRedBlueBall(Level& level, const P& p) {
  level.PlaceAgent();
  for (const uint16_t id : level.AddDistractors({}, {}, p.objects, false)) {
    const Cell& cell = level.object(id).cell;
    if (cell.kind == Kind::kBall && (cell.color == Color::kBlue || cell.color == Color::kRed)) {
      Reject("can only have one blue or red ball");
    }
  }
  const Color color = level.RandElem(std::array{Color::kRed, Color::kBlue});
  const uint16_t ball = level.AddObject(0, 0, Kind::kBall, color);
  level.CheckObjectsReachable();
  return GoTo(level, ball);
}

InstructionPtr GoToDoor(Level& level, const P&) {
  std::vector<uint16_t> doors;
  for (int i = 0; i < 4; ++i) doors.push_back(level.AddDoor(1, 1));
  level.PlaceAgent(1, 1);
  return GoTo(level, level.RandElem(doors));
}

InstructionPtr GoToObjDoor(Level& level, const P&) {
  level.PlaceAgent(1, 1);
  auto objects = level.AddDistractors(1, 1, 8, false);
  for (int i = 0; i < 4; ++i) objects.push_back(level.AddDoor(1, 1));
  level.CheckObjectsReachable();
  return GoTo(level, level.RandElem(objects));
}

// ---- open -------------------------------------------------------------------------------------------------

InstructionPtr Open(Level& level, const P&) {
  level.PlaceAgent();
  level.ConnectAll();
  level.AddDistractors({}, {}, 18, false);
  level.CheckObjectsReachable();
  std::vector<uint16_t> doors;   // each twice, once from either side
  for (int i = 0; i < level.columns(); ++i) {
    for (int j = 0; j < level.rows(); ++j) {
      for (const uint16_t door : level.room(i, j).doors) {
        if (door != 0) doors.push_back(door);
      }
    }
  }
  return MakeAction(Type::kOpen, level.Describe(level.RandElem(doors)));
}

InstructionPtr OpenRedDoor(Level& level, const P&) {
  level.AddDoor(0, 0, 0, Color::kRed, false);
  level.PlaceAgent(0, 0);
  return MakeAction(Type::kOpen, {.kind = Kind::kDoor, .color = Color::kRed});
}

enum class SelectBy { kEither, kColor, kLocation };

InstructionPtr OpenDoorBy(Level& level, const P& p, SelectBy select) {
  const auto colors = level.RandColors(4);
  std::vector<uint16_t> doors;
  for (int i = 0; i < 4; ++i) doors.push_back(level.AddDoor(1, 1, i, colors[i], false));
  if (select == SelectBy::kEither) select = level.RandInt(0, 2) == 0 ? SelectBy::kColor : SelectBy::kLocation;
  Description description = level.Describe(doors[0]);
  if (select == SelectBy::kLocation) {
    description.color.reset();
    description.location = static_cast<Location>(level.RandInt(0, 4));
  }
  level.PlaceAgent(1, 1);
  return MakeAction(Type::kOpen, std::move(description), p.flag);
}
InstructionPtr OpenDoor(Level& level, const P& p) { return OpenDoorBy(level, p, SelectBy::kEither); }
InstructionPtr OpenDoorColor(Level& level, const P& p) { return OpenDoorBy(level, p, SelectBy::kColor); }
InstructionPtr OpenDoorLoc(Level& level, const P& p) { return OpenDoorBy(level, p, SelectBy::kLocation); }

InstructionPtr OpenTwo(Level& level, const P& p, bool red_and_blue) {
  auto colors = level.RandColors(2);
  if (red_and_blue) colors = {Color::kRed, Color::kBlue};
  const uint16_t first = level.AddDoor(1, 1, 2, colors[0], false);
  const uint16_t second = level.AddDoor(1, 1, 0, colors[1], false);
  level.PlaceAgent(1, 1);
  return MakeSequence(Type::kBefore, MakeAction(Type::kOpen, level.Describe(first), p.flag),
                      MakeAction(Type::kOpen, level.Describe(second)));
}
InstructionPtr OpenTwoDoors(Level& level, const P& p) { return OpenTwo(level, p, false); }
InstructionPtr OpenRedBlueDoors(Level& level, const P& p) { return OpenTwo(level, p, true); }

InstructionPtr OpenDoorsOrder(Level& level, const P& p) {
  const auto colors = level.RandColors(p.objects);
  std::vector<uint16_t> doors;
  for (const Color color : colors) doors.push_back(level.AddDoor(1, 1, {}, color, false));
  level.PlaceAgent(1, 1);
  const auto chosen = level.RandSubset(doors, 2);
  const auto open = [&](int i) { return MakeAction(Type::kOpen, level.Describe(chosen[i]), p.flag); };
  const int64_t mode = level.RandInt(0, 3);
  if (mode == 0) return open(0);
  return MakeSequence(mode == 1 ? Type::kBefore : Type::kAfter, open(0), open(1));
}

// ---- pick up, and others ----------------------------------------------------------------------------------

InstructionPtr Pick(Level& level, uint16_t id) { return MakeAction(Type::kPickup, level.Describe(id)); }

InstructionPtr Pickup(Level& level, const P&) {
  level.PlaceAgent();
  level.ConnectAll();
  const auto objects = level.AddDistractors({}, {}, 18, false);
  level.CheckObjectsReachable();
  return Pick(level, level.RandElem(objects));
}

InstructionPtr UnblockPickup(Level& level, const P&) {
  level.PlaceAgent();
  level.ConnectAll();
  const auto objects = level.AddDistractors({}, {}, 20, false);
  if (level.ObjectsReachable()) Reject("all objects reachable");
  return Pick(level, level.RandElem(objects));
}

InstructionPtr PickupDist(Level& level, const P& p) {
  const auto objects = level.AddDistractors({}, {}, 5);
  level.PlaceAgent(0, 0);
  Description description = level.Describe(level.RandElem(objects));
  const int64_t select = level.RandInt(0, 3);   // by type, by colour, by both
  if (select == 0) description.color.reset();
  if (select == 1) description.kind.reset();
  return MakeAction(Type::kPickup, std::move(description), p.flag);
}

InstructionPtr PickupAbove(Level& level, const P&) {
  const uint16_t object = level.AddObject(1, 0);
  level.AddDoor(1, 1, 3, {}, false);
  level.PlaceAgent(1, 1);
  level.ConnectAll();
  return Pick(level, object);
}

InstructionPtr ActionObjDoor(Level& level, const P&) {
  auto objects = level.AddDistractors(1, 1, 5);
  for (int i = 0; i < 4; ++i) objects.push_back(level.AddDoor(1, 1, {}, {}, false));
  level.PlaceAgent(1, 1);
  const uint16_t object = level.RandElem(objects);
  if (level.RandBool()) return GoTo(level, object);
  const bool door = level.object(object).cell.kind == Kind::kDoor;
  return MakeAction(door ? Type::kOpen : Type::kPickup, level.Describe(object));
}

InstructionPtr FindObj(Level& level, const P&) {
  const int i = static_cast<int>(level.RandInt(0, level.rows()));
  const int j = static_cast<int>(level.RandInt(0, level.columns()));
  const uint16_t object = level.AddObject(i, j);
  level.PlaceAgent(1, 1);
  level.ConnectAll();
  return MakeAction(Type::kPickup, OfKind(level.object(object).cell.kind));
}

InstructionPtr KeyCorridor(Level& level, const P&) {
  for (int j = 1; j < level.rows(); ++j) level.RemoveWall(1, j, 3);
  const int row = static_cast<int>(level.RandInt(0, level.rows()));
  const uint16_t door = level.AddDoor(2, row, 2, {}, true);
  const uint16_t ball = level.AddObject(2, row, Kind::kBall);
  const int key_row = static_cast<int>(level.RandInt(0, level.rows()));
  level.AddObject(0, key_row, Kind::kKey, level.object(door).cell.color);
  level.PlaceAgent(1, level.rows() / 2);
  level.ConnectAll();
  return MakeAction(Type::kPickup, OfKind(level.object(ball).cell.kind));
}

InstructionPtr OneRoom(Level& level, const P&) {
  level.AddObject(0, 0, Kind::kBall);
  level.PlaceAgent();
  return MakeAction(Type::kPickup, OfKind(Kind::kBall));
}

// ---- put next ---------------------------------------------------------------------------------------------

InstructionPtr MoveTwoAcross(Level& level, const P& p) {
  level.PlaceAgent(0, 0);
  auto left = level.AddDistractors(0, 0, p.objects);
  auto right = level.AddDistractors(1, 0, p.objects);
  level.RemoveWall(0, 0, 0);
  left = level.RandSubset(left, 2);
  right = level.RandSubset(right, 2);
  return MakeSequence(Type::kBefore, MakePutNext(level.Describe(left[0]), level.Describe(right[0])),
                      MakePutNext(level.Describe(right[1]), level.Describe(left[1])));
}

InstructionPtr PutNextLocal(Level& level, const P& p) {
  level.PlaceAgent();
  const auto objects = level.AddDistractors({}, {}, p.objects, true);
  level.CheckObjectsReachable();
  const auto chosen = level.RandSubset(objects, 2);
  return MakePutNext(level.Describe(chosen[0]), level.Describe(chosen[1]));
}

InstructionPtr PutNext(Level& level, const P& p) {
  level.PlaceAgent(0, 0);
  const auto left = level.AddDistractors(0, 0, p.objects);
  const auto right = level.AddDistractors(1, 0, p.objects);
  level.RemoveWall(0, 0, 0);
  uint16_t a = level.RandElem(left), b = level.RandElem(right);
  if (level.RandBool()) std::swap(a, b);
  if (p.flag) level.StartCarrying(a);
  return MakePutNext(level.Describe(a), level.Describe(b));
}

// ---- unlock -----------------------------------------------------------------------------------------------

InstructionPtr Unlock(Level& level, const P&) {
  int column, row;
  uint16_t door;
  const int locked = LockedRoomAndKey(level, &column, &row, &door);
  const Color color = level.object(door).cell.color;
  if (level.RandBool()) {   // no other door of this colour
    std::vector<Color> others;
    std::copy_if(kColors.begin(), kColors.end(), std::back_inserter(others), [&](Color c) { return c != color; });
    level.ConnectAll(others);
  } else {
    level.ConnectAll();
  }
  DistractorsEverywhere(level, 3);
  PlaceAgentOutside(level, locked);
  level.CheckObjectsReachable();
  return MakeAction(Type::kOpen, level.Describe(door));
}

InstructionPtr UnlockLocal(Level& level, const P& p) {
  const uint16_t door = level.AddDoor(1, 1, {}, {}, true);
  level.AddObject(1, 1, Kind::kKey, level.object(door).cell.color);
  if (p.flag) level.AddDistractors(1, 1, 3);
  level.PlaceAgent(1, 1);
  return MakeAction(Type::kOpen, OfKind(Kind::kDoor));
}

InstructionPtr KeyInBox(Level& level, const P&) {
  const uint16_t door = level.AddDoor(1, 1, {}, {}, true);
  const uint16_t key = level.NewObject(Kind::kKey, level.object(door).cell.color);
  const Color color = level.RandColor();
  level.PlaceInRoom(1, 1, level.NewObject(Kind::kBox, color, key));
  level.PlaceAgent(1, 1);
  return MakeAction(Type::kOpen, OfKind(Kind::kDoor));
}

InstructionPtr UnlockPickup(Level& level, const P& p) {
  const uint16_t box = level.AddObject(1, 0, Kind::kBox);
  const uint16_t door = level.AddDoor(0, 0, 0, {}, true);
  level.AddObject(0, 0, Kind::kKey, level.object(door).cell.color);
  if (p.flag) level.AddDistractors({}, {}, 4);
  level.PlaceAgent(0, 0);
  return Pick(level, box);
}

InstructionPtr BlockedUnlockPickup(Level& level, const P&) {
  level.AddObject(1, 0, Kind::kBox);
  const uint16_t door = level.AddDoor(0, 0, 0, {}, true);
  const Point at = level.object(door).position;
  level.SetCell({at.x - 1, at.y}, level.NewObject(Kind::kBall, level.RandColor()));
  level.AddObject(0, 0, Kind::kKey, level.object(door).cell.color);
  level.PlaceAgent(0, 0);
  return MakeAction(Type::kPickup, OfKind(Kind::kBox));
}

InstructionPtr UnlockToUnlock(Level& level, const P&) {
  const auto colors = level.RandColors(2);
  level.AddDoor(0, 0, 0, colors[0], true);
  level.AddObject(2, 0, Kind::kKey, colors[0]);
  level.AddDoor(1, 0, 0, colors[1], true);
  level.AddObject(1, 0, Kind::kKey, colors[1]);
  level.AddObject(0, 0, Kind::kBall);
  level.PlaceAgent(1, 0);
  return MakeAction(Type::kPickup, OfKind(Kind::kBall));
}

// ---- the table --------------------------------------------------------------------------------------------

struct Entry {
  Generator generator;
  P parameters;
};

P OneRoomOf(int size, int objects, bool flag = false) {
  return {.room_size = size, .rows = 1, .columns = 1, .objects = objects, .flag = flag};
}
P TwoRoomsOf(int size, int objects, int steps, bool flag = false) {
  return {.room_size = size, .rows = 1, .columns = 2, .max_steps = steps * size * size, .objects = objects, .flag = flag};
}
P Maze(int size, int rows, int columns, int objects, bool flag = false) {
  return {.room_size = size, .rows = rows, .columns = columns, .objects = objects, .flag = flag};
}
P Fixed(int size, int steps, int rows = 3, int columns = 3) {
  return {.room_size = size, .rows = rows, .columns = columns, .max_steps = steps * size * size};
}
P Doors(int count, bool strict) { return {.room_size = 6, .max_steps = 20 * 36, .objects = count, .flag = strict}; }
P Language(P p, int objects = 18) {
  p.level_gen = true;
  p.objects = objects;
  return p;
}
P GoToSeqOf(int size, int rows, int columns, int objects) {
  return Language({.room_size = size, .rows = rows, .columns = columns, .locked_room_probability = 0, .locations = false,
                   .unblocking = false, .actions = {Type::kGoTo}}, objects);
}
P SynthOf(int size, int rows) {
  return Language({.room_size = size, .rows = rows, .locations = false, .implicit_unlock = false, .forms = {P::kAction}});
}

const std::map<std::string, Entry, std::less<>>& Table() {
  static const auto* table = new std::map<std::string, Entry, std::less<>>{
      {"BabyAI-GoToRedBallGrey-v0", {GoToRedBall, OneRoomOf(8, 7, true)}},
      {"BabyAI-GoToRedBall-v0", {GoToRedBall, OneRoomOf(8, 7)}},
      {"BabyAI-GoToRedBallNoDists-v0", {GoToRedBall, OneRoomOf(8, 0)}},
      {"BabyAI-GoToObj-v0", {GoToObj, OneRoomOf(8, 1)}},
      {"BabyAI-GoToObjS4-v0", {GoToObj, OneRoomOf(4, 1)}},
      {"BabyAI-GoToObjS6-v0", {GoToObj, OneRoomOf(4, 1)}},   // registered with room size 4
      {"BabyAI-GoToLocal-v0", {GoToLocal, OneRoomOf(8, 8)}},
      {"BabyAI-GoToLocalS5N2-v0", {GoToLocal, OneRoomOf(5, 2)}},
      {"BabyAI-GoToLocalS6N2-v0", {GoToLocal, OneRoomOf(6, 2)}},
      {"BabyAI-GoToLocalS6N3-v0", {GoToLocal, OneRoomOf(6, 3)}},
      {"BabyAI-GoToLocalS6N4-v0", {GoToLocal, OneRoomOf(6, 4)}},
      {"BabyAI-GoToLocalS7N4-v0", {GoToLocal, OneRoomOf(7, 4)}},
      {"BabyAI-GoToLocalS7N5-v0", {GoToLocal, OneRoomOf(7, 5)}},
      {"BabyAI-GoToLocalS8N2-v0", {GoToLocal, OneRoomOf(8, 2)}},
      {"BabyAI-GoToLocalS8N3-v0", {GoToLocal, OneRoomOf(8, 3)}},
      {"BabyAI-GoToLocalS8N4-v0", {GoToLocal, OneRoomOf(8, 4)}},
      {"BabyAI-GoToLocalS8N5-v0", {GoToLocal, OneRoomOf(8, 5)}},
      {"BabyAI-GoToLocalS8N6-v0", {GoToLocal, OneRoomOf(8, 6)}},
      {"BabyAI-GoToLocalS8N7-v0", {GoToLocal, OneRoomOf(8, 7)}},
      {"BabyAI-GoTo-v0", {GoToMaze, Maze(8, 3, 3, 18)}},
      {"BabyAI-GoToOpen-v0", {GoToMaze, Maze(8, 3, 3, 18, true)}},
      {"BabyAI-GoToObjMaze-v0", {GoToMaze, Maze(8, 3, 3, 1)}},
      {"BabyAI-GoToObjMazeOpen-v0", {GoToMaze, Maze(8, 3, 3, 1, true)}},
      {"BabyAI-GoToObjMazeS4R2-v0", {GoToMaze, Maze(4, 2, 2, 1)}},
      {"BabyAI-GoToObjMazeS4-v0", {GoToMaze, Maze(4, 3, 3, 1)}},
      {"BabyAI-GoToObjMazeS5-v0", {GoToMaze, Maze(5, 3, 3, 1)}},
      {"BabyAI-GoToObjMazeS6-v0", {GoToMaze, Maze(6, 3, 3, 1)}},
      {"BabyAI-GoToObjMazeS7-v0", {GoToMaze, Maze(7, 3, 3, 1)}},
      {"BabyAI-GoToImpUnlock-v0", {GoToImpUnlock, {}}},
      {"BabyAI-GoToSeq-v0", {FromLanguage, GoToSeqOf(8, 3, 3, 18)}},
      {"BabyAI-GoToSeqS5R2-v0", {FromLanguage, GoToSeqOf(5, 2, 2, 4)}},
      {"BabyAI-GoToRedBlueBall-v0", {GoToRedBlueBall, OneRoomOf(8, 7)}},
      {"BabyAI-GoToDoor-v0", {GoToDoor, Maze(7, 3, 3, 0)}},
      {"BabyAI-GoToObjDoor-v0", {GoToObjDoor, Maze(8, 3, 3, 0)}},
      {"BabyAI-Open-v0", {Open, {}}},
      {"BabyAI-OpenRedDoor-v0", {OpenRedDoor, Maze(5, 1, 2, 0)}},
      {"BabyAI-OpenDoor-v0", {OpenDoor, {}}},
      {"BabyAI-OpenDoorDebug-v0", {OpenDoor, {.flag = true}}},
      {"BabyAI-OpenDoorColor-v0", {OpenDoorColor, {}}},
      {"BabyAI-OpenDoorLoc-v0", {OpenDoorLoc, {}}},
      {"BabyAI-OpenTwoDoors-v0", {OpenTwoDoors, Doors(2, false)}},
      {"BabyAI-OpenRedBlueDoors-v0", {OpenRedBlueDoors, Doors(2, false)}},
      {"BabyAI-OpenRedBlueDoorsDebug-v0", {OpenRedBlueDoors, Doors(2, true)}},
      {"BabyAI-OpenDoorsOrderN2-v0", {OpenDoorsOrder, Doors(2, false)}},
      {"BabyAI-OpenDoorsOrderN4-v0", {OpenDoorsOrder, Doors(4, false)}},
      {"BabyAI-OpenDoorsOrderN2Debug-v0", {OpenDoorsOrder, Doors(2, true)}},
      {"BabyAI-OpenDoorsOrderN4Debug-v0", {OpenDoorsOrder, Doors(4, true)}},
      {"BabyAI-Pickup-v0", {Pickup, {}}},
      {"BabyAI-UnblockPickup-v0", {UnblockPickup, {}}},
      {"BabyAI-PickupLoc-v0", {FromLanguage, Language({.rows = 1, .columns = 1, .locked_room_probability = 0,
                                                       .unblocking = false, .actions = {Type::kPickup},
                                                       .forms = {P::kAction}}, 8)}},
      {"BabyAI-PickupDist-v0", {PickupDist, OneRoomOf(7, 5)}},
      {"BabyAI-PickupDistDebug-v0", {PickupDist, Maze(7, 1, 1, 5, true)}},
      {"BabyAI-PickupAbove-v0", {PickupAbove, Fixed(6, 8)}},
      {"BabyAI-PutNextLocal-v0", {PutNextLocal, OneRoomOf(8, 8)}},
      {"BabyAI-PutNextLocalS5N3-v0", {PutNextLocal, OneRoomOf(5, 3)}},
      {"BabyAI-PutNextLocalS6N4-v0", {PutNextLocal, OneRoomOf(6, 4)}},
      {"BabyAI-PutNextS4N1-v0", {PutNext, TwoRoomsOf(4, 1, 8)}},
      {"BabyAI-PutNextS5N2-v0", {PutNext, TwoRoomsOf(5, 2, 8)}},
      {"BabyAI-PutNextS5N1-v0", {PutNext, TwoRoomsOf(5, 1, 8)}},
      {"BabyAI-PutNextS6N3-v0", {PutNext, TwoRoomsOf(6, 3, 8)}},
      {"BabyAI-PutNextS7N4-v0", {PutNext, TwoRoomsOf(7, 4, 8)}},
      {"BabyAI-PutNextS5N2Carrying-v0", {PutNext, TwoRoomsOf(5, 2, 8, true)}},
      {"BabyAI-PutNextS6N3Carrying-v0", {PutNext, TwoRoomsOf(6, 3, 8, true)}},
      {"BabyAI-PutNextS7N4Carrying-v0", {PutNext, TwoRoomsOf(7, 4, 8, true)}},
      {"BabyAI-Unlock-v0", {Unlock, {}}},
      {"BabyAI-UnlockLocal-v0", {UnlockLocal, {}}},
      {"BabyAI-UnlockLocalDist-v0", {UnlockLocal, {.flag = true}}},
      {"BabyAI-KeyInBox-v0", {KeyInBox, {}}},
      {"BabyAI-UnlockPickup-v0", {UnlockPickup, Maze(6, 1, 2, 0)}},
      {"BabyAI-UnlockPickupDist-v0", {UnlockPickup, Maze(6, 1, 2, 0, true)}},
      {"BabyAI-BlockedUnlockPickup-v0", {BlockedUnlockPickup, Fixed(6, 16, 1, 2)}},
      {"BabyAI-UnlockToUnlock-v0", {UnlockToUnlock, Fixed(6, 30, 1, 3)}},
      {"BabyAI-ActionObjDoor-v0", {ActionObjDoor, Maze(7, 3, 3, 0)}},
      {"BabyAI-FindObjS5-v0", {FindObj, Fixed(5, 20)}},
      {"BabyAI-FindObjS6-v0", {FindObj, Fixed(6, 20)}},
      {"BabyAI-FindObjS7-v0", {FindObj, Fixed(7, 20)}},
      {"BabyAI-KeyCorridor-v0", {KeyCorridor, Fixed(6, 30)}},
      {"BabyAI-KeyCorridorS3R1-v0", {KeyCorridor, Fixed(3, 30, 1)}},
      {"BabyAI-KeyCorridorS3R2-v0", {KeyCorridor, Fixed(3, 30, 2)}},
      {"BabyAI-KeyCorridorS3R3-v0", {KeyCorridor, Fixed(3, 30, 3)}},
      {"BabyAI-KeyCorridorS4R3-v0", {KeyCorridor, Fixed(4, 30, 3)}},
      {"BabyAI-KeyCorridorS5R3-v0", {KeyCorridor, Fixed(5, 30, 3)}},
      {"BabyAI-KeyCorridorS6R3-v0", {KeyCorridor, Fixed(6, 30, 3)}},
      {"BabyAI-OneRoomS8-v0", {OneRoom, OneRoomOf(8, 1)}},
      {"BabyAI-OneRoomS12-v0", {OneRoom, OneRoomOf(12, 1)}},
      {"BabyAI-OneRoomS16-v0", {OneRoom, OneRoomOf(16, 1)}},
      {"BabyAI-OneRoomS20-v0", {OneRoom, OneRoomOf(20, 1)}},
      {"BabyAI-MoveTwoAcrossS5N2-v0", {MoveTwoAcross, TwoRoomsOf(5, 2, 16)}},
      {"BabyAI-MoveTwoAcrossS8N9-v0", {MoveTwoAcross, TwoRoomsOf(8, 9, 16)}},
      {"BabyAI-Synth-v0", {FromLanguage, SynthOf(8, 3)}},
      {"BabyAI-SynthS5R2-v0", {FromLanguage, SynthOf(5, 2)}},
      {"BabyAI-SynthLoc-v0", {FromLanguage, Language({.implicit_unlock = false, .forms = {P::kAction}})}},
      {"BabyAI-SynthSeq-v0", {FromLanguage, Language({.implicit_unlock = false})}},
      {"BabyAI-MiniBossLevel-v0", {FromLanguage, Language({.room_size = 5, .rows = 2, .columns = 2,
                                                           .locked_room_probability = 0.25}, 7)}},
      {"BabyAI-BossLevel-v0", {FromLanguage, Language({})}},
      {"BabyAI-BossLevelNoUnlock-v0", {FromLanguage, Language({.locked_room_probability = 0, .implicit_unlock = false})}},
  };
  return *table;
}

}  // namespace

std::vector<std::string_view> LevelIds() {
  std::vector<std::string_view> ids;
  for (const auto& [id, entry] : Table()) ids.push_back(id);
  return ids;
}

absl::StatusOr<std::unique_ptr<MiniGrid>> MakeLevel(std::string_view gym_id) {
  const auto found = Table().find(gym_id);
  if (found == Table().end()) {
    std::vector<std::string> known;
    for (const auto& [id, entry] : Table()) known.push_back(id);
    return absl::NotFoundError(absl::StrCat("unknown BabyAI level \"", gym_id, "\"", Suggest(std::string(gym_id), known)));
  }
  return std::make_unique<Level>(found->second.generator, found->second.parameters);
}

}  // namespace sojourn::envs::babyai
