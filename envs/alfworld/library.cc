#include "envs/alfworld/library.h"

#include <filesystem>
#include <map>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/random.h"
#include "envs/alfworld/game_file.h"
#include "envs/alfworld/game_folder.h"
#include "envs/alfworld/play.h"

namespace sojourn::envs::alfworld {
namespace {

constexpr int64_t kTasks = int64_t{1} << 40;  // made-up ones of a split and a kind
constexpr int kTestPeriod = 5;
constexpr std::array<int64_t, 2> kAgentGymGames = {2420, 200};
constexpr size_t kMostFaults = 20;
constexpr std::array<Split, 2> kSplits = {Split::kTrain, Split::kTest};
constexpr std::string_view kLabels[] = {"train", "valid_train", "valid_seen", "valid_unseen"};

// The last folder of a path whose name is a split's.
std::string LabelOf(const std::string& path) {
  std::string label;
  for (const std::filesystem::path& part : std::filesystem::path(path)) {
    for (const std::string_view known : kLabels) {
      if (part == known) label = known;
    }
  }
  return label;
}

// "FOLDER/FOLDER" before the file's name, as AgentGym tells a task's type.
std::string TitleOf(const std::string& path) {
  const std::filesystem::path trial = std::filesystem::path(path).parent_path();
  return (trial.parent_path().filename() / trial.filename()).string();
}

struct Loaded {
  std::string path, label;
  std::shared_ptr<const Game> game;
  Split split = Split::kTrain;
};

void Divide(std::vector<Loaded>& games) {
  const bool has_train = std::any_of(games.begin(), games.end(),
                                     [](const Loaded& game) { return game.label == "train"; });
  std::array<int64_t, 2> counts{};
  for (Loaded& game : games) {
    const bool is_test = game.label == "valid_seen" || game.label == "valid_unseen" ||
                         (game.label == "valid_train" && has_train);
    game.split = is_test ? Split::kTest : Split::kTrain;
    ++counts[is_test ? 1 : 0];
  }
  if (counts[0] > 0 && counts[1] > 0) return;
  for (Loaded& game : games) {
    const bool is_test =
        RandomKey(0).With("alfworld split").With(game.path).value() % kTestPeriod == 0;
    game.split = is_test ? Split::kTest : Split::kTrain;
  }
}

}  // namespace

std::shared_ptr<const Library> Library::Generate(uint64_t seed, int receptacles) {
  auto library = std::make_shared<Library>();
  library->is_generated_ = true;
  library->seed_ = seed;
  library->receptacles_ = receptacles;
  return library;
}

absl::StatusOr<std::shared_ptr<const Library>> Library::Load(const std::string& folder,
                                                             DataReport* report) {
  std::vector<Loaded> games;
  GameReader reader;
  size_t faults = 0;
  ForEachGameFile(folder, [&](const std::string& name, const std::string& place,
                              absl::StatusOr<std::string> text) {
    auto file = text.ok() ? reader.Parse(*text) : absl::StatusOr<GameFile>(text.status());
    std::string fault;
    if (!file.ok()) {
      fault = std::string(file.status().message());
    } else if (!file->game->goal().aim().has_value()) {
      fault = "pddl_problem: its goal is of none of ALFWorld's six kinds";
    } else if (Play(file->game).won()) {
      fault = "pddl_problem: its goal is reached from the start";
    }
    if (fault.empty()) {
      games.push_back({name, LabelOf(name), std::move(file->game)});
    } else if (++faults <= kMostFaults) {
      report->faults.push_back(absl::StrCat(place, ": ", fault));
    }
  });
  if (faults > kMostFaults) {
    report->faults.push_back(absl::StrCat("... and ", faults - kMostFaults, " more"));
  }
  if (games.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(folder, ": has no games; expected ALFWorld's game.tw-pddl in folders below"));
  }
  Divide(games);

  absl::flat_hash_set<std::string> shown;
  for (const Loaded& game : games) {
    if (game.split == Split::kTest) shown.insert(Play(game.game).Intro());
  }
  auto library = std::make_shared<Library>();
  std::map<std::string, int64_t> counts, left_out;
  for (Loaded& game : games) {
    if (game.split == Split::kTrain && shown.contains(Play(game.game).Intro())) {
      ++left_out[game.label];
      continue;
    }
    ++counts[absl::StrCat("games of ", game.label.empty() ? "the folder" : game.label,
                          game.split == Split::kTrain ? ", to train on" : ", to test with")];
    const auto kind = static_cast<int>(game.game->goal().aim()->kind);
    library->loaded_[static_cast<int>(game.split)][kind].push_back(
        {std::move(game.game), TitleOf(game.path)});
  }
  for (const auto& [what, count] : counts) report->found.push_back({what, count, "tasks"});
  for (const auto& [label, count] : left_out) {
    report->found.push_back(
        {absl::StrCat("games of ", label.empty() ? "the folder" : label, ", left out"), count,
         "nothing: a test task shows the same at its start"});
  }
  return library;
}

int64_t Library::Count(Split split, int difficulty) const {
  if (difficulty < 1 || difficulty > kKinds) return 0;
  if (is_generated_) return kTasks;
  return static_cast<int64_t>(loaded_[static_cast<int>(split)][difficulty].size());
}

absl::StatusOr<int64_t> Library::TaskCount(Split split, int difficulty) const {
  const int64_t count = Count(split, difficulty);
  if (count > 0) return count;
  std::vector<std::string> known;
  for (int other = 1; other <= kKinds; ++other) {
    if (Count(split, other) > 0) known.push_back(absl::StrCat(other));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("alfworld has no ", std::string(SplitName(split)), " games of difficulty ",
                   difficulty, "; known: ", absl::StrJoin(known, ", "), " (the kind of task)"));
}

absl::StatusOr<Library::Entry> Library::Get(const TaskId& task) const {
  const absl::StatusOr<int64_t> count = TaskCount(task.split, task.difficulty);
  if (!count.ok()) return count.status();
  if (task.index < 0 || task.index >= *count) {
    return absl::OutOfRangeError(
        absl::StrCat("alfworld has no ", std::string(SplitName(task.split)), " task ", task.index,
                     " of difficulty ", task.difficulty, "; indices are 0 to ", *count - 1));
  }
  if (!is_generated_) {
    return loaded_[static_cast<int>(task.split)][task.difficulty][task.index];
  }
  Household household = MakeHousehold(seed_, task.split, static_cast<Kind>(task.difficulty),
                                      task.index, receptacles_);
  auto game = MakeGame(household);
  if (!game.ok()) return game.status();
  return Entry{*std::move(game), absl::StrCat(household.title, "/",
                                              std::string(SplitName(task.split)), "_", task.index)};
}

int64_t Library::games() const {
  if (is_generated_) return kAgentGymGames[0] + kAgentGymGames[1];
  int64_t games = 0;
  for (const Split split : kSplits) {
    for (int kind = 1; kind <= kKinds; ++kind) games += Count(split, kind);
  }
  return games;
}

TaskId Library::Numbered(int64_t game) const {
  if (is_generated_) {
    const bool is_test = game >= kAgentGymGames[0];
    if (is_test) game -= kAgentGymGames[0];
    return {is_test ? Split::kTest : Split::kTrain, static_cast<int>(game % kKinds) + 1,
            game / kKinds};
  }
  for (const Split split : kSplits) {
    for (int kind = 1; kind <= kKinds; ++kind) {
      const int64_t count = Count(split, kind);
      if (game < count) return {split, kind, game};
      game -= count;
    }
  }
  return {};
}

}  // namespace sojourn::envs::alfworld
