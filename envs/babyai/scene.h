// What AgentGym tells a BabyAI player about one view: the description, the composite actions that
// are available, the primitives that each stands for, and why others are refused.
#ifndef SOJOURN_ENVS_BABYAI_SCENE_H_
#define SOJOURN_ENVS_BABYAI_SCENE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "envs/babyai/minigrid.h"
#include "envs/babyai/path_search.h"

namespace sojourn::envs::babyai {

// An object in view, walls apart.
struct SeenObject {
  Cell cell;
  Point pos;       // in the level's grid
  int front = 0;   // steps ahead of the agent, 0..6
  int right = 0;   // steps to its right, negative to its left
  int number = 0;  // the description's: listed objects of one name (doors with their state) from 1
  PathSearch::Goal facing = PathSearch::kUnreachable;  // the way to stand before it
};

enum class Verb : uint8_t {
  kTurnLeft,
  kTurnRight,
  kMoveForward,
  kPickup,
  kDrop,
  kGoThrough,
  kToggleAndGoThrough,
  kToggle,
  kGoTo,
  kCheck
};

// An action that the player may name now.
struct Choice {
  Verb verb = Verb::kCheck;
  int object = -1;        // index into Scene::objects(); -1 for verbs without an object
  std::string_view text;  // valid until the next Look
};

// Quirks of the original that are kept, beside those in path_search.h:
//  - "pickup" and "go to" number only the objects that can be reached, so that "go to red ball 1"
//  may
//    mean the description's red ball 2; doors are numbered as described in all door actions;
//  - a search's window has 7 cells along an axis, but 8 along one where view coordinates decrease;
//  - doors, closed and locked ones too, and unseen cells count as free;
//  - balls, keys and doors right ahead do not forbid "move forward".
class Scene {
 public:
  // Reads the agent's surroundings. Everything below speaks of the last Look.
  void Look(const MiniGrid& grid) { Look(grid, grid.view()); }
  void Look(const MiniGrid& grid, const View& view);  // `view` is grid.view()

  const std::string& description() const { return description_; }
  const std::vector<SeenObject>& objects() const { return objects_; }  // nearest first
  const std::vector<Choice>& choices() const { return choices_; }      // in AgentGym's order

  // `"turn left", "turn right", ...`: all choices, quoted.
  const std::string& action_list() const { return action_list_; }

  const Choice* Find(std::string_view action) const;  // null if not available
  void AppendPlan(const Choice& choice, std::vector<Action>* plan) const;

  // What the server answers to an action that is not available.
  std::string Refusal(std::string_view action) const;

 private:
  struct Refused {
    Verb verb;
    int object, number;
    enum Reason : uint8_t { kNoPath, kClosed, kNoKey, kWrongKey } reason;
  };

  void ListObjects(const View& view);
  void Describe();
  void ListChoices();
  void Offer(Verb verb, int object = -1, int number = 0);

  Point pos_;
  int dir_ = 0;
  Cell carrying_;
  int barrier_ = 0;  // steps to the nearest wall or box straight ahead; 0: none in view
  bool barrier_is_box_ = false;
  bool saw_something_ = false;  // walls count
  bool drop_blocked_ = false;
  PathSearch search_;
  std::vector<SeenObject> objects_;
  std::vector<Choice> choices_;
  std::vector<uint32_t> choice_begin_;  // where each choice's text begins in action_list_
  std::vector<Refused> refused_;
  std::string description_, action_list_;
};

}  // namespace sojourn::envs::babyai

#endif  // SOJOURN_ENVS_BABYAI_SCENE_H_
