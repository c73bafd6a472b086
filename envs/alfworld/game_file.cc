#include "envs/alfworld/game_file.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "envs/alfworld/problem.h"
#include "envs/alfworld/rules.h"

namespace sojourn::envs::alfworld {
namespace {

using nlohmann::json;

constexpr size_t kMostKept = 64;  // texts of each kind

absl::Status In(std::string_view part, const absl::Status& status) {
  return absl::InvalidArgumentError(absl::StrCat(part, ": ", status.message()));
}

}  // namespace

absl::StatusOr<GameFile> GameReader::Parse(std::string_view text) {
  const json file = json::parse(text, nullptr, false);
  if (!file.is_object()) {
    return absl::InvalidArgumentError("no JSON object; is the file cut short?");
  }
  for (const char* part : {"pddl_domain", "grammar", "pddl_problem"}) {
    if (!file.contains(part) || !file[part].is_string()) {
      return absl::InvalidArgumentError(absl::StrCat("no text \"", part, "\" in it"));
    }
  }
  const auto& domain = file["pddl_domain"].get_ref<const std::string&>();
  if (rules_.size() > kMostKept) rules_.clear();
  auto rules = rules_.find(domain);
  if (rules == rules_.end()) rules = rules_.emplace(domain, ReadDomain(domain)).first;
  if (!rules->second.ok()) return In("pddl_domain", rules->second.status());

  auto split = Grammar::SplitTask(file["grammar"].get_ref<const std::string&>());
  if (!split.ok()) return In("grammar", split.status());
  auto& [words, task] = *split;
  const std::string key = absl::StrCat(rules->second->has_help ? "help " : "", words);
  if (grammars_.size() > kMostKept) grammars_.clear();
  auto grammar = grammars_.find(key);
  if (grammar == grammars_.end()) {
    grammar = grammars_.emplace(key, Grammar::Parse(words, *rules->second)).first;
  }
  if (!grammar->second.ok()) return In("grammar", grammar->second.status());

  const auto problem = ParseProblem(file["pddl_problem"].get_ref<const std::string&>());
  if (!problem.ok()) return In("pddl_problem", problem.status());
  auto game = Game::Make(*problem, *rules->second, *grammar->second, std::move(task));
  if (!game.ok()) return In("pddl_problem", game.status());
  GameFile result{*std::move(game), {}};
  if (file.contains("walkthrough") && file["walkthrough"].is_array()) {
    for (const json& command : file["walkthrough"]) {
      if (command.is_string()) result.walkthrough.push_back(command.get<std::string>());
    }
  }
  return result;
}

absl::StatusOr<GameFile> GameReader::Read(const std::string& path) {
  const auto text = ReadFile(path, kMostGameBytes);
  if (!text.ok()) return text.status();
  auto file = Parse(*text);
  if (file.ok()) return file;
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", file.status().message()));
}

}  // namespace sojourn::envs::alfworld
