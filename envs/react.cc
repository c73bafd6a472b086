#include "envs/react.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "envs/python_text.h"

namespace sojourn::envs {

std::string FormatReAct(std::string_view thought, std::string_view action) {
  return absl::StrCat("Thought: ", thought, "\nAction: ", action);
}

// The clients search for Action:\s*(.*?)(?=\n|$) with a dot that matches newlines. After the
// spaces, which may span lines, that takes all up to the next newline.
absl::StatusOr<std::string> ParseAction(std::string_view response) {
  constexpr std::string_view kMarker = "Action:";
  std::string_view action;
  int found = 0;
  for (size_t at = response.find(kMarker); at != std::string_view::npos;
       at = response.find(kMarker)) {
    if (++found > 1) {
      return absl::InvalidArgumentError(
          "Error: Only one 'Action' is allowed per response. Please adjust your response.");
    }
    response.remove_prefix(at + kMarker.size());
    response.remove_prefix(LeadingSpace(response));
    const size_t end = std::min(response.find('\n'), response.size());
    action = response.substr(0, end);
    response.remove_prefix(end);
  }
  return CleanAction(action);
}

std::string CleanAction(std::string_view action) {
  std::string clean;
  for (const char c : action) {
    const bool is_space = c == ' ';
    if (!absl::ascii_isalnum(c) && c != ',' && !is_space) continue;
    if (is_space && (clean.empty() || clean.back() == ' ')) continue;
    clean += c;
  }
  if (!clean.empty() && clean.back() == ' ') clean.pop_back();
  return clean;
}

}  // namespace sojourn::envs
