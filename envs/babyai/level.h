// A BabyAI level: a grid of rooms, how it is generated, and how it is played (MiniGrid's minigrid_env.py,
// roomgrid.py, roomgrid_level.py). Which levels there are is levels.cc's business.
#ifndef SOJOURN_ENVS_BABYAI_LEVEL_H_
#define SOJOURN_ENVS_BABYAI_LEVEL_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "envs/babyai/instruction.h"
#include "envs/babyai/minigrid.h"
#include "envs/babyai/numpy_random.h"

namespace sojourn::envs::babyai {

// The order in which MiniGrid draws: names sorted.
inline constexpr std::array<Color, 6> kColors = {Color::kBlue,   Color::kGreen, Color::kGrey,
                                                 Color::kPurple, Color::kRed,   Color::kYellow};

// What MiniGrid knows of an object that its cell does not show.
struct Object {
  Cell cell;                        // as it lies in the grid; a door's state is kept up to date
  uint16_t contains = 0;            // a box's content
  Point start = {-1, -1};           // where generation put it
  Point position = {-1, -1};        // (-1, -1) while it is carried
};

struct Room {
  Point top;
  int size = 0;
  std::array<uint16_t, 4> doors{};            // ids, right, down, left, up; kOpening for a removed wall
  std::array<std::optional<Point>, 4> door_positions;
  std::array<int, 4> neighbours = {-1, -1, -1, -1};   // indices of rooms
  bool locked = false;                        // of the door added last
  std::vector<uint16_t> objects;

  static constexpr uint16_t kOpening = 0xFFFF;
  bool Inside(Point p) const { return p.x >= top.x && p.y >= top.y && p.x < top.x + size && p.y < top.y + size; }
};

// Thrown and caught within generation: this attempt is given up, and the original prints `line`.
struct Rejected {
  std::string line;
};
[[noreturn]] void Reject(const std::string& reason);    // "Sampling rejected: ..."
[[noreturn]] void TimeOut(const std::string& reason);   // "Timeout during mission generation: ..."

class Level;

// A level's parameters. Which ones a generator reads is its own business.
struct LevelParameters {
  int room_size = 8, rows = 3, columns = 3;
  int max_steps = 0;                // 0: by the size of the maze and the instruction
  int objects = 0;                  // distractors, or objects per room
  bool flag = false;                // grey distractors, doors_open, debug, strict, distractors, start_carrying
  // LevelGen (levels that draw from the whole language) only:
  bool level_gen = false;
  double locked_room_probability = 0.5;
  bool locations = true, unblocking = true, implicit_unlock = true;
  std::vector<Instruction::Type> actions = {Instruction::Type::kGoTo, Instruction::Type::kPickup,
                                            Instruction::Type::kOpen, Instruction::Type::kPutNext};
  enum Form : uint8_t { kAction, kAndForm, kSequence };
  std::vector<Form> forms = {kAction, kAndForm, kSequence};
};
using Generator = InstructionPtr (*)(Level&, const LevelParameters&);

class Level final : public MiniGrid {
 public:
  Level(Generator generator, LevelParameters parameters);

  void Reset(absl::uint128 seed) override;
  StepOutcome Step(Action action) override;

  const std::string& mission() const override { return mission_; }
  int width() const override { return width_; }
  int height() const override { return height_; }
  const Cell& at(int x, int y) const override { return grid_[y * width_ + x]; }
  const Cell* contains(uint16_t box_id) const override;
  Point agent_pos() const override { return agent_; }
  int agent_dir() const override { return direction_; }
  Cell carrying() const override { return carried_ == 0 ? Cell{} : objects_[carried_].cell; }
  int step_count() const override { return steps_; }
  int max_steps() const override { return max_steps_; }
  View view() const override;
  std::vector<std::string> rejections() const override { return rejections_; }

  Point front() const { return {agent_.x + kDirections[direction_ & 3].x, agent_.y + kDirections[direction_ & 3].y}; }
  const Object& object(uint16_t id) const { return objects_[id]; }
  const Room& RoomAt(Point p) const { return rooms_[p.y / (size() - 1) * columns() + p.x / (size() - 1)]; }

