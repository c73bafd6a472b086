#include "envs/babyai/path_search.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <set>
#include <tuple>

namespace sojourn::envs::babyai {
namespace {

using State = std::tuple<int, int, int>;  // x, y, direction

// The search as AgentGym writes it, copies and overwritten parents included. Returns false when the
// target cannot be reached.
bool SearchAsAgentGym(const PathSearch::Window& window,
                      const std::set<std::pair<int, int>>& blocked, State start, Point target,
                      bool arrive, std::vector<Action>* path) {
  std::map<State, std::pair<State, Action>> parents;
  std::deque<State> queue = {start};
  std::set<State> visited;
  while (!queue.empty()) {
    const State state = queue.front();
    queue.pop_front();
    visited.insert(state);
    const auto [x, y, direction] = state;
    const Point ahead = {x + kDirections[direction].x, y + kDirections[direction].y};
    if (arrive ? target == Point{x, y} : target == ahead) {
      for (State at = state; at != start;) {
        const auto [from, action] = parents.at(at);
        path->insert(path->begin(), action);
        at = from;
      }
      return true;
    }
    for (const Action action : {Action::kForward, Action::kLeft, Action::kRight}) {
      const State next = action == Action::kForward ? State{ahead.x, ahead.y, direction}
                         : action == Action::kLeft  ? State{x, y, (direction + 3) % 4}
                                                    : State{x, y, (direction + 1) % 4};
      const auto [nx, ny, nd] = next;
      if (nx < window.x0 || nx >= window.x0 + window.width || ny < window.y0 ||
          ny >= window.y0 + window.height || visited.count(next) || blocked.count({nx, ny})) {
        continue;
      }
      queue.push_back(next);
      parents[next] = {state, action};
    }
  }
  return false;
}

TEST(PathSearch, FindsTheVeryPathsOfTheOriginalOnRandomMaps) {
  std::mt19937 random(7);  // fixed seed: every run checks the same maps
  for (int round = 0; round < 150; ++round) {
    const PathSearch::Window window = {static_cast<int>(random() % 5) - 2,
                                       static_cast<int>(random() % 5) - 2, 7,
                                       7 + static_cast<int>(random() % 2)};
    const Point start = {window.x0 + static_cast<int>(random() % window.width),
                         window.y0 + static_cast<int>(random() % window.height)};
    const int direction = random() % 4;
    const unsigned density = random() % 5;
    std::set<std::pair<int, int>> blocked;
    PathSearch search;
    search.Clear(window);
    for (int y = -3; y < 12; ++y) {
      for (int x = -3; x < 12; ++x) {
        if (random() % 8 >= density || Point{x, y} == start) continue;
        blocked.insert({x, y});
        search.Block({x, y});
      }
    }
    search.Run(start, direction);
    for (int target = 0; target < 40; ++target) {
      const Point point = {static_cast<int>(random() % 12) - 3,
                           static_cast<int>(random() % 12) - 3};
      for (const bool arrive : {false, true}) {
        std::vector<Action> expected, actual;
        const bool reachable = SearchAsAgentGym(window, blocked, {start.x, start.y, direction},
                                                point, arrive, &expected);
        const PathSearch::Goal goal = arrive ? search.On(point) : search.Facing(point);
        ASSERT_EQ(goal != PathSearch::kUnreachable, reachable) << "round " << round;
        if (!reachable) continue;
        search.AppendPath(goal, &actual);
        ASSERT_EQ(actual, expected) << "round " << round;
        ASSERT_EQ(search.IsStart(goal), expected.empty());
      }
    }
  }
}

}  // namespace
}  // namespace sojourn::envs::babyai
