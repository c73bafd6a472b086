// The contract between an environment and everything that plays it.
//
// An environment is a family of tasks. A task is named, never described: the same TaskId always gives
// the same first observation and the same rules, in every process and after every crash. An instance
// plays one task at a time and is cheap: thousands live in one process.
//
// Environments know nothing of tokens, RPC or training. They are not thread-safe: one instance is used
// by one thread at a time; different instances are independent.
#ifndef SOJOURN_ENVS_ENVIRONMENT_H_
#define SOJOURN_ENVS_ENVIRONMENT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/interface.h"
#include "envs/react.h"

namespace sojourn::envs {

// Train and test tasks of an environment never overlap: not in index, and not in what they show.
enum class Split { kTrain, kTest };
std::string_view SplitName(Split split);                      // "train", "test"
absl::StatusOr<Split> ParseSplit(std::string_view name);

// Settings of an environment that a job or a user gives, by name. Each environment lists its own in
// its Spec; an unknown name or an impossible value is refused when the environment is made.
using Options = std::map<std::string, std::string>;

// A task's name within an environment made with given options.
struct TaskId {
  Split split = Split::kTrain;
  int difficulty = 1;     // one of Spec::difficulties
  int64_t index = 0;      // 0 <= index < Environment::TaskCount(split, difficulty)
  bool operator==(const TaskId&) const = default;
};

// What an episode looks like after a reset or an action.
struct Turn {
  std::string observation;    // what the agent reads next, exactly as the environment says it
  double reward = 0;          // of the last action alone (0 after a reset)
  bool done = false;          // the episode is over; Step must not be called again
  bool success = false;       // the task's goal was reached (implies done)
  bool invalid_action = false;  // the last action was not understood or not possible; the state is unchanged
  double progress = 0;        // how much of the task is done, 0 to 1, where the original has partial credit;
                              // elsewhere 1 on success, else 0
};

// One player's seat: plays tasks one after another.
class Instance {
 public:
  virtual ~Instance() = default;

  // Starts the task from its beginning, whatever was played before.
  virtual absl::StatusOr<Turn> Reset(const TaskId& task) = 0;

  // Plays one action, as Spec::read_action gives it. No text is an error: what is not
  // understood gives an observation that says so, with invalid_action set. FailedPrecondition when no
  // task is being played or the episode is done.
  virtual absl::StatusOr<Turn> Step(std::string_view action) = 0;

  // The actions that are valid now, in the environment's own words, complete enough for a random
  // player to be able to solve some task. Never empty while the episode is not done.
  virtual std::vector<std::string> ValidActions() const = 0;

  // From any thread: a Reset or Step under way, or to come, returns soon, with an error. For those that
  // block, when nobody wants the instance any more.
  virtual void Cancel() {}

  // The next action of an expert that solves the task from the present state, with a short thought
  // that names what the action is for (the ReAct form). NotFound when it knows no way on.
  struct Advice {
    std::string thought;   // a phrase, no newline
    std::string action;
  };
  virtual absl::StatusOr<Advice> Expert() = 0;

  // The instructions for the task that is being played, where they differ by task (its words are renamed, say);
  // empty: the Spec's.
  virtual std::string_view Instructions() const { return {}; }

  // The next action of a competent player that pursues *another* goal than the one stated (the
  // first-listed object or recipe, say): one of the mixed crowd that the base policy is cloned from.
  // Falls back to Expert() where the environment has no such player.
  virtual absl::StatusOr<Advice> GoalBlind() { return Expert(); }
};

struct OptionSpec {
  std::string name, default_value, help;
};

struct DifficultySpec {
  int difficulty;
  std::string name;   // e.g. "GoToLocal", "depth 2"
};

// What is fixed about an environment, before any instance exists.
struct Spec {
  std::string name;                         // "babyai"
  std::string instructions;                 // AgentGym's first user turn, verbatim in meaning and form
  std::string acceptance;                   // the fixed assistant turn that answers it
  std::vector<DifficultySpec> difficulties;  // ascending
  std::vector<OptionSpec> options;
  int evaluation_turns = 20;                // the study's turn limit

  // Reset and Step wait for others, up to a time limit, and fail when these do: they are called on
  // threads of their own, and an episode that fails is started again, at most so often.
  bool blocking = false;
  int retries = 0;

  // How AgentGym's client of the environment reads the action out of a response (InvalidArgument: the
  // agent is answered with the message), and a response that it reads so.
  absl::StatusOr<std::string> (*read_action)(std::string_view response) = ParseAction;
  std::string (*write_response)(std::string_view thought, std::string_view action) = FormatReAct;

  Interface interface = {};  // what interface variants need to know of the texts
};

// An environment with its options applied and its shared, immutable data loaded. Thread-safe.
class Environment {
 public:
  virtual ~Environment() = default;
  virtual const Spec& spec() const = 0;

  // How many tasks a split has at a difficulty; generated ones are counted by the generator's range.
  // InvalidArgument names a difficulty that does not exist and lists those that do.
  virtual absl::StatusOr<int64_t> TaskCount(Split split, int difficulty) const = 0;

  // The returned instance keeps a reference to shared data, not to this object.
  virtual std::unique_ptr<Instance> NewInstance() const = 0;
};

// What a folder of an environment's real data holds. A broken file is a fault that names its place; the
// others still load.
struct DataReport {
  struct Found {
    std::string what;   // "games of valid_seen"
    int64_t count = 0;  // usable ones
    std::string gain;   // what the environment can do with them
  };
  std::vector<Found> found;
  std::vector<std::string> faults;  // "PATH:LINE: what is wrong; what to do"
};

// --- registry -------------------------------------------------------------------------------------
// Each environment's folder registers itself in envs/registry.cc, the only place that lists them.

// Names of the environments that are played in this process (all but "remote"), sorted.
std::vector<std::string> Names();

// The fixed facts of an environment. NotFound lists the known names and suggests the nearest.
absl::StatusOr<const Spec*> FindSpec(std::string_view name);

// The options that every environment has, beside its own.
const std::vector<OptionSpec>& CommonOptions();

// Makes an environment. NotFound as FindSpec; InvalidArgument for an unknown option (with a
// suggestion) or an impossible value (with what is possible).
absl::StatusOr<std::unique_ptr<Environment>> Make(std::string_view name, const Options& options = {});

// What `directory` holds for each environment that can use it, by environment. The same folder is given to
// the environments as option "data". NotFound when there is no such directory.
absl::StatusOr<std::map<std::string, DataReport>> CheckData(const std::string& directory);

}  // namespace sojourn::envs

#endif  // SOJOURN_ENVS_ENVIRONMENT_H_
