#include "envs/babyai/path_search.h"

#include <algorithm>

namespace sojourn::envs::babyai {
namespace {

constexpr std::array<int, 4> kStepOf = {1, 10, -1, -10};  // along each direction, in cells

int Left(int state) { return (state & ~3) | ((state + 3) & 3); }
int Right(int state) { return (state & ~3) | ((state + 1) & 3); }
int Forward(int state) { return state + 4 * kStepOf[state & 3]; }

}  // namespace

void PathSearch::Clear(const Window& window) {
  static_assert(kStepOf[1] == kStride);
  window_ = window;
  closed_.fill(true);
  for (int y = 1; y <= window.height; ++y) {
    std::fill_n(closed_.begin() + y * kStride + 1, window.width, false);
  }
}

int PathSearch::CellOf(Point point) const {
  const int x = point.x - window_.x0, y = point.y - window_.y0;
  if (x < 0 || y < 0 || x >= window_.width || y >= window_.height) return -1;
  return (y + 1) * kStride + x + 1;
}

void PathSearch::Block(Point cell) {
  if (const int index = CellOf(cell); index >= 0) closed_[index] = true;
}

void PathSearch::Run(Point start, int direction) {
  order_.fill(kUnseen);
  start_ = CellOf(start) * 4 + direction;
  parent_[start_] = -1;
  order_[start_] = 0;
  uint16_t found = 1;
  // One level's states by first copy, earliest first, and by last copy, latest first.
  std::array<int16_t, kStates> by_first, by_last, next_by_last;
  by_first[0] = by_last[0] = static_cast<int16_t>(start_);
  int level_begin = 0, level_end = 1;  // within by_first, which keeps all levels
  while (level_begin < level_end) {
    for (int i = level_begin; i < level_end; ++i) {
      const int state = by_first[i];
      for (const int child : {Forward(state), Left(state), Right(state)}) {
        if (closed_[child >> 2] || order_[child] != kUnseen) continue;
        parent_[child] = -1;
        by_first[found] = static_cast<int16_t>(child);
        order_[child] = found++;
      }
    }
    int count = 0;
    for (int i = 0; i < level_end - level_begin; ++i) {
      const int state = by_last[i];
      for (const int child : {Right(state), Left(state), Forward(state)}) {
        if (closed_[child >> 2] || order_[child] < level_end || parent_[child] >= 0) continue;
        parent_[child] = static_cast<int16_t>(state);
        next_by_last[count++] = static_cast<int16_t>(child);
      }
    }
    std::copy_n(next_by_last.begin(), count, by_last.begin());
    level_begin = level_end;
    level_end = found;
  }
}

PathSearch::Goal PathSearch::Facing(Point target) const {
  int best = kUnreachable;
  for (int direction = 0; direction < 4; ++direction) {
    const Point step = kDirections[direction];
    const int cell = CellOf({target.x - step.x, target.y - step.y});
    if (cell < 0) continue;
    const int state = cell * 4 + direction;
    if (order_[state] == kUnseen) continue;
    if (best < 0 || order_[state] < order_[best]) best = state;
  }
  return best;
}

PathSearch::Goal PathSearch::On(Point target) const {
  const int cell = CellOf(target);
  if (cell < 0) return kUnreachable;
  int best = kUnreachable;
  for (int state = cell * 4; state < cell * 4 + 4; ++state) {
    if (order_[state] == kUnseen) continue;
    if (best < 0 || order_[state] < order_[best]) best = state;
  }
  return best;
}

void PathSearch::AppendPath(Goal goal, std::vector<Action>* actions) const {
  const size_t begin = actions->size();
  for (int state = goal; state != start_; state = parent_[state]) {
    const int from = parent_[state];
    actions->push_back(state == Left(from)    ? Action::kLeft
                       : state == Right(from) ? Action::kRight
                                              : Action::kForward);
  }
  std::reverse(actions->begin() + begin, actions->end());
}

}  // namespace sojourn::envs::babyai
