// BabyAI's instructions: what they say, and when they are fulfilled (MiniGrid's verifier.py).
#ifndef SOJOURN_ENVS_BABYAI_INSTRUCTION_H_
#define SOJOURN_ENVS_BABYAI_INSTRUCTION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "envs/babyai/minigrid.h"

namespace sojourn::envs::babyai {

class Level;

enum class Location : uint8_t { kLeft, kRight, kFront, kBehind };

// A description of objects: what is not given matches all. Keeps the objects that it matched when the
// episode began, and where they are; positions are updated only when something is dropped.
struct Description {
  std::optional<Kind> kind;
  std::optional<Color> color;
  std::optional<Location> location;   // seen from the agent, in its room

  std::vector<uint16_t> objects;      // ids
  std::vector<Point> positions;

  void Find(const Level& level);      // matches anew
  void Update(const Level& level);    // where the objects found before are now
  std::string Surface(const Level& level);
  bool Has(uint16_t id) const;
};

enum class Verdict : uint8_t { kContinue, kSuccess, kFailure };

struct Instruction {
  enum class Type : uint8_t { kGoTo, kOpen, kPickup, kPutNext, kBefore, kAfter, kAnd };
  Type type = Type::kGoTo;
  Description object;                 // of the four kinds of action; what is moved, for kPutNext
  Description fixed;                  // kPutNext
  bool strict = false;                // doing it to another object fails
  std::unique_ptr<Instruction> a, b;  // kBefore: a, then b; kAfter: a, after b; kAnd

  bool is_action() const { return type <= Type::kPutNext; }
  std::string Surface(const Level& level);
  void Begin(const Level& level);     // at the start of an episode
  Verdict Verify(const Level& level, Action action);
  void UpdatePositions(const Level& level);
  int Navigations() const;            // walks needed at most: scales the step limit
  bool ObjectsNext(const Level& level) const;   // kPutNext: something to move already lies beside

 private:
  Verdict VerifyAction(const Level& level, Action action);
  Verdict VerifyInOrder(Instruction& first, Instruction& second, bool& first_done, const Level& level, Action action);

  bool a_done_ = false, b_done_ = false;
  uint16_t carried_before_ = 0;
};

using InstructionPtr = std::unique_ptr<Instruction>;
InstructionPtr MakeAction(Instruction::Type type, Description object, bool strict = false);
InstructionPtr MakePutNext(Description move, Description fixed);
InstructionPtr MakeSequence(Instruction::Type type, InstructionPtr a, InstructionPtr b);

}  // namespace sojourn::envs::babyai

#endif  // SOJOURN_ENVS_BABYAI_INSTRUCTION_H_
