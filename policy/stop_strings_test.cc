#include "policy/stop_strings.h"

#include <gtest/gtest.h>

namespace sojourn::policy {
namespace {

// Where the text, cut into tokens of `size` bytes, is stopped: the number of tokens, or 0.
int StoppedAfter(std::vector<std::string> strings, const std::string& text, size_t size) {
  const auto stop = StopAtStrings(std::move(strings),
                                  [&](int32_t token) { return text.substr(token * size, size); });
  for (int32_t token = 0; token * size < text.size(); ++token) {
    if (stop(token)) return token + 1;
  }
  return 0;
}

TEST(StopStrings, AreFoundWhereverTokensEnd) {
  for (size_t size = 1; size < 9; ++size) {
    const int expected = static_cast<int>((7 + size - 1) / size);
    EXPECT_EQ(StoppedAfter({"\nUser"}, "ok\nUser: hello", size), expected) << size;
    EXPECT_EQ(StoppedAfter({"never", "User", ""}, "ok\nUser: hello", size), expected) << size;
    EXPECT_EQ(StoppedAfter({"aab"}, "aaaab--", size), (5 + size - 1) / size) << size;
    EXPECT_EQ(StoppedAfter({"xyz"}, "xy-yz-x-z", size), 0) << size;
    EXPECT_EQ(StoppedAfter({""}, "text", size), 0) << size;
    EXPECT_EQ(StoppedAfter({}, "text", size), 0) << size;
  }
}

}  // namespace
}  // namespace sojourn::policy
