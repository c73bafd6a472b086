// AgentGym's search for the shortest chain of primitives to an object, as BabyAI's composite
// actions use it: one search over (cell, direction) serves every object in view.
#ifndef SOJOURN_ENVS_BABYAI_PATH_SEARCH_H_
#define SOJOURN_ENVS_BABYAI_PATH_SEARCH_H_

#include <array>
#include <cstdint>
#include <vector>

#include "envs/babyai/minigrid.h"

namespace sojourn::envs::babyai {

// The original keeps a queue that may hold a state many times and overwrites a state's parent on
// every push until the state is first popped; it stops at the first popped state that meets the
// goal. Turning and stepping both change the parity of x + y + direction, so all copies of a state
// lie in one level of the search, and two facts decide everything:
//  - states are first popped in the order in which they were first pushed;
//  - a state's parent is the one whose *last* copy is popped last within its level.
// Run() therefore keeps each level twice, in order of first and of last copies, without the copies
// (their number is that of the shortest paths).
class PathSearch {
 public:
  // The cells that a path may use: [x0, x0 + width) x [y0, y0 + height), at most 8 x 8. They may
  // lie outside the level's grid.
  struct Window {
    int x0 = 0, y0 = 0, width = 0, height = 0;
  };
  // How to get somewhere: a state of the search. Valid until the next Run.
  using Goal = int;
  static constexpr Goal kUnreachable = -1;

  // Starts a search's map: every cell of the window is free.
  void Clear(const Window& window);
  void Block(Point cell);  // no path enters this cell; cells outside the window are ignored
  void Run(Point start, int direction);

  Goal Facing(Point target) const;  // beside `target`, looking at it
  Goal On(Point target) const;      // standing on it
  bool IsStart(Goal goal) const { return goal == start_; }
  void AppendPath(Goal goal, std::vector<Action>* actions) const;

 private:
  static constexpr int kStride = 10;  // 8 cells and a closed border
  static constexpr int kCells = kStride * kStride;
  static constexpr int kStates = kCells * 4;  // cell * 4 + direction
  static constexpr uint16_t kUnseen = 0xffff;

  int CellOf(Point point) const;  // -1 outside the window

  Window window_;
  int start_ = kUnreachable;
  std::array<bool, kCells> closed_;
  std::array<uint16_t, kStates> order_;  // place in the order of first pops
  std::array<int16_t, kStates> parent_;
};

}  // namespace sojourn::envs::babyai

#endif  // SOJOURN_ENVS_BABYAI_PATH_SEARCH_H_
