// What a BabyAI instruction asks for, and how much of it is done: MiniGrid's instruction language
// read back from its text.
#ifndef SOJOURN_ENVS_BABYAI_MISSION_H_
#define SOJOURN_ENVS_BABYAI_MISSION_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "envs/babyai/minigrid.h"

namespace sojourn::envs::babyai {

enum class Task : uint8_t { kGoTo, kPickup, kOpen, kPutNext };

// The objects that a phrase such as "a red ball on your left" meant when the episode began.
struct Described {
  std::string words;          // "red ball": without article and place
  std::vector<uint16_t> ids;  // Cell::id
  std::vector<Point> places;  // where MiniGrid takes them to be: where they were at the last drop
  bool Has(const Cell& cell) const;
};

struct Clause {
  Task task = Task::kGoTo;
  Described object;
  Described fixed;  // kPutNext only: what the object is put next to
  bool done = false;
  uint16_t carried = 0;  // what the agent carried when MiniGrid last looked at this clause
};

// Follows an episode as MiniGrid's verifiers do, with their quirks: going to where an object was
// picked up counts until something is dropped.
class Mission {
 public:
  // Reads the instruction of a level that was just reset.
  void Start(const MiniGrid& grid);
  // Takes note of a primitive that was just played. True if it completes the instruction. Play may
  // go on then, and complete it again: the last clause has to be met anew, except that two clauses
  // whose order is free stay done, so that any primitive completes them.
  bool Observe(Action action, const MiniGrid& grid);

  // The clauses to be done first: one, or two whose order is free. Clauses that are done stay
  // listed.
  const std::vector<Clause>& current() const { return parts_[part_]; }
  // Clauses that come after the current ones.
  const std::vector<Clause>* next() const;

 private:
  std::vector<std::vector<Clause>> parts_ = {{}};  // in the order in which they are to be done
  size_t part_ = 0;
};

}  // namespace sojourn::envs::babyai

#endif  // SOJOURN_ENVS_BABYAI_MISSION_H_
