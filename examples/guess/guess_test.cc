// The example of docs/adding-an-environment.md, played through the registry that the page makes.
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "envs/environment.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

TEST(GuessTest, TheRegistryKnowsItAndSuggestsIt) {
  EXPECT_THAT(Names(), Contains("guess"));
  EXPECT_THAT(std::string(Make("gues").status().message()), HasSubstr("did you mean \"guess\"?"));
  EXPECT_THAT(std::string(Make("guess", {{"hint", "true"}}).status().message()),
              HasSubstr("did you mean \"hints\"?"));
  EXPECT_THAT(std::string(Make("guess", {{"hints", "some"}}).status().message()),
              HasSubstr("use true or false"));
}

TEST(GuessTest, TheSameTaskIsTheSameInEveryInstance) {
  const auto environment = Make("guess");
  ASSERT_TRUE(environment.ok()) << environment.status();
  const auto solve = [&](const TaskId& task) {
    const auto instance = (*environment)->NewInstance();
    std::string episode = instance->Reset(task)->observation;
    for (int turn = 0; turn < 10; ++turn) {
      const auto result = instance->Step(instance->Expert()->action);
      absl::StrAppend(&episode, "\n", result->observation);
      if (result->done) return episode;
    }
    ADD_FAILURE() << "not solved in 10 guesses";
    return episode;
  };
  for (int64_t index = 0; index < 50; ++index) {
    EXPECT_EQ(solve({Split::kTrain, 3, index}), solve({Split::kTrain, 3, index}));
  }
}

TEST(GuessTest, NoNumberIsInBothSplits) {
  const auto environment = Make("guess");
  const auto instance = (*environment)->NewInstance();
  std::set<std::string> numbers[2];
  for (const Split split : {Split::kTrain, Split::kTest}) {
    for (int64_t index = 0; index < 200; ++index) {
      ASSERT_TRUE(instance->Reset({split, 2, index}).ok());
      std::string action;
      for (bool done = false; !done;) {
        action = instance->Expert()->action;
        done = instance->Step(action)->done;
      }
      numbers[static_cast<int>(split)].insert(action);
    }
  }
  for (const std::string& number : numbers[0]) EXPECT_FALSE(numbers[1].contains(number)) << number;
  EXPECT_FALSE(numbers[1].empty());
}

TEST(GuessTest, WhatIsNotUnderstoodIsAnsweredAndNoErrors) {
  const auto environment = Make("guess");
  const auto instance = (*environment)->NewInstance();
  EXPECT_EQ(instance->Step("guess 1").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(instance->Reset({Split::kTrain, 4, 0}).ok());
  EXPECT_FALSE(instance->Reset({Split::kTrain, 1, -1}).ok());
  ASSERT_TRUE(instance->Reset({Split::kTrain, 1, 0}).ok());
  for (const char* action : {"", "guess", "guess many", "7"}) {
    const auto turn = instance->Step(action);
    ASSERT_TRUE(turn.ok());
    EXPECT_TRUE(turn->invalid_action) << action;
  }
  EXPECT_FALSE(instance->ValidActions().empty());
}

// The page's pieces of code are the files'.
TEST(GuessTest, ThePageQuotesTheFiles) {
  const std::string page = ReadFile("docs/adding-an-environment.md").value_or("");
  std::string files;
  for (const char* file : {"examples/guess/guess.h", "examples/guess/guess.cc",
                           "examples/guess/CMakeLists.txt", REGISTRY_WITH_GUESS}) {
    const auto text = ReadFile(file);
    ASSERT_TRUE(text.ok()) << text.status();
    files += *text;
  }
  int pieces = 0;
  for (const char* begin : {"```cpp\n", "```cmake\n"}) {
    for (size_t at = page.find(begin); at != std::string::npos; at = page.find(begin, at + 1)) {
      const size_t code = at + std::string_view(begin).size();
      const std::string piece = page.substr(code, page.find("```", code) - code);
      EXPECT_TRUE(absl::StrContains(files, piece)) << piece;
      ++pieces;
    }
  }
  EXPECT_GE(pieces, 6);
}

}  // namespace
}  // namespace sojourn::envs
