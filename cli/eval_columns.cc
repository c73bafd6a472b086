#include "cli/eval_columns.h"

#include <algorithm>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "envs/environment.h"

namespace sojourn::cli {
namespace {

constexpr const char* kForm =
    "expected TYPE:DIFFICULTIES[,OPTION=VALUE...], such as babyai:5, babyai:1-8,19 or textcraft:all,recipes=fresh";

// "5" or "1-8"; the range's ends may be difficulties that do not exist.
absl::Status AddDifficulties(const std::string& text, const envs::Spec& spec, std::vector<int>& out) {
  std::vector<std::string> known;
  for (const envs::DifficultySpec& d : spec.difficulties) known.push_back(absl::StrCat(d.difficulty));
  const auto fault = [&](const std::string& why) {
    return absl::InvalidArgumentError(
        absl::StrCat(why, "; ", spec.name, " has difficulties ", absl::StrJoin(known, ", "), ", or all"));
  };
  std::vector<int> found;
  int low = 0, high = 0;
  const std::vector<std::string> ends = absl::StrSplit(text, '-');
  if (text == "all") {
    for (const envs::DifficultySpec& d : spec.difficulties) found.push_back(d.difficulty);
  } else if (ends.size() == 2 && absl::SimpleAtoi(ends[0], &low) && absl::SimpleAtoi(ends[1], &high)) {
    for (const envs::DifficultySpec& d : spec.difficulties) {
      if (d.difficulty >= low && d.difficulty <= high) found.push_back(d.difficulty);
    }
    if (found.empty()) return fault(absl::StrCat("no difficulty from ", low, " to ", high));
  } else if (absl::SimpleAtoi(text, &low)) {
    if (std::find(known.begin(), known.end(), absl::StrCat(low)) == known.end()) {
      return fault(absl::StrCat("no difficulty ", low));
    }
    found.push_back(low);
  } else {
    return fault(absl::StrCat("\"", text, "\" is neither a difficulty nor OPTION=VALUE"));
  }
  for (const int difficulty : found) {
    if (std::find(out.begin(), out.end(), difficulty) == out.end()) out.push_back(difficulty);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status AddColumns(const std::string& text, const ColumnOptions& options, v1::JobConfig* config) {
  const auto fault = [&](std::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("--env ", text, ": ", why));
  };
  const std::vector<std::string> parts = absl::StrSplit(text, ',');
  const std::vector<std::string> place = absl::StrSplit(parts[0], absl::MaxSplits(':', 1));
  v1::Environment environment;
  environment.set_type(place[0]);
  std::string name = place[0];
  std::vector<std::string> difficulties(place.begin() + 1, place.end());
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::vector<std::string> option = absl::StrSplit(parts[i], absl::MaxSplits('=', 1));
    if (option.size() == 2 && !option[0].empty()) {
      (*environment.mutable_options())[option[0]] = option[1];
      absl::StrAppend(&name, ",", parts[i]);
    } else {
      difficulties.push_back(parts[i]);
    }
  }
  environment.set_name(name);
  const auto made = envs::Make(environment.type(),
                               envs::Options(environment.options().begin(), environment.options().end()));
  if (!made.ok()) return fault(made.status().message());
  if (difficulties.empty()) return fault(absl::StrCat("no difficulty; ", kForm));
  std::vector<int> wanted;
  for (const std::string& part : difficulties) {
    if (absl::Status added = AddDifficulties(part, (*made)->spec(), wanted); !added.ok()) return fault(added.message());
  }
  const auto same_name = [&](const v1::Environment& other) { return other.name() == name; };
  if (std::none_of(config->environments().begin(), config->environments().end(), same_name)) {
    *config->add_environments() = environment;
  }
  v1::Evaluation& evaluation = *config->mutable_evaluation();
  for (const int difficulty : wanted) {
    for (const std::string& split : options.splits) {
      const auto parsed = envs::ParseSplit(split);
      if (!parsed.ok()) return absl::InvalidArgumentError(absl::StrCat("--split: ", parsed.status().message()));
      const auto count = (*made)->TaskCount(*parsed, difficulty);
      if (!count.ok()) return fault(count.status().message());
      if (*count < evaluation.tasks()) {
        return fault(absl::StrCat("difficulty ", difficulty, " has ", *count, " ", split, " tasks, but --tasks is ",
                                  evaluation.tasks(), *count > 0 ? absl::StrCat("; give --tasks ", *count) : ""));
      }
      for (const std::string& variant : options.variants) {
        v1::EvaluationCell cell;
        cell.set_environment(name);
        cell.set_difficulty(difficulty);
        cell.set_split(split);
        cell.set_variant(variant);
        cell.set_max_turns(options.max_turns > 0 ? options.max_turns : (*made)->spec().evaluation_turns);
        const auto same = [&](const v1::EvaluationCell& other) {
          return other.SerializeAsString() == cell.SerializeAsString();
        };
        if (std::none_of(evaluation.cells().begin(), evaluation.cells().end(), same)) *evaluation.add_cells() = cell;
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace sojourn::cli
