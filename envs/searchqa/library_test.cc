#include "envs/searchqa/library.h"

#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "envs/searchqa/answer.h"
#include "envs/searchqa/corpus.h"
#include "envs/searchqa/index_builder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::searchqa {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class LibraryTest : public ::testing::Test {
 protected:
  LibraryTest() { std::filesystem::create_directories(folder_); }
  ~LibraryTest() override { std::filesystem::remove_all(folder_); }
  void Write(const std::string& name, const std::string& content) {
    ASSERT_TRUE(WriteFileAtomically(absl::StrCat(folder_, "/", name), content).ok());
  }
  static std::string Questions(int from, int to) {
    std::string lines;
    for (int i = from; i < to; ++i) {
      absl::StrAppend(&lines,
                      QuestionLine({.text = absl::StrCat("question ", i), .answers = {"a"}}), "\n");
    }
    return lines;
  }
  const std::string corpus_ =
      PassageLine(0, "\"One\"\nfirst") + "\n" + PassageLine(1, "\"Two\"\nsecond");
  const std::string folder_ =
      absl::StrCat(::testing::TempDir(), "/searchqa-library-",
                   ::testing::UnitTest::GetInstance()->current_test_info()->name());
  DataReport report_;
};

TEST_F(LibraryTest, AWorldIsWrittenAndLoadedAgain) {
  ASSERT_TRUE(WriteWorld(folder_, 5, 300, 20).ok());
  const auto written = Library::Load(folder_, &report_), made = Library::Generate(5, 300);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_THAT(report_.faults, IsEmpty());
  EXPECT_THAT(report_.found, SizeIs(3));
  EXPECT_EQ((*written)->passages(Split::kTrain)->size(), 600);
  for (const Split split : {Split::kTrain, Split::kTest}) {
    for (int hops = 1; hops <= kMostHops; ++hops) {
      EXPECT_EQ(*(*written)->TaskCount(split, hops), 20);
      for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(*(*written)->Get({split, hops, i}), *(*made)->Get({split, hops, i}));
      }
    }
  }
}

TEST_F(LibraryTest, NamesOfFilesDecideTheSplits) {
  Write("nq_train.jsonl", Questions(0, 10));
  Write("nq_dev.jsonl", Questions(8, 12));
  Write("corpus.jsonl", corpus_);
  const auto library = Library::Load(folder_, &report_);
  ASSERT_TRUE(library.ok()) << library.status();
  EXPECT_EQ(*(*library)->TaskCount(Split::kTrain, 1), 8);  // two are test questions
  EXPECT_EQ(*(*library)->TaskCount(Split::kTest, 1), 4);
  EXPECT_EQ((*library)->TaskCount(Split::kTrain, 2).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ((*library)->Get({Split::kTest, 1, 4}).status().code(), absl::StatusCode::kOutOfRange);
}

TEST_F(LibraryTest, OneFileIsDividedByAHash) {
  Write("nq_dev.jsonl", Questions(0, 500) + Questions(0, 500));
  Write("corpus.jsonl", corpus_);
  const auto library = Library::Load(folder_, &report_);
  ASSERT_TRUE(library.ok()) << library.status();
  std::set<std::string> test;
  const int64_t count = *(*library)->TaskCount(Split::kTest, 1);
  EXPECT_GT(count, 120);
  EXPECT_LT(count, 300);
  for (int64_t i = 0; i < count; ++i) test.insert((*library)->Get({Split::kTest, 1, i})->text);
  EXPECT_EQ(*(*library)->TaskCount(Split::kTrain, 1), 1000 - count);
  for (int64_t i = 0; i < 1000 - count; ++i) {
    EXPECT_FALSE(test.contains((*library)->Get({Split::kTrain, 1, i})->text));
  }
}

TEST_F(LibraryTest, AnIndexIsTakenForTheCorpus) {
  std::filesystem::create_directories(folder_ + "/searchqa");
  Write("searchqa/questions.jsonl", Questions(0, 9));
  Write("searchqa/corpus.jsonl", corpus_);
  auto builder = IndexBuilder::ToFile(folder_ + "/searchqa/wiki", 1 << 20);
  ASSERT_TRUE((*builder)->Add("\"Only\"\npassage").ok());
  ASSERT_TRUE((*builder)->FinishFile().ok());
  const auto library = Library::Load(folder_, &report_);
  ASSERT_TRUE(library.ok()) << library.status();
  EXPECT_EQ((*library)->passages(Split::kTest)->size(), 1);

  std::string bytes = *ReadFile(folder_ + "/searchqa/wiki");
  Write("searchqa/wiki", bytes.substr(0, bytes.size() - 1));
  const auto other = Library::Load(folder_, &report_);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ((*other)->passages(Split::kTest)->size(), 2);
  EXPECT_THAT(report_.faults, Contains(HasSubstr("wiki: has ")));
}

TEST_F(LibraryTest, ABrokenFileIsNamedAndTheOthersLoad) {
  Write("a.jsonl", "\n[broken\n" + std::string(3000, '\xff'));
  Write("empty.jsonl", "");
  Write("questions.jsonl", Questions(0, 9) + "{\"question\": \"cut");
  Write("corpus.jsonl", corpus_ + "\n{\"contents\": 5}");
  const auto library = Library::Load(folder_, &report_);
  ASSERT_TRUE(library.ok()) << library.status();
  EXPECT_EQ((*library)->passages(Split::kTest)->size(), 2);
  EXPECT_THAT(report_.faults, ElementsAre(HasSubstr("a.jsonl:2: not JSON"),
                                          HasSubstr("questions.jsonl:10: not JSON"),
                                          HasSubstr("corpus.jsonl:3: has no \"contents\"")));
}

TEST_F(LibraryTest, WhatIsMissingIsSaid) {
  EXPECT_THAT(std::string(Library::Load(folder_, &report_).status().message()),
              HasSubstr("has no questions"));
  EXPECT_THAT(report_.found, IsEmpty());
  Write("webshop.jsonl", "{\"id\": \"B0\", \"contents\": \"a table\"}\n");
  Write("noise.bin", std::string(3000, '\xff'));
  Write("q.jsonl", "broken\n" + Questions(0, 9));
  const auto library = Library::Load(folder_, &report_);
  EXPECT_EQ(library.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(library.status().message()), HasSubstr("sojourn index"));
  EXPECT_THAT(report_.faults, Contains(HasSubstr("q.jsonl:1: not JSON")));
}

}  // namespace
}  // namespace sojourn::envs::searchqa
