// MiniGrid 2.3.1's BabyAI levels, bit for bit: the same seed gives the same grid, mission, agent and
// step limit, and the same actions give the same views and rewards. No text beyond the mission: what
// the agent is told is babyai/text.h's business.
#ifndef SOJOURN_ENVS_BABYAI_MINIGRID_H_
#define SOJOURN_ENVS_BABYAI_MINIGRID_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/numeric/int128.h"
#include "absl/status/statusor.h"

namespace sojourn::envs::babyai {

// Numbers are MiniGrid's OBJECT_TO_IDX, COLOR_TO_IDX, STATE_TO_IDX, Actions and direction vectors.
enum class Kind : uint8_t {
  kUnseen = 0, kEmpty = 1, kWall = 2, kFloor = 3, kDoor = 4, kKey = 5, kBall = 6, kBox = 7,
  kGoal = 8, kLava = 9, kAgent = 10
};
enum class Color : uint8_t { kRed = 0, kGreen = 1, kBlue = 2, kPurple = 3, kYellow = 4, kGrey = 5 };
enum class DoorState : uint8_t { kOpen = 0, kClosed = 1, kLocked = 2 };
enum class Action : uint8_t {
  kLeft = 0, kRight = 1, kForward = 2, kPickup = 3, kDrop = 4, kToggle = 5, kDone = 6
};
std::string_view KindName(Kind kind);      // "wall", "ball", ...
std::string_view ColorName(Color color);   // "red", ...

struct Point {
  int x = 0, y = 0;
  bool operator==(const Point&) const = default;
};
// Directions: 0 right (+x), 1 down (+y), 2 left, 3 up.
inline constexpr std::array<Point, 4> kDirections = {Point{1, 0}, Point{0, 1}, Point{-1, 0}, Point{0, -1}};

// What stands in a cell, as MiniGrid encodes it: (kind, color, state). kEmpty/0/0 is nothing.
struct Cell {
  Kind kind = Kind::kEmpty;
  Color color = Color::kRed;
  DoorState state = DoorState::kOpen;
  // Which object this is, over the whole level (a box's contents keep theirs); 0 for nothing and walls.
  uint16_t id = 0;
  bool operator==(const Cell&) const = default;
};

inline constexpr int kViewSize = 7;
// The agent's partial view, [i][j] as in MiniGrid's obs["image"]: the agent stands at i = 3, j = 6 and
// looks towards smaller j. Cells not seen are kUnseen.
using View = std::array<std::array<Cell, kViewSize>, kViewSize>;

struct StepOutcome {
  double reward = 0;         // 1 - 0.9 * step_count / max_steps on success, else 0
  bool terminated = false;
  bool truncated = false;    // step_count >= max_steps
};

// One object of a level class, reset and stepped again and again as the Python object would be
// (including state that the original leaks from one reset into the next: LevelGen.locked_room).
class MiniGrid {
 public:
  virtual ~MiniGrid() = default;

  // Generates the level for `seed` as env.reset(seed=seed) does.
  virtual void Reset(absl::uint128 seed) = 0;
  virtual StepOutcome Step(Action action) = 0;

  virtual const std::string& mission() const = 0;
  virtual int width() const = 0;
  virtual int height() const = 0;
  virtual const Cell& at(int x, int y) const = 0;      // the cell, 0 <= x < width, 0 <= y < height
  virtual const Cell* contains(uint16_t box_id) const = 0;  // what the box holds; null for nothing
  virtual Point agent_pos() const = 0;
  virtual int agent_dir() const = 0;
  virtual Cell carrying() const = 0;                   // kEmpty for nothing
  virtual int step_count() const = 0;
  virtual int max_steps() const = 0;
  virtual View view() const = 0;                       // gen_obs()["image"]: with the carried object at (3, 6)
  virtual std::vector<std::string> rejections() const = 0;  // lines the original prints while generating
};

// The ids that MiniGrid 2.3.1 registers as BabyAI-*, sorted.
std::vector<std::string_view> LevelIds();

// NotFound for an id that is not registered.
absl::StatusOr<std::unique_ptr<MiniGrid>> MakeLevel(std::string_view gym_id);

}  // namespace sojourn::envs::babyai

#endif  // SOJOURN_ENVS_BABYAI_MINIGRID_H_
