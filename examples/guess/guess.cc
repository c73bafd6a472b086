#include "examples/guess/guess.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/random.h"

namespace sojourn::envs {
namespace {

constexpr int kHighest[] = {10, 30, 100};  // by difficulty, from 1
constexpr int64_t kTasks = 1'000'000;      // of each split and difficulty

// Numbers from 1 to kHighest belong to one split each, so that no test number is ever trained on.
bool IsOfTest(int number) {
  return RandomKey(0).With("guess split").With(static_cast<uint64_t>(number)).value() % 5 == 0;
}

absl::Status CheckDifficulty(int difficulty) {
  if (difficulty >= 1 && difficulty <= 3) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("guess has no difficulty ", difficulty, "; known: 1, 2, 3"));
}

class GuessInstance : public Instance {
 public:
  explicit GuessInstance(bool hints) : hints_(hints) {}

  absl::StatusOr<Turn> Reset(const TaskId& task) override {
    playing_ = false;
    if (absl::Status known = CheckDifficulty(task.difficulty); !known.ok()) return known;
    if (task.index < 0 || task.index >= kTasks) {
      return absl::OutOfRangeError(
          absl::StrCat("guess has no task ", task.index, "; indices are 0 to ", kTasks - 1));
    }
    // The task's name decides everything: the same numbers come out in every process.
    Random random(RandomKey(0)
                      .With("guess")
                      .With(SplitName(task.split))
                      .With(static_cast<uint64_t>(task.difficulty))
                      .With(static_cast<uint64_t>(task.index)));
    high_ = kHighest[task.difficulty - 1];
    do {
      number_ = 1 + static_cast<int>(random.Below(high_));
    } while (IsOfTest(number_) != (task.split == Split::kTest));
    low_ = 1;
    playing_ = true;
    return Turn{absl::StrCat("I think of a number from 1 to ", high_, ". What is it?")};
  }

  absl::StatusOr<Turn> Step(std::string_view action) override {
    if (!playing_) return NotPlaying();
    constexpr std::string_view kGuess = "guess ";
    int guess = 0;
    if (!action.starts_with(kGuess) || !absl::SimpleAtoi(action.substr(kGuess.size()), &guess)) {
      return Turn{.observation = "I do not understand. Say guess and a number.",
                  .invalid_action = true};
    }
    if (guess == number_) {
      playing_ = false;
      return Turn{
          .observation = "That is it!", .reward = 1, .done = true, .success = true, .progress = 1};
    }
    if (!hints_) return Turn{"No."};
    if (guess < number_) {
      low_ = std::max(low_, guess + 1);
      return Turn{"My number is higher."};
    }
    high_ = std::min(high_, guess - 1);
    return Turn{"My number is lower."};
  }

  std::vector<std::string> ValidActions() const override {
    std::vector<std::string> actions;
    for (int number = low_; playing_ && number <= high_; ++number)
      actions.push_back(absl::StrCat("guess ", number));
    return actions;
  }

  absl::StatusOr<Advice> Expert() override {
    if (!playing_) return NotPlaying();
    if (!hints_) return absl::NotFoundError("without hints there is nothing to go by");
    return Advice{absl::StrCat("it is from ", low_, " to ", high_),
                  absl::StrCat("guess ", (low_ + high_) / 2)};
  }

 private:
  static absl::Status NotPlaying() {
    return absl::FailedPreconditionError("no guess task is being played; call Reset first");
  }

  const bool hints_;
  int number_ = 0, low_ = 0, high_ = 0;  // what the hints leave
  bool playing_ = false;
};

class Guess : public Environment {
 public:
  explicit Guess(bool hints) : hints_(hints) {}

  const Spec& spec() const override { return GuessSpec(); }

  absl::StatusOr<int64_t> TaskCount(Split, int difficulty) const override {
    if (absl::Status known = CheckDifficulty(difficulty); !known.ok()) return known;
    return kTasks;
  }

  std::unique_ptr<Instance> NewInstance() const override {
    return std::make_unique<GuessInstance>(hints_);
  }

 private:
  const bool hints_;
};

// What variants may change, and what they must leave alone.
Interface TextInterface() {
  Interface interface;
  interface.verbs = {{"guess", {"try", "say", "propose"}}};
  interface.commands = {"guess NUMBER"};
  interface.lists_no_actions = true;
  interface.sentences = {{"I think of a number from #1 to #2.",
                          {"My number lies between #1 and #2.", "Find a number from #1 to #2."}},
                         {"My number is higher.", {"Too low.", "Go up."}},
                         {"My number is lower.", {"Too high.", "Go down."}}};
  interface.format = "Thought: YOUR THOUGHT\nAction: YOUR ACTION";
  return interface;
}

}  // namespace

const Spec& GuessSpec() {
  static const auto* const spec = new Spec{
      .name = "guess",
      .instructions =
          "Find the number that I think of. You can guess a number; I tell you whether mine is "
          "higher or "
          "lower. Respond in this form:\nThought: YOUR THOUGHT\nAction: YOUR ACTION",
      .acceptance = "OK. I'll follow your instructions and try my best to solve the task.",
      .difficulties = {{1, "to 10"}, {2, "to 30"}, {3, "to 100"}},
      .options = {{"hints", "true",
                   "true: a wrong guess is answered with higher or lower; false: with no"}},
      .evaluation_turns = 12,
      .interface = TextInterface()};
  return *spec;
}

absl::StatusOr<std::unique_ptr<Environment>> MakeGuess(const Options& options) {
  const auto given = options.find("hints");
  const std::string hints = given == options.end() ? "true" : given->second;
  if (hints != "true" && hints != "false") {
    return absl::InvalidArgumentError(
        absl::StrCat("hints: \"", hints, "\" is not possible; use true or false"));
  }
  return std::make_unique<Guess>(hints == "true");
}

}  // namespace sojourn::envs
