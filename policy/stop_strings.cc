#include "policy/stop_strings.h"

#include <algorithm>
#include <utility>

namespace sojourn::policy {

std::function<bool(int32_t)> StopAtStrings(std::vector<std::string> strings,
                                           std::function<std::string(int32_t)> bytes) {
  std::erase(strings, "");
  size_t longest = 0;
  for (const std::string& string : strings) longest = std::max(longest, string.size());
  return [strings = std::move(strings), bytes = std::move(bytes), longest,
          tail = std::string()](int32_t token) mutable {
    tail += bytes(token);
    const bool found = std::any_of(strings.begin(), strings.end(), [&](const std::string& string) {
      return tail.find(string) != std::string::npos;
    });
    if (tail.size() >= longest) tail.erase(0, tail.size() - std::max<size_t>(longest, 1) + 1);
    return found;
  };
}

}  // namespace sojourn::policy
