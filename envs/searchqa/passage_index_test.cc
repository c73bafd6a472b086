#include "envs/searchqa/passage_index.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "common/crc32c.h"
#include "common/files.h"
#include "envs/searchqa/corpus.h"
#include "envs/searchqa/index_builder.h"
#include "envs/searchqa/json_lines.h"
#include "envs/searchqa/terms.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::searchqa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PassageIndexTest : public ::testing::Test {
 protected:
  PassageIndexTest() { std::filesystem::create_directories(folder_); }
  ~PassageIndexTest() override { std::filesystem::remove_all(folder_); }
  const std::string folder_ =
      absl::StrCat(::testing::TempDir(), "/searchqa-",
                   ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

std::shared_ptr<const PassageIndex> InMemory(const std::vector<std::string>& passages) {
  const auto builder = IndexBuilder::InMemory();
  for (const std::string& passage : passages) EXPECT_TRUE(builder->Add(passage).ok());
  auto index = builder->FinishInMemory();
  EXPECT_TRUE(index.ok()) << index.status();
  return *std::move(index);
}

std::vector<uint32_t> Find(const PassageIndex& index, std::string_view query, int k = 3) {
  const auto hits = index.Search(query, k);
  EXPECT_TRUE(hits.ok()) << hits.status();
  std::vector<uint32_t> passages;
  for (const PassageIndex::Hit& hit : *hits) passages.push_back(hit.passage);
  return passages;
}

// Words as in real text: a few are everywhere, most are rare.
std::vector<std::string> RandomPassages(int count, int words, std::mt19937& random) {
  std::exponential_distribution<double> rank(3);
  std::vector<std::string> passages;
  for (int i = 0; i < count; ++i) {
    std::string passage = absl::StrCat("\"Passage ", i, "\"\n");
    for (int length = 5 + random() % 60; length > 0; --length) {
      absl::StrAppend(&passage, "w", static_cast<int>(rank(random) * words / 4), " ");
    }
    passages.push_back(passage);
  }
  return passages;
}

// BM25 as it is defined, in floating point, of every passage.
std::vector<double> ExactScores(const std::vector<std::string>& passages,
                                const std::vector<std::string>& query) {
  std::vector<std::map<std::string, int>> counts;
  std::vector<int> lengths;
  double total = 0;
  for (const std::string& passage : passages) {
    std::map<std::string, int> terms;
    int length = 0;
    TermReader reader(passage);
    for (auto term = reader.Next(); !term.empty(); term = reader.Next(), ++length) {
      ++terms[std::string(term)];
    }
    counts.push_back(std::move(terms));
    lengths.push_back(length);
    total += length;
  }
  const double n = passages.size(), mean = total / n;
  std::vector<double> scores(passages.size());
  for (const std::string& term : query) {
    double df = 0;
    for (const auto& terms : counts) df += terms.contains(term);
    const double idf = std::log(1 + (n - df + 0.5) / (df + 0.5));
    for (size_t i = 0; i < passages.size(); ++i) {
      const auto found = counts[i].find(term);
      if (found == counts[i].end()) continue;
      const double tf = found->second;
      scores[i] += idf * tf * 1.9 / (tf + 0.9 * (0.6 + 0.4 * lengths[i] / mean));
    }
  }
  return scores;
}

TEST_F(PassageIndexTest, FindsPassagesByTheirWords) {
  const auto index = InMemory({"\"Pavia Cathedral\"\nThe cathedral was begun in 1488.",
                               "\"Dibba\"\nA fort and a wall around the city.",
                               "\"Evan Morris\"\nA lobbyist. The cathedrals of Pavia and Milan."});
  EXPECT_THAT(Find(*index, "When was the cathedral of Pavia begun?"), ElementsAre(0, 2));
  EXPECT_THAT(Find(*index, "city walls"), ElementsAre(1));
  EXPECT_THAT(Find(*index, "nothing known"), IsEmpty());
  EXPECT_THAT(Find(*index, ""), IsEmpty());
  EXPECT_THAT(Find(*index, "the"), SizeIs(3));  // only stop words: they count
  EXPECT_EQ(Title(index->Contents(1)), "Dibba");
  EXPECT_EQ(TitleLine(index->Contents(1)), "\"Dibba\"");
  EXPECT_EQ(TextBelow(index->Contents(1)), "A fort and a wall around the city.");
  EXPECT_EQ(index->Contents(3), "");
}

TEST_F(PassageIndexTest, TiesAreInTheCorpusOrder) {
  const auto index = InMemory(std::vector<std::string>(300, "\"Same\"\nsame words"));
  EXPECT_THAT(Find(*index, "same words", 4), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(Find(*InMemory({"\"a\"\nx y", "\"b\"\ny x"}), "x"), ElementsAre(0, 1));
}

TEST_F(PassageIndexTest, HoldsNothing) {
  const auto index = InMemory({});
  EXPECT_EQ(index->size(), 0);
  EXPECT_THAT(Find(*index, "anything"), IsEmpty());
}

TEST_F(PassageIndexTest, TheBestAreBm25s) {
  std::mt19937 random(7);
  const std::vector<std::string> passages = RandomPassages(3000, 800, random);
  const auto index = InMemory(passages);
  for (int trial = 0; trial < 40; ++trial) {
    std::vector<std::string> query;
    for (int i = 1 + random() % 8; i > 0; --i) {
      const std::string word = absl::StrCat("w", random() % (trial % 2 ? 400 : 40));
      if (std::find(query.begin(), query.end(), word) == query.end()) query.push_back(word);
    }
    std::string text;
    for (const std::string& word : query) absl::StrAppend(&text, word, " ");
    const std::vector<double> exact = ExactScores(passages, query);
    std::vector<double> sorted = exact;
    std::sort(sorted.rbegin(), sorted.rend());
    const auto hits = index->Search(text, 5);
    ASSERT_TRUE(hits.ok());
    const double tolerance = 0.02 * query.size();  // half a step of the impact, times idf
    for (size_t i = 0; i < hits->size(); ++i) {
      const double score = (*hits)[i].score / 1024.0 / 255 * 1.9;
      EXPECT_NEAR(score, exact[(*hits)[i].passage], tolerance) << text;
      EXPECT_NEAR(score, sorted[i], tolerance) << text;
    }
    // Whatever is skipped on the way, the same are found as when nothing is: all, then cut.
    auto all = index->Search(text, static_cast<int>(passages.size()));
    ASSERT_TRUE(all.ok());
    all->resize(std::min<size_t>(5, all->size()));
    EXPECT_EQ(*hits, *all) << text;
  }
}

TEST_F(PassageIndexTest, RunsOnTheDiskMakeTheSameFileAsMemory) {
  std::mt19937 random(3);
  const std::vector<std::string> passages = RandomPassages(2000, 5000, random);
  const std::string path = folder_ + "/made/index";
  for (const size_t memory : {size_t{40000}, size_t{1} << 30}) {
    auto builder = IndexBuilder::ToFile(path, memory);
    ASSERT_TRUE(builder.ok()) << builder.status();
    for (const std::string& passage : passages) ASSERT_TRUE((*builder)->Add(passage).ok());
    ASSERT_TRUE((*builder)->FinishFile().ok());
    builder->reset();
    const auto index = PassageIndex::Open(path);
    ASSERT_TRUE(index.ok()) << index.status();
    EXPECT_TRUE((*index)->Verify().ok());
    EXPECT_EQ((*index)->bytes(), InMemory(passages)->bytes());
    EXPECT_EQ(Find(**index, "w1 w2 w700 w900"), Find(*InMemory(passages), "w1 w2 w700 w900"));
    EXPECT_EQ((*index)->Contents(1999), passages[1999]);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_ + "/made"), {}), 1);
  }
}

