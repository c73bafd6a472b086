#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "common/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::cli {

std::string failure;

// In the program it is main.cc's.
int Fail(const absl::Status& status) {
  failure = std::string(status.message());
  return 1;
}

namespace {

using ::testing::HasSubstr;

class IndexTest : public ::testing::Test {
 protected:
  IndexTest() { std::filesystem::create_directories(folder_); }
  ~IndexTest() override { std::filesystem::remove_all(folder_); }
  // `sojourn index ARGUMENTS`, where @ stands for the folder. -1: they were not understood.
  int Index(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "index");
    return Run(std::move(arguments));
  }
  int Make(std::vector<std::string> arguments) {  // sojourn data make
    arguments.insert(arguments.begin(), {"data", "make"});
    return Run(std::move(arguments));
  }
  int Run(std::vector<std::string> arguments) {
    CLI::App app;
    Action action;
    AddData(app, action);
    AddIndex(app, action);
    std::reverse(arguments.begin(), arguments.end());
    for (std::string& argument : arguments) {
      if (argument[0] == '@') argument = folder_ + argument.substr(1);
    }
    try {
      app.parse(std::move(arguments));
    } catch (const CLI::ParseError&) {
      return -1;
    }
    return action();
  }
  const std::string folder_ =
      absl::StrCat(::testing::TempDir(), "/index-",
                   ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(IndexTest, AWorldIsWrittenIndexedCheckedAndSearched) {
  EXPECT_EQ(Make({"searchqa", "@/world", "--passages", "100", "--questions", "5"}), 0);
  EXPECT_EQ(Make({"searchqa", "@/world", "--passages", "100"}), 1);  // not over it
  EXPECT_EQ(Index({"@/world/corpus.jsonl", "--out", "@/world/index"}), 0);
  EXPECT_EQ(Index({"@/world/corpus.jsonl", "--out", "@/world/index"}), 0);  // again
  EXPECT_EQ(Index({"@/world/index", "--check", "--search", "town"}), 0);
  std::string bytes = *ReadFile(folder_ + "/world/index");
  bytes[bytes.size() / 2] ^= 1;
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/world/index", bytes).ok());
  EXPECT_EQ(Index({"@/world/index", "--check"}), 1);
  EXPECT_THAT(failure, HasSubstr("is damaged"));
}

TEST_F(IndexTest, WhatIsMadeUpHasNoFaults) {
  EXPECT_EQ(Make({"alfworld", "@/games", "--games", "1"}), 0);
  EXPECT_EQ(Make({"webshop", "@/shop", "--products", "100"}), 0);
  EXPECT_EQ(Make({"webshop", "@/shop", "--products", "100"}), 1);  // not over it
  EXPECT_EQ(Run({"data", "check", "@/games"}), 0);
  EXPECT_EQ(Run({"data", "check", "@/shop"}), 0);
}

TEST_F(IndexTest, WhatIsNoIndexIsNotReplaced) {
  const std::string corpus = "{\"id\": \"0\", \"contents\": \"\\\"One\\\"\\nfirst\"}\n";
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/corpus.jsonl", corpus).ok());
  EXPECT_EQ(Index({"@/corpus.jsonl", "--out", "@/corpus.jsonl"}), 1);
  EXPECT_THAT(failure, HasSubstr("no passage index"));
  EXPECT_EQ(Index({"@/corpus.jsonl", "--out", "@"}), 1);
  EXPECT_THAT(failure, HasSubstr("is a directory"));
  EXPECT_EQ(*ReadFile(folder_ + "/corpus.jsonl"), corpus);
}

TEST_F(IndexTest, ImpossibleRequestsFail) {
  ASSERT_TRUE(WriteFileAtomically(folder_ + "/empty.jsonl", "").ok());
  EXPECT_EQ(Index({"@/empty.jsonl", "--out", "@/index"}), 1);
  EXPECT_EQ(Index({"@/empty.jsonl", "--search", "x"}), 1);
  EXPECT_EQ(Index({"@/empty.jsonl"}), 1);
  EXPECT_EQ(Index({"@/nowhere", "--out", "@/index"}), 1);
  EXPECT_EQ(Make({"searchqa", "@/empty.jsonl"}), 1);
  EXPECT_EQ(Make({"searchqa", "@/world", "--passages", "1"}), -1);
  EXPECT_EQ(Make({"chess", "@/world"}), -1);
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/index"));
}

}  // namespace
}  // namespace sojourn::cli
