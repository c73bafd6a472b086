#include "envs/search/english_analyzer.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::search {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words;
  WordReader reader(text);
  for (auto word = reader.Next(); !word.empty(); word = reader.Next()) words.emplace_back(word);
  return words;
}

TEST(WordReaderTest, JoinsLettersAndDigitsAndWhatStandsBetweenThem) {
  EXPECT_THAT(Words("T-shirt, 3.5mm 1,000 men's U.S.A. color:red 12:30 a_b __ _x x'"),
              ElementsAre("T", "shirt", "3.5mm", "1,000", "men's", "U.S.A", "color:red", "12", "30",
                          "a_b", "_x", "x"));
  EXPECT_THAT(Words("18*18 90% $3.99 fs4/30 3,a a,3 1.a"),
              ElementsAre("18", "18", "90", "3.99", "fs4", "30", "3", "a", "a", "3", "1", "a"));
}

TEST(WordReaderTest, KnowsOtherScripts) {
  EXPECT_THAT(Words("caf\u00e9 \u4e2d\u6587 \u30ab\u30bf\u3042\u3044 \u0e01\u0e02\u0e03"),
              ElementsAre("caf\u00e9", "\u4e2d", "\u6587", "\u30ab\u30bf", "\u3042", "\u3044",
                          "\u0e01\u0e02\u0e03"));
  EXPECT_THAT(Words("e\u0301tude"), ElementsAre("e\u0301tude"));
}

TEST(WordReaderTest, EmojiAndPictogramsAreWords) {
  EXPECT_THAT(Words("\u2764\ufe0f\u2605\u25b8\u2122"),
              ElementsAre("\u2764\ufe0f", "\u2605", "\u2122"));
  EXPECT_THAT(Words("\U0001F468\u200d\U0001F469 \U0001F1E9\U0001F1EA"),
              ElementsAre("\U0001F468\u200d\U0001F469", "\U0001F1E9\U0001F1EA"));
}

TEST(WordReaderTest, LongRunsAreCutAndBrokenBytesSeparate) {
  const auto words = Words(std::string(600, 'a') + "\xff\xc3" + "b");
  ASSERT_EQ(words.size(), 4);
  EXPECT_EQ(words[0].size(), 255);
  EXPECT_EQ(words[2].size(), 90);
  EXPECT_EQ(words[3], "b");
  EXPECT_THAT(Words("\xe2\x82"), IsEmpty());
}

TEST(EnglishAnalyzerTest, DropsPossessivesAndStopWordsAndStems) {
  EXPECT_THAT(EnglishTerms("The Women's shoes, for WALKING and running with the dogs'"),
              ElementsAre("women", "shoe", "walk", "run", "dog"));
  EXPECT_THAT(EnglishTerms("men\u2019s \u00c9tudes"), ElementsAre("men", "\u00e9tude"));
  EXPECT_THAT(EnglishTerms("the of ! "), IsEmpty());
  EXPECT_THAT(EnglishTerms(""), IsEmpty());
}

}  // namespace
}  // namespace sojourn::envs::search