TEST_F(PassageIndexTest, AnUnfinishedIndexLeavesTheOldOne) {
  const std::string path = folder_ + "/index";
  ASSERT_TRUE(WriteFileAtomically(path, "old").ok());
  {
    auto builder = IndexBuilder::ToFile(path, 1 << 20);
    ASSERT_TRUE((*builder)->Add("\"a\"\nb").ok());
  }
  EXPECT_EQ(*ReadFile(path), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

std::string IndexBytes(const std::string& path) {
  std::mt19937 random(5);
  auto builder = IndexBuilder::ToFile(path, 1 << 20);
  for (const std::string& passage : RandomPassages(400, 300, random)) {
    EXPECT_TRUE((*builder)->Add(passage).ok());
  }
  EXPECT_TRUE((*builder)->FinishFile().ok());
  return *ReadFile(path);
}

TEST_F(PassageIndexTest, ACutIndexIsRefused) {
  const std::string bytes = IndexBytes(folder_ + "/index");
  for (size_t size = 0; size < bytes.size(); size += 1 + size / 3) {
    const auto index = PassageIndex::FromBytes(bytes.substr(0, size));
    EXPECT_EQ(index.status().code(), absl::StatusCode::kDataLoss) << size;
  }
  EXPECT_FALSE(PassageIndex::FromBytes(bytes + "x").ok());
  EXPECT_THAT(std::string(PassageIndex::FromBytes(std::string(500, 'x')).status().message()),
              HasSubstr("not a passage index"));
}

// With its checksum made right again a header can say anything, and the sections hold anything.
TEST_F(PassageIndexTest, AHostileIndexNeverCrashes) {
  const std::string bytes = IndexBytes(folder_ + "/index");
  std::mt19937 random(11);
  int opened = 0, refused = 0, failed = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    std::string bad = bytes;
    for (int changes = 1 + random() % 4; changes > 0; --changes) {
      const size_t at = trial % 3 == 0
                            ? random() % sizeof(IndexHeader)
                            : sizeof(IndexHeader) + random() % (bad.size() - sizeof(IndexHeader));
      bad[at] = static_cast<char>(random() % 3 == 0 ? 0xff : random());
    }
    if (random() % 4 == 0) {  // everything after the texts
      uint64_t from;
      std::memcpy(&from, bad.data() + offsetof(IndexHeader, sections) + sizeof(SectionEntry), 8);
      if (from < bad.size()) {
        for (int i = 0; i < 200; ++i)
          bad[from + random() % (bad.size() - from)] = static_cast<char>(random());
      }
    }
    IndexHeader header;
    std::memcpy(&header, bad.data(), sizeof(header));
    header.crc = 0;
    header.crc = Crc32c(0, {reinterpret_cast<const char*>(&header), sizeof(header)});
    std::memcpy(bad.data(), &header, sizeof(header));
    const auto index = PassageIndex::FromBytes(bad);
    if (!index.ok()) {
      ++refused;
      continue;
    }
    ++opened;
    for (const char* query : {"w1 w2 w3 passage", "w0", "w150 w20 w77", "17 w9"}) {
      const auto hits = (*index)->Search(query, 3);
      if (!hits.ok()) {
        ++failed;
        continue;
      }
      for (const PassageIndex::Hit& hit : *hits) (void)(*index)->Contents(hit.passage);
    }
  }
  EXPECT_GT(opened, 100);
  EXPECT_GT(refused, 100);
  EXPECT_GT(failed, 100);
}

TEST_F(PassageIndexTest, VerifyNamesTheDamagedSection) {
  const std::string path = folder_ + "/index";
  std::string bytes = IndexBytes(path);
  bytes[sizeof(IndexHeader) + 40] ^= 1;
  const auto index = PassageIndex::FromBytes(bytes);
  ASSERT_TRUE(index.ok());
  EXPECT_THAT(std::string((*index)->Verify().message()), HasSubstr("texts"));
}

TEST_F(PassageIndexTest, FaultyLinesOfACorpusAreNamedAndTheOthersStay) {
  const std::string path = folder_ + "/corpus.jsonl";
  ASSERT_TRUE(
      WriteFileAtomically(
          path,
          absl::StrCat(PassageLine(0, "\"One\"\nfirst"), "\n", "{broken\n", "[1]\n",
                       "{\"id\": \"2\"}\n\n", "{\"contents\": 5}\n", std::string(100, '['), "\n",
                       std::string(kMaxLineBytes + 1, 'x'), "\n", "{\"contents\": \"\xff\"}\n",
                       "{\"contents\": \"  \"}\n", PassageLine(1, "\"Two\"\nsecond")))
          .ok());
  const auto builder = IndexBuilder::InMemory();
  Faults faults;
  ASSERT_TRUE(AddCorpus(path, *builder, &faults).ok());
  EXPECT_EQ(builder->passages(), 2);
  EXPECT_EQ(faults.count, 8);
  EXPECT_THAT(faults.first[0], HasSubstr("corpus.jsonl:2: not JSON"));
  EXPECT_THAT(faults.first[2], HasSubstr("corpus.jsonl:4: has no \"contents\""));
  EXPECT_THAT(Find(**builder->FinishInMemory(), "second"), ElementsAre(1));
  EXPECT_FALSE(AddCorpus(folder_, *builder, &faults).ok());
  EXPECT_FALSE(AddCorpus(folder_ + "/none", *builder, &faults).ok());
}

TEST_F(PassageIndexTest, LongQueriesAreCut) {
  const auto index = InMemory({"\"a\"\nx1", "\"b\"\nlast"});
  std::string query;
  for (int i = 0; i < 100000; ++i) absl::StrAppend(&query, "x", i % 5000, " ");
  EXPECT_THAT(Find(*index, query + "last"), ElementsAre(0));
}

}  // namespace
}  // namespace sojourn::envs::searchqa
