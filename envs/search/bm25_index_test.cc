#include "envs/search/bm25_index.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::search {
namespace {

using ::testing::IsEmpty;

Bm25Index IndexOf(const std::vector<std::pair<std::string, std::string>>& texts) {
  Bm25Index::Builder builder;
  for (const auto& [name, text] : texts) builder.Add(name, text);
  return std::move(builder).Build();
}

std::vector<int> Texts(const std::vector<Bm25Index::Hit>& hits) {
  std::vector<int> texts;
  for (const auto& hit : hits) texts.push_back(hit.text);
  return texts;
}

TEST(Bm25IndexTest, ScoresAreTheFormula) {
  const auto index = IndexOf({{"a", "red shoe"}, {"b", "red red dress long"}, {"c", "blue hat"}});
  const auto hits = index.Search("red dresses", 10);
  ASSERT_EQ(Texts(hits), (std::vector<int>{1, 0}));
  const double mean = 8.0 / 3;
  const auto term = [&](double with, double count, double length) {
    const double idf = std::log(1 + (3 - with + 0.5) / (with + 0.5));
    return idf * count / (count + 0.9 * (0.6 + 0.4 * length / mean));
  };
  EXPECT_NEAR(hits[0].score, term(2, 2, 4) + term(1, 1, 4), 6e-5);
  EXPECT_NEAR(hits[1].score, term(2, 1, 2), 6e-5);
}

TEST(Bm25IndexTest, TiesAreInOrderOfNamesAndAMillionthApart) {
  const auto index = IndexOf({{"c", "hat"}, {"a", "hat"}, {"b", "hat"}, {"d", "cap"}});
  const auto hits = index.Search("hats", 2);
  ASSERT_EQ(Texts(hits), (std::vector<int>{1, 2}));
  EXPECT_NEAR(hits[0].score - hits[1].score, 1e-6, 1e-7);
  EXPECT_EQ(Texts(index.Search("hat", 10)), (std::vector<int>{1, 2, 0}));
  EXPECT_EQ(Texts(index.Search("hat cap", 1)), (std::vector<int>{3}));
}

TEST(Bm25IndexTest, AWordGivenTwiceCountsTwice) {
  const auto index = IndexOf({{"a", "hat"}, {"b", "cap x"}});
  EXPECT_NEAR(index.Search("hat hat", 1)[0].score, 2 * index.Search("hat", 1)[0].score, 2e-4);
}

TEST(Bm25IndexTest, QueriesWithoutKnownTermsFindNothing) {
  const auto index = IndexOf({{"a", "the hat"}});
  for (const char* query : {"", "the", "!!!", "zebra"})
    EXPECT_THAT(index.Search(query, 9), IsEmpty());
  EXPECT_THAT(index.Search("hat", 0), IsEmpty());
  EXPECT_THAT(Bm25Index().Search("hat", 9), IsEmpty());
  EXPECT_THAT(IndexOf({{"a", ""}, {"b", "..."}}).Search("hat", 9), IsEmpty());
}

// Lucene's table: exact up to 40, then steps of 2, 4, 8, ...
TEST(Bm25IndexTest, LengthsAreKeptInAByte) {
  for (uint32_t length = 0; length <= 40; ++length) {
    EXPECT_EQ(ByteToLength(LengthToByte(length)), length);
  }
  EXPECT_EQ(ByteToLength(LengthToByte(41)), 40);
  EXPECT_EQ(ByteToLength(LengthToByte(100)), 96);
  EXPECT_EQ(ByteToLength(LengthToByte(1000)), 984);
  EXPECT_EQ(LengthToByte(0x7fffffff), 255);
  EXPECT_EQ(LengthToByte(0xffffffff), 255);
}

}  // namespace
}  // namespace sojourn::envs::search
