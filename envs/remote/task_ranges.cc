#include "envs/remote/task_ranges.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace sojourn::envs::remote {
namespace {

constexpr int64_t kLargest = int64_t{1} << 53;  // what every server's JSON takes for a whole number
constexpr int kLargestDifficulty = 1000;

bool ReadNumber(std::string_view text, int64_t& value) {
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos &&
         absl::SimpleAtoi(text, &value) && value <= kLargest;
}

}  // namespace

absl::StatusOr<TaskRanges> TaskRanges::Parse(std::string_view text) {
  TaskRanges parsed;
  if (text.empty()) return parsed;
  for (const absl::string_view split : absl::StrSplit(text, ',')) {
    const std::string_view part(absl::StripAsciiWhitespace(split));
    const auto fault = [&](std::string_view why) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", part, "\": ", why, "; expected FIRST-LAST, one number, FIRST-LAST/STEP, or "
                       "any of them after DIFFICULTY:"));
    };
    std::string_view rest = part;
    int64_t difficulty = 1;
    if (const size_t colon = rest.find(':'); colon != rest.npos) {
      if (!ReadNumber(rest.substr(0, colon), difficulty) || difficulty > kLargestDifficulty) {
        return fault("the difficulty is none");
      }
      rest.remove_prefix(colon + 1);
    }
    Range range{0, 1, 1};
    if (const size_t slash = rest.find('/'); slash != rest.npos) {
      if (!ReadNumber(rest.substr(slash + 1), range.step) || range.step == 0) {
        return fault("the step is none");
      }
      rest = rest.substr(0, slash);
    }
    const size_t dash = rest.find('-');
    int64_t last = 0;
    if (!ReadNumber(rest.substr(0, dash), range.first)) return fault("not a number");
    last = range.first;
    if (dash != rest.npos && !ReadNumber(rest.substr(dash + 1), last)) return fault("not a number");
    if (last < range.first) return fault("the last comes before the first");
    range.count = (last - range.first) / range.step + 1;
    parsed.ranges_[static_cast<int>(difficulty)].push_back(range);
    parsed.counts_[static_cast<int>(difficulty)] += range.count;
    if (parsed.ranges_[static_cast<int>(difficulty)].size() > 10000) return fault("too many ranges");
  }
  return parsed;
}

int64_t TaskRanges::Count(int difficulty) const {
  const auto found = counts_.find(difficulty);
  return found == counts_.end() ? 0 : found->second;
}

absl::StatusOr<int64_t> TaskRanges::Number(int difficulty, int64_t index) const {
  if (index >= 0 && index < Count(difficulty)) {
    for (const Range& range : ranges_.at(difficulty)) {
      if (index < range.count) return range.first + index * range.step;
      index -= range.count;
    }
  }
  return absl::OutOfRangeError(absl::StrCat("task ", index, " of difficulty ", difficulty,
                                            ": there are ", Count(difficulty)));
}

}  // namespace sojourn::envs::remote
