// Finds stop strings in text that arrives in pieces, and never lets a part of one out.
#ifndef SOJOURN_SERVE_STOP_STRINGS_H_
#define SOJOURN_SERVE_STOP_STRINGS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sojourn::serve {

class StopStrings {
 public:
  explicit StopStrings(std::vector<std::string> stops);  // none of them empty

  // The text that can be shown now: up to what may be the beginning of a stop string, or up to the
  // stop string that is complete first (of two that end together, the longer). How the text is cut
  // into pieces does not change what is shown in all. Nothing after a match.
  std::string Push(std::string_view piece);
  // At the text's end: what was held back and is no stop string after all.
  std::string Flush();

  const std::optional<std::string>& matched() const { return matched_; }

 private:
  // The most bytes at the end of `held_` that are the beginning of a stop string.
  size_t PossibleBeginning() const;

  const std::vector<std::string> stops_;
  std::string held_;
  std::optional<std::string> matched_;
};

}  // namespace sojourn::serve

#endif  // SOJOURN_SERVE_STOP_STRINGS_H_
