#include "serve/stop_strings.h"

#include <algorithm>
#include <utility>

namespace sojourn::serve {

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {}

size_t StopStrings::PossibleBeginning() const {
  size_t longest = 0;
  const std::string_view held = held_;
  for (const std::string& stop : stops_) {
    for (size_t n = std::min(stop.size() - 1, held.size()); n > longest; --n) {
      if (held.ends_with(std::string_view(stop).substr(0, n))) longest = n;
    }
  }
  return longest;
}

std::string StopStrings::Push(std::string_view piece) {
  if (matched_.has_value()) return "";
  if (stops_.empty()) return std::string(piece);
  // What is held back is shorter than a stop string, so a match ends in the new piece.
  held_.append(piece);
  const std::string* first = nullptr;
  size_t first_end = 0;
  for (const std::string& stop : stops_) {
    const size_t at = held_.find(stop);
    if (at == std::string::npos) continue;
    const size_t end = at + stop.size();
    if (first == nullptr || end < first_end || (end == first_end && stop.size() > first->size())) {
      first = &stop;
      first_end = end;
    }
  }
  std::string shown;
  if (first != nullptr) {
    matched_ = *first;
    shown = held_.substr(0, first_end - first->size());
    held_.clear();
    return shown;
  }
  const size_t sure = held_.size() - PossibleBeginning();
  shown = held_.substr(0, sure);
  held_.erase(0, sure);
  return shown;
}

std::string StopStrings::Flush() { return std::exchange(held_, ""); }

}  // namespace sojourn::serve
