// The wording of a game: the grammar of its file, which says how commands and answers are written.
//
// A grammar has named rules of text, each a list of alternatives of which the first one counts
// whose condition holds. Text may hold #rule#, {thing.name}, {expression | condition} for every
// match of a condition, and [{...}] for such a list with commas. What TextWorld's parser does with
// leading white space and with characters that it does not know (the text ends there) is kept.
#ifndef SOJOURN_ENVS_ALFWORLD_GRAMMAR_H_
#define SOJOURN_ENVS_ALFWORLD_GRAMMAR_H_

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "envs/alfworld/facts.h"
#include "envs/alfworld/rules.h"

namespace sojourn::envs::alfworld {

enum class Verb : uint8_t {
  kLook,
  kInventory,
  kHelp,
  kExamineReceptacle,
  kExamineObject,
  kGoTo,
  kOpen,
  kClose,
  kTake,
  kPut,
  kClean,
  kHeat,
  kCool,
  kUse,
  kSlice,
};
inline constexpr int kVerbs = 15;

struct Parameter {
  std::string_view name;  // "lend"
  Type type;
};

struct VerbForm {
  std::string_view action;  // "GotoLocation"
  std::vector<Parameter> parameters;
};
const VerbForm& FormOf(Verb verb);

// What a text is about: an entity for each parameter of the verb, in their order.
using Arguments = absl::InlinedVector<Entity, 6>;

// What a text is made from.
struct Telling {
  const World& world;
  const std::vector<std::string>& names;  // of entities
  const std::string& task;
};

class Grammar {
 public:
  // InvalidArgument says what is wrong and in which rule; rules that no command needs are not
  // looked at. The result has no task sentence: it comes with the telling.
  static absl::StatusOr<std::shared_ptr<const Grammar>> Parse(std::string_view text,
                                                              const Rules& rules);

  // Takes the task sentence out of a grammar: the rest, which many games share, and the sentence.
  static absl::StatusOr<std::pair<std::string, std::string>> SplitTask(std::string_view text);

  std::string Command(Verb verb, const Arguments& arguments, const Telling& telling) const;
  std::string Feedback(Verb verb, const Arguments& arguments, const Telling& telling) const;
  std::string Intro(const Telling& telling) const;
  bool has_help() const { return has_help_; }

 private:
  friend class GrammarCompiler;
  friend class GrammarTeller;
  struct Atom {
    Predicate predicate;
    bool denied = false;
    std::vector<uint8_t> variables;
  };
  // A conjunction; `never`: of a type that its facts never are.
  struct Condition {
    std::vector<Atom> atoms;
    bool never = false;
  };
  struct Part {
    enum Kind : uint8_t { kText, kName, kRule, kTask, kEach, kList };
    Kind kind = kText;
    int index = 0;           // kName: a name of variables; kRule: a rule
    std::string text;        // kText
    std::vector<Part> item;  // kEach, kList
    Condition condition;     // kEach, kList; without atoms: the item comes once
  };
  using Parts = std::vector<Part>;
  struct Alternative {
    Condition condition;
    Parts parts;
  };
  using Rule = std::vector<Alternative>;
  struct Variable {
    int name;
    Type type;
  };

  bool has_help_ = false;
  std::vector<Variable> variables_;
  std::vector<Rule> rules_;
  std::array<std::vector<uint8_t>, kVerbs> parameters_;  // variables
  std::array<Parts, kVerbs> commands_, feedback_;
  Parts intro_;
  int empty_ = 0, separator_ = 0, last_separator_ = 0;  // rules of lists
};

}  // namespace sojourn::envs::alfworld

#endif  // SOJOURN_ENVS_ALFWORLD_GRAMMAR_H_
