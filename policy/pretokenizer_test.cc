#include "policy/pretokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/random.h"
#include "policy/pretokenizer_unicode.h"

namespace sojourn::policy {
namespace {

using Pieces = std::vector<std::pair<std::string, bool>>;

Pieces Find(const Pattern& pattern, std::string_view text) {
  Pieces pieces;
  pattern.Find(text,
               [&](std::string_view piece, bool match) { pieces.emplace_back(piece, match); });
  return pieces;
}

// Random text of the characters that the patterns tell apart.
std::string RandomText(Random* random) {
  static const std::vector<std::string> kPieces = {"'",
                                                   "s",
                                                   "S",
                                                   "l",
                                                   "L",
                                                   "re",
                                                   "VE",
                                                   "m",
                                                   "d",
                                                   "t",
                                                   "a",
                                                   "Zz",
                                                   "1",
                                                   "23",
                                                   " ",
                                                   "  ",
                                                   "\n",
                                                   "\r",
                                                   "\t",
                                                   ".",
                                                   "!?",
                                                   "/",
                                                   "\xC2\xA0",
                                                   "\xC2\x85",
                                                   "\xE3\x80\x80",
                                                   "\xC5\xBF",
                                                   "\xC3\xA9",
                                                   "\xCC\x81",
                                                   "\xE4\xB8\xAD",
                                                   "\xD9\xA3",
                                                   "\xC2\xBD",
                                                   "\xE1\xA0\x8E",
                                                   "\xE2\x80\x8B",
                                                   "\xF0\x9F\x91\x8D",
                                                   "\xF0\x90\xB5\x90",
                                                   "\xF0\x91\xBD\x90",
                                                   "\xE2\x80\xA8"};
  std::string text;
  for (uint64_t n = random->Below(25); n > 0; --n) {
    if (random->Below(12) == 0) {
      uint32_t c = static_cast<uint32_t>(random->Below(kMostCodePoint + 1));
      if (c >= 0xD800 && c < 0xE000) c -= 0x800;
      AppendUtf8(c, &text);
    } else {
      text += kPieces[random->Below(kPieces.size())];
    }
  }
  return text;
}

TEST(Pattern, HandMadeMatchersAgreeWithTheirPatterns) {
  Random random{RandomKey(31)};
  for (const char* regex : {kGpt2Pattern, kLlama3Pattern, kQwen2Pattern}) {
    const Pattern by_hand = *Pattern::Compile(regex);
    const Pattern general = *Pattern::Compile(regex, /*by_hand=*/false);
    for (int round = 0; round < 5000; ++round) {
      const std::string text = RandomText(&random);
      EXPECT_EQ(Find(by_hand, text), Find(general, text)) << text;
    }
  }
}

TEST(Pattern, EveryCharacterIsOfTheSameClassByHandAndByPattern) {
  const std::pair<const char*, uint8_t> kClasses[] = {
      {"\\p{L}", kLetter}, {"\\p{N}", kNumber}, {"\\s", kSpace}, {"\\p{M}", kMark}};
  for (const auto& [regex, bit] : kClasses) {
    const Pattern pattern = *Pattern::Compile(regex);
    std::string text;
    for (uint32_t c = 0; c <= kMostCodePoint; ++c) {
      if (c < 0xD800 || c >= 0xE000) AppendUtf8(c, &text);
    }
    pattern.Find(text, [&, bit = bit, regex = regex](std::string_view piece, bool match) {
      for (size_t at = 0; at < piece.size(); at += CharBytes(piece[at])) {
        const uint32_t c = CodePoint(piece.data() + at);
        ASSERT_EQ((CharClasses()[c] & bit) != 0, match) << regex << " U+" << std::hex << c;
      }
    });
  }
}

TEST(Pattern, PiecesAddUpToTheText) {
  Random random{RandomKey(32)};
  for (const char* regex : {"x*", "a|", "(?=1)", "\\b", "$", "^", "[^a]+?", "\\p{L}+(?!1)"}) {
    const Pattern pattern = *Pattern::Compile(regex);
    for (int round = 0; round < 300; ++round) {
      const std::string text = RandomText(&random);
      std::string joined;
      for (const auto& [piece, match] : Find(pattern, text)) joined += piece;
      EXPECT_EQ(joined, text) << regex;
    }
  }
}

// Compared with PyPI's tokenizers 0.23.
TEST(Pattern, WordCharactersAndScriptsAreOnigurumas) {
  const auto matches = [](const char* regex, std::string_view text) {
    std::vector<std::string> result;
    for (const auto& [piece, match] : Find(*Pattern::Compile(regex), text)) {
      if (match) result.push_back(piece);
    }
    return result;
  };
  using Texts = std::vector<std::string>;
  // A mark, a connector, numbers, a circled A.
  const char kText[] = "e\u0301\u203F1 \u2460\u2082\u00B2x \u24B6";
  EXPECT_EQ(matches("\\w+", kText), Texts({"e\u0301\u203F1", "\u00B2x", "\u24B6"}));
  EXPECT_EQ(matches("[\\w ]+", kText), Texts({"e\u0301\u203F1 ", "x \u24B6"}));
  EXPECT_EQ(matches("\\W+", kText), Texts({" \u2460\u2082", " "}));
  EXPECT_EQ(matches("\\b.", "a\u0301 b"), Texts({"a", " ", "b"}));
  EXPECT_EQ(matches(".\\B", "a\u0301b"), Texts({"a", "\u0301"}));
  // U+3013 is used with Han and is not of it.
  EXPECT_EQ(matches("\\p{Han}+", "\u3013\u4E2D\u6587\u3042"), Texts({"\u4E2D\u6587"}));
  EXPECT_EQ(matches("[^\\p{^Hiragana}]", "\u3042\u30FC"), Texts({"\u3042"}));
}

TEST(Pattern, WhatPcre2ReadsDifferentlyIsRefused) {
  for (const char* regex :
       {"[a&&b]", "[a[b]]", "\\h", "a{,3}", "a{1,3}+", "(?m:a)", "(*UTF)a", "[]a]", "[^]a]", "\\R",
        "(a", "\\p{Nothing}", "\\pL", "[\\W]", "a(?i)b|c"}) {
    EXPECT_FALSE(Pattern::Compile(regex).ok()) << regex;
  }
  for (const char* regex :
       {"(?i:a)", "\\p{L}+", "[\\]a]", "[^\\s\\p{L}]++", "(?<!a)b", "\\x{41}", "(?i)a|b"})
    EXPECT_TRUE(Pattern::Compile(regex).ok()) << regex;
}

}  // namespace
}  // namespace sojourn::policy