  // ---- for generators; each draws exactly as its namesake in MiniGrid does ----
  int64_t RandInt(int64_t low, int64_t high) { return random_.Integers(low, high); }
  bool RandBool() { return RandInt(0, 2) == 0; }
  double RandFloat() { return random_.Uniform(); }
  template <typename T>
  auto RandElem(const T& values) { return values[RandInt(0, static_cast<int64_t>(values.size()))]; }
  template <typename T>
  std::vector<T> RandSubset(std::vector<T> values, int count) {
    std::vector<T> chosen;
    while (static_cast<int>(chosen.size()) < count) {
      const int64_t i = RandInt(0, static_cast<int64_t>(values.size()));
      chosen.push_back(values[i]);
      values.erase(values.begin() + i);
    }
    return chosen;
  }
  Color RandColor() { return RandElem(kColors); }
  std::vector<Color> RandColors(int count) { return RandSubset(std::vector<Color>(kColors.begin(), kColors.end()), count); }

  int size() const { return parameters_.room_size; }
  int rows() const { return parameters_.rows; }
  int columns() const { return parameters_.columns; }
  int RoomIndex(int i, int j) const { return j * columns() + i; }
  Room& room(int i, int j) { return rooms_[RoomIndex(i, j)]; }

  uint16_t NewObject(Kind kind, Color color, uint16_t contains = 0);
  void SetCell(Point p, uint16_t id);                      // 0: nothing
  void Recolour(uint16_t id, Color color);
  uint16_t PlaceInRoom(int i, int j, uint16_t id);
  uint16_t AddObject(int i, int j, std::optional<Kind> kind = {}, std::optional<Color> color = {});
  uint16_t AddDoor(int i, int j, std::optional<int> wall = {}, std::optional<Color> color = {},
                   std::optional<bool> locked = {});
  void RemoveWall(int i, int j, int wall);
  void PlaceAgent(std::optional<int> i = {}, std::optional<int> j = {});
  void ConnectAll(const std::vector<Color>& colors = {kColors.begin(), kColors.end()});
  std::vector<uint16_t> AddDistractors(std::optional<int> i, std::optional<int> j, int count, bool unique = true);
  bool ObjectsReachable(Point* unreachable = nullptr) const;
  void CheckObjectsReachable() const;
  void OpenAllDoors();
  Description Describe(uint16_t id) const;                 // by kind and colour
  InstructionPtr GenerateFromLanguage();                   // LevelGen.gen_mission
  void StartCarrying(uint16_t id) { start_carrying_ = id; }

 private:
  void BuildRooms();
  void Generate();
  void Validate(const Instruction& instruction, const std::vector<Color>& locked_colors);
  Point PlaceObject(uint16_t id, Point top, int size, bool away_from_agent);
  void AddLockedRoom();
  Description RandObject(const std::vector<Kind>& kinds);
  InstructionPtr RandInstruction(const std::vector<Instruction::Type>& actions,
                                 const std::vector<LevelParameters::Form>& forms);

  const Generator generator_;
  const LevelParameters parameters_;
  const int width_, height_;

  NumpyRandom random_{0};
  std::vector<Cell> grid_;
  std::vector<Object> objects_;         // [0] is nothing
  std::vector<Room> rooms_;
  // LevelGen's locked room: stays from one attempt, and from one reset, to the next, as in the original;
  // `locked_room_index_` is valid only while the rooms are those it was chosen among.
  std::optional<Room> locked_room_;
  int locked_room_index_ = -1;
  InstructionPtr instruction_;
  std::string mission_;
  std::vector<std::string> rejections_;
  Point agent_ = {-1, -1};
  int direction_ = -1;
  uint16_t carried_ = 0, start_carrying_ = 0;
  std::optional<View> first_view_;      // shown until the first step, where it differs from the state
  int steps_ = 0, max_steps_ = 0;
};

}  // namespace sojourn::envs::babyai

#endif  // SOJOURN_ENVS_BABYAI_LEVEL_H_
