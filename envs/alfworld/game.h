// A household with a task, as it is at the start: what all plays of it share.
#ifndef SOJOURN_ENVS_ALFWORLD_GAME_H_
#define SOJOURN_ENVS_ALFWORLD_GAME_H_

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/alfworld/facts.h"
#include "envs/alfworld/goal.h"
#include "envs/alfworld/grammar.h"
#include "envs/alfworld/problem.h"

namespace sojourn::envs::alfworld {

// The names of things by their sorted ids: "desk_bar_..." is "desk 1". Of one kind the last has
// number
// 1. Ids that are no things in a place keep their text, with a blank.
std::vector<std::string> NamesOf(const std::vector<std::string>& sorted_ids);

class Game {
 public:
  // `task` is the sentence that says the task ("Your task is to: put a mug in desk.").
  // InvalidArgument when there is not one agent in one place, or the goal cannot be read.
  static absl::StatusOr<std::shared_ptr<const Game>> Make(const Problem& problem,
                                                          const Rules& rules,
                                                          std::shared_ptr<const Grammar> grammar,
                                                          std::string task);

  // Entities are numbered in the order of their ids; all lists that an agent reads are in that
  // order.
  const std::vector<std::string>& names() const { return names_; }  // "desk 1"
  const std::vector<Type>& types() const { return types_; }
  const std::array<Relation, kPredicates>& fixed() const { return fixed_; }
  const State& start() const { return start_; }
  const Goal& goal() const { return goal_; }
  const Grammar& grammar() const { return *grammar_; }
  const std::string& task() const { return task_; }
  Entity agent() const { return agent_; }

  // Types that rules name; kNobody when nothing is said of one.
  bool IsSink(Entity type) const { return type == sinks_[0] || type == sinks_[1]; }
  Entity microwave() const { return microwave_; }
  Entity fridge() const { return fridge_; }
  bool IsKnife(Entity object) const;

 private:
  std::vector<std::string> names_;
  std::vector<Type> types_;
  std::array<Relation, kPredicates> fixed_;  // without those that change
  State start_;
  Goal goal_;
  std::shared_ptr<const Grammar> grammar_;
  std::string task_;
  Entity agent_ = kNobody, microwave_ = kNobody, fridge_ = kNobody;
  std::array<Entity, 2> sinks_ = {kNobody, kNobody};   // types
  std::array<Entity, 2> knives_ = {kNobody, kNobody};  // types
};

}  // namespace sojourn::envs::alfworld

#endif  // SOJOURN_ENVS_ALFWORLD_GAME_H_
