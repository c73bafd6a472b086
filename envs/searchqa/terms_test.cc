#include "envs/searchqa/terms.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::searchqa {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Terms(std::string_view text) {
  std::vector<std::string> terms;
  TermReader reader(text);
  for (std::string_view term = reader.Next(); !term.empty(); term = reader.Next()) {
    terms.emplace_back(term);
  }
  return terms;
}

TEST(TermReaderTest, TakesRunsOfLettersAndDigitsInLowerCase) {
  EXPECT_THAT(Terms("The 14th-century \"Pavia\" Cathedral, (1488)."),
              ElementsAre("the", "14th", "century", "pavia", "cathedral", "1488"));
  EXPECT_THAT(Terms(""), IsEmpty());
  EXPECT_THAT(Terms(" ... "), IsEmpty());
}

TEST(TermReaderTest, FoldsAccentsAndOtherScripts) {
  EXPECT_THAT(
      Terms(
          "S\u00e3o Stra\u00dfe \u00c5ngstr\u00f6m Sa\u0303o \u041c\u041e\u0421\u041a\u0412\u0410"),
      ElementsAre("sao", "strasse", "angstrom", "sao", "\u043c\u043e\u0441\u043a\u0432\u0430"));
}

TEST(TermReaderTest, DropsThePluralsEnding) {
  EXPECT_THAT(Terms("cities houses boats bus glass is movies series"),
              ElementsAre("city", "house", "boat", "bus", "glass", "is", "movy", "sery"));
}

TEST(TermReaderTest, TakesBytesThatAreNotUtf8AndEndlessRuns) {
  EXPECT_THAT(Terms("ab\xff\xfe"
                    "cd\xc3"),
              ElementsAre("ab", "cd"));
  EXPECT_THAT(Terms(std::string(100000, 'x')), ElementsAre(std::string(kMaxTermBytes, 'x')));
}

TEST(TermReaderTest, KnowsStopWordsAsItReadsThem) {
  for (const char* word : {"the", "was", "this", "has", "his"}) {
    EXPECT_TRUE(IsStopWord(Terms(word)[0])) << word;
  }
  EXPECT_FALSE(IsStopWord("river"));
}

}  // namespace
}  // namespace sojourn::envs::searchqa
