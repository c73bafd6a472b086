#include "common/json.h"

#include <gtest/gtest.h>

#include <string>

namespace sojourn {
namespace {

std::string Nested(int depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(ParseJson, TakesWhatIsNestedAsDeepAsAllowedAndNoDeeper) {
  EXPECT_TRUE(ParseJson(Nested(kMaxJsonDepth)).is_array());
  EXPECT_TRUE(ParseJson(Nested(kMaxJsonDepth + 1)).is_discarded());
  EXPECT_TRUE(ParseJson(Nested(1 << 20)).is_discarded());
  EXPECT_TRUE(ParseJson(std::string(1 << 20, '{')).is_discarded());
}

TEST(ParseJson, BracketsInTextsAreNoNesting) {
  const std::string brackets(1000, '[');
  EXPECT_EQ(ParseJson("\"\\\"" + brackets + "\""), "\"" + brackets);
  EXPECT_EQ(JsonDepth(R"({"a": ["]\\", {"b": 1}], "c": []})"), 3);
}

TEST(ParseJson, WhatIsNoJsonIsDiscarded) {
  for (const char* text : {"", "{", "]", "\"", "\"\\", "\xff", "1 2", "NaN"}) {
    EXPECT_TRUE(ParseJson(text).is_discarded()) << text;
  }
}

}  // namespace
}  // namespace sojourn
