#include "envs/searchqa/searchqa.h"

#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "envs/option_values.h"
#include "envs/searchqa/game.h"
#include "envs/searchqa/interface.h"
#include "envs/searchqa/players.h"

namespace sojourn::envs {
namespace {

using searchqa::Game;
using searchqa::Library;

constexpr int kMostResults = 10;
constexpr int kDefaultPassages = 8000;

// What AgentGym's client says before the first observation.
constexpr char kInstructions[] =
    "You must always reason inside <think>...</think> first; if you lack knowledge, issue a "
    "<search>...</search> and then stop; do not generate <information> or <answer> yet; wait for "
    "external input between <information>...</information> before continuing; resume only when new "
    "<information> is given; do not skip steps or anticipate answers early.";

absl::StatusOr<std::string> WholeResponse(std::string_view response) {
  return std::string(response);
}

std::string ThinkAndAct(std::string_view thought, std::string_view action) {
  return absl::StrCat("<think>", thought, "</think>\n", action);
}

class SearchQAInstance : public Instance {
 public:
  SearchQAInstance(std::shared_ptr<const Library> library, int results)
      : library_(std::move(library)), game_(results) {}

  absl::StatusOr<Turn> Reset(const TaskId& task) override {
    is_playing_ = false;
    absl::StatusOr<searchqa::Question> question = library_->Get(task);
    if (!question.ok()) return question.status();
    is_playing_ = true;
    return Turn{game_.Reset(library_->passages(task.split), *std::move(question))};
  }

  absl::StatusOr<Turn> Step(std::string_view action) override {
    if (!is_playing_) return NotPlaying();
    absl::StatusOr<Game::Reply> reply = game_.Step(action);
    if (!reply.ok()) return reply.status();
    is_playing_ = !reply->correct;
    return Turn{.observation = std::move(reply->observation),
                .reward = reply->correct ? 1.0 : 0.0,
                .done = reply->correct,
                .success = reply->correct,
                .invalid_action = !reply->understood,
                .progress = reply->correct ? 1.0 : 0.0};
  }

  std::vector<std::string> ValidActions() const override {
    return is_playing_ ? searchqa::ValidActions(game_) : std::vector<std::string>();
  }

  absl::StatusOr<Advice> Expert() override {
    if (!is_playing_) return NotPlaying();
    return searchqa::ExpertAdvice(game_);
  }

  absl::StatusOr<Advice> GoalBlind() override {
    if (!is_playing_) return NotPlaying();
    return searchqa::GoalBlindAdvice(game_);
  }

 private:
  static absl::Status NotPlaying() {
    return absl::FailedPreconditionError("no searchqa task is being played; call Reset first");
  }

  const std::shared_ptr<const Library> library_;
  Game game_;
  bool is_playing_ = false;
};

class SearchQA : public Environment {
 public:
  SearchQA(std::shared_ptr<const Library> library, int results)
      : library_(std::move(library)), results_(results) {}

  const Spec& spec() const override { return SearchQASpec(); }

  absl::StatusOr<int64_t> TaskCount(Split split, int difficulty) const override {
    return library_->TaskCount(split, difficulty);
  }

  std::unique_ptr<Instance> NewInstance() const override {
    return std::make_unique<SearchQAInstance>(library_, results_);
  }

 private:
  const std::shared_ptr<const Library> library_;
  const int results_;
};

}  // namespace

const Spec& SearchQASpec() {
  static const auto* const spec = new Spec{
      .name = "searchqa",
      .instructions = kInstructions,
      .acceptance = "Ok.",
      .difficulties = {{1, "1 hop"}, {2, "2 hops"}, {3, "3 hops"}},
      .options = {{"data", "",
                   "a folder of questions (*.jsonl) and passages (an index that `sojourn index` "
                   "made, or *.jsonl); empty: a world that is made up"},
                  {"seed", "0", "of the world that is made up"},
                  {"passages", absl::StrCat(kDefaultPassages),
                   absl::StrCat("of each split's world, ", searchqa::kFewestPassages, " to ",
                                searchqa::kMostPassages)},
                  {"results", absl::StrCat(searchqa::kAgentGymResults),
                   absl::StrCat("how many passages a search shows, 1 to ", kMostResults)}},
      .evaluation_turns = 5,
      .read_action = WholeResponse,
      .write_response = ThinkAndAct,
      .interface = searchqa::TextInterface()};
  return *spec;
}

absl::StatusOr<std::shared_ptr<const Library>> LoadSearchQALibrary(const Options& options) {
  OptionValues values(SearchQASpec(), options);
  const uint64_t seed = values.Number("seed", 0, std::numeric_limits<uint64_t>::max());
  const auto passages = static_cast<uint32_t>(
      values.Number("passages", searchqa::kFewestPassages, searchqa::kMostPassages));
  const std::string data = values.Text("data");
  if (!values.status().ok()) return values.status();
  if (data.empty()) return Library::Generate(seed, passages);
  DataReport report;
  return Library::Load(data, &report);
}

absl::StatusOr<std::unique_ptr<Environment>> MakeSearchQA(const Options& options) {
  OptionValues values(SearchQASpec(), options);
  const auto results = static_cast<int>(values.Number("results", 1, kMostResults));
  if (!values.status().ok()) return values.status();
  auto library = LoadSearchQALibrary(options);
  if (!library.ok()) return library.status();
  return std::make_unique<SearchQA>(*std::move(library), results);
}

DataReport CheckSearchQAData(const std::string& directory) {
  DataReport report;
  const auto library = Library::Load(directory, &report);
  // A folder with nothing of SearchQA's is no fault of SearchQA's.
  if (!library.ok() && !report.found.empty()) {
    report.faults.push_back(std::string(library.status().message()));
  }
  return report;
}

}  // namespace sojourn::envs
