#include "envs/environment.h"

#include "absl/strings/str_cat.h"

namespace sojourn::envs {

std::string_view SplitName(Split split) { return split == Split::kTrain ? "train" : "test"; }

absl::StatusOr<Split> ParseSplit(std::string_view name) {
  if (name == "train") return Split::kTrain;
  if (name == "test") return Split::kTest;
  return absl::InvalidArgumentError(absl::StrCat("unknown split \"", name, "\"; known: train, test"));
}

}  // namespace sojourn::envs
