#include <algorithm>
#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/suggest.h"
#include "envs/alfworld/alfworld.h"
#include "envs/babyai/babyai.h"
#include "envs/environment.h"
#include "envs/measured_tasks.h"
#include "envs/remote/remote.h"
#include "envs/searchqa/searchqa.h"
#include "envs/textcraft/textcraft.h"
#include "envs/variants/variants.h"
#include "envs/webshop/webshop.h"

namespace sojourn::envs {
namespace {

struct Entry {
  const Spec& (*spec)();
  absl::StatusOr<std::unique_ptr<Environment>> (*make)(const Options&);
  DataReport (*check_data)(const std::string& directory);  // null: needs no data
};

constexpr Entry kEntries[] = {
    {AlfWorldSpec, MakeAlfWorld, CheckAlfWorldData},
    {BabyAISpec, MakeBabyAI, nullptr},
    {RemoteSpec, MakeRemote, nullptr},
    {SearchQASpec, MakeSearchQA, CheckSearchQAData},
    {TextCraftSpec, MakeTextCraft, nullptr},
    {WebShopSpec, MakeWebShop, CheckWebShop},
};

absl::StatusOr<const Entry*> FindEntry(std::string_view name) {
  for (const Entry& entry : kEntries) {
    if (entry.spec().name == name) return &entry;
  }
  return absl::NotFoundError(absl::StrCat("unknown environment \"", name, "\"; known: ",
                                          absl::StrJoin(Names(), ", "), ", remote", Suggest(name, Names())));
}

absl::StatusOr<std::unique_ptr<Environment>> MakeWith(const Entry& entry, Options options) {
  const auto take = [&](const char* name) {
    auto taken = options.extract(name);
    return taken.empty() ? std::string() : std::move(taken.mapped());
  };
  const std::string variants = take("variants"), seed = take("variant_seed");
  const std::string tasks = take("tasks_by"), cut = take("tasks_cut");
  auto made = entry.make(options);
  if (!made.ok()) return made;
  if (!tasks.empty()) {
    made = ByMeasuredDifficulty(*std::move(made), options, tasks, cut.empty() ? "50%" : cut);
    if (!made.ok()) return made;
  } else if (!cut.empty()) {
    return absl::InvalidArgumentError("tasks_cut: needs tasks_by, a file of `sojourn difficulty`");
  }
  if (variants.empty() && seed.empty()) return made;
  uint64_t number = 0;
  if (!seed.empty() && !absl::SimpleAtoi(seed, &number)) {
    return absl::InvalidArgumentError(
        absl::StrCat("variant_seed: \"", seed, "\" is not a whole number from 0 on"));
  }
  return Vary(*std::move(made), variants, number);
}

}  // namespace

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const Entry& entry : kEntries) {
    if (!entry.spec().blocking) names.push_back(entry.spec().name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<const Spec*> FindSpec(std::string_view name) {
  const absl::StatusOr<const Entry*> entry = FindEntry(name);
  if (!entry.ok()) return entry.status();
  return &(*entry)->spec();
}

absl::StatusOr<std::unique_ptr<Environment>> Make(std::string_view name, const Options& options) {
  const absl::StatusOr<const Entry*> entry = FindEntry(name);
  if (!entry.ok()) return entry.status();
  std::vector<std::string> known;
  for (const OptionSpec& option : (*entry)->spec().options) known.push_back(option.name);
  for (const OptionSpec& option : CommonOptions()) known.push_back(option.name);
  for (const auto& [option, value] : options) {
    if (std::find(known.begin(), known.end(), option) != known.end()) continue;
    return absl::InvalidArgumentError(absl::StrCat(name, " has no option \"", option,
                                                   "\"; known: ", absl::StrJoin(known, ", "),
                                                   Suggest(option, known)));
  }
  auto environment = MakeWith(**entry, options);
  if (environment.ok()) return environment;
  return absl::Status(environment.status().code(),
                      absl::StrCat(name, ": ", environment.status().message()));
}

const std::vector<OptionSpec>& CommonOptions() {
  static const auto& options = *new std::vector<OptionSpec>{
      {"variants", "", "another interface of the same tasks: names joined by +, such as verbs+no-actions"},
      {"variant_seed", "0", "of what the variants choose"},
      {"tasks_by", "", "a file of `sojourn difficulty`: its tasks, as difficulties 1 easy, 2 medium, 3 hard"},
      {"tasks_cut", "50%",
       "rates of success, or shares of the tasks, that divide hard from easy: 0.5, 50%, 0.25-0.75"}};
  return options;
}

absl::StatusOr<std::map<std::string, DataReport>> CheckData(const std::string& directory) {
  std::error_code error;
  if (!std::filesystem::is_directory(directory, error)) {
    return absl::NotFoundError(absl::StrCat(directory, ": no such directory"));
  }
  std::map<std::string, DataReport> reports;
  for (const Entry& entry : kEntries) {
    if (entry.check_data != nullptr) reports[entry.spec().name] = entry.check_data(directory);
  }
  return reports;
}

}  // namespace sojourn::envs
