#include "serve/stop_strings.h"

#include <gtest/gtest.h>

#include <random>

namespace sojourn::serve {
namespace {

TEST(StopStrings, WithoutAnyTheTextPassesThrough) {
  StopStrings stops({});
  EXPECT_EQ(stops.Push("any"), "any");
  EXPECT_EQ(stops.Push("thing"), "thing");
  EXPECT_EQ(stops.Flush(), "");
  EXPECT_FALSE(stops.matched().has_value());
}

TEST(StopStrings, HoldsBackWhatMayBeTheBeginningOfOne) {
  StopStrings stops({"</answer>"});
  EXPECT_EQ(stops.Push("42</ans"), "42");
  EXPECT_EQ(stops.Push("w"), "");
  EXPECT_EQ(stops.Push("ers>"), "</answers>");  // it was none
  EXPECT_EQ(stops.Push("<"), "");
  EXPECT_EQ(stops.Push("</answer>"), "<");  // a false start just before it
  EXPECT_EQ(stops.matched(), "</answer>");
  EXPECT_EQ(stops.Push("more"), "");
}

TEST(StopStrings, FlushGivesBackAnUnfinishedBeginning) {
  StopStrings stops({"STOP"});
  EXPECT_EQ(stops.Push("so STO"), "so ");
  EXPECT_EQ(stops.Flush(), "STO");
  EXPECT_FALSE(stops.matched().has_value());
}

TEST(StopStrings, TheOneCompletedFirstWins) {
  StopStrings stops({"bcd", "b", "abc"});
  EXPECT_EQ(stops.Push("xabcd"), "xa");
  EXPECT_EQ(stops.matched(), "b");
  StopStrings together({"c", "abc"});
  EXPECT_EQ(together.Push("xabc"), "x");
  EXPECT_EQ(together.matched(), "abc");
}

TEST(StopStrings, HowTheTextIsCutChangesNothing) {
  constexpr uint32_t kSeed = 7;
  RecordProperty("seed", kSeed);
  std::mt19937 random(kSeed);
  const auto word = [&](size_t most) {
    std::string text(1 + random() % most, 'a');
    for (char& c : text) c = "ab"[random() % 2];
    return text;
  };
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> stops = {word(5), word(5)};
    const std::string text = word(12);
    const auto shown = [&](bool whole) {
      StopStrings matcher(stops);
      std::string out;
      for (size_t at = 0; at < text.size();) {
        const size_t n = whole ? text.size() : 1 + random() % 3;
        out += matcher.Push(text.substr(at, n));
        at += n;
        // What is shown is never taken back, so it holds no stop string.
        for (const std::string& stop : stops) EXPECT_EQ(out.find(stop), std::string::npos) << text;
      }
      out += matcher.Flush();
      return std::pair(out, matcher.matched());
    };
    EXPECT_EQ(shown(true), shown(false)) << text << " stops " << stops[0] << ", " << stops[1];
  }
}

}  // namespace
}  // namespace sojourn::serve
