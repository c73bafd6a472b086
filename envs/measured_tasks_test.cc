#include "envs/measured_tasks.h"

#include <stdlib.h>

#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Task i of a split was solved i mod 5 times out of 4.
TaskFile Measured(const std::string& environment = "textcraft", const Options& options = {}) {
  TaskFile file{.settings = {{"policy", "models/base"}}};
  for (const Split split : {Split::kTrain, Split::kTest}) {
    for (const int difficulty : {1, 2}) {
      for (int64_t index = 0; index < 20; ++index) {
        file.tasks.push_back({environment,
                              options,
                              {split, difficulty, index},
                              20,
                              4,
                              static_cast<uint32_t>(index % 5),
                              2.5});
      }
    }
  }
  return file;
}

class MeasuredTasksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name =
        (std::filesystem::temp_directory_path() / "measured_tasks_test.XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& text) {
    const std::string path = folder_ / "tasks.jsonl";
    EXPECT_TRUE(WriteFileAtomically(path, text).ok());
    return path;
  }
  std::string Fault(const std::string& text, const std::string& cut = "0.5",
                    const Options& more = {}) {
    Options options = {{"tasks_by", Write(text)}, {"tasks_cut", cut}};
    options.insert(more.begin(), more.end());
    return std::string(Make("textcraft", options).status().message());
  }

  std::filesystem::path folder_;
};

TEST_F(MeasuredTasksTest, WhatIsWrittenIsReadAgain) {
  const TaskFile file = Measured("textcraft", {{"recipes", "fresh"}});
  const auto read = ParseTaskFile(FormatTaskFile(file), "f");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->settings, file.settings);
  ASSERT_EQ(read->tasks.size(), file.tasks.size());
  EXPECT_EQ(read->tasks[7].task, file.tasks[7].task);
  EXPECT_EQ(read->tasks[7].options, file.tasks[7].options);
  EXPECT_EQ(read->tasks[7].rate(), 0.5);
  EXPECT_EQ(FormatTaskFile(*read), FormatTaskFile(file));
}

TEST_F(MeasuredTasksTest, EasyAndHardTasksAreDisjointInBothSplits) {
  const std::string path = Write(FormatTaskFile(Measured()));
  const auto environment = Make("textcraft", {{"tasks_by", path}, {"tasks_cut", "0.25-0.75"}});
  ASSERT_TRUE(environment.ok()) << environment.status();
  ASSERT_EQ((*environment)->spec().difficulties.size(), 3);
  EXPECT_EQ((*environment)->spec().difficulties[2].name, "hard");
  const auto instance = (*environment)->NewInstance();
  std::set<std::string> seen;
  int64_t all = 0;
  for (const Split split : {Split::kTrain, Split::kTest}) {
    for (const int difficulty : {kEasy, kMedium, kHard}) {
      const auto count = (*environment)->TaskCount(split, difficulty);
      ASSERT_TRUE(count.ok());
      EXPECT_EQ(*count, difficulty == kHard ? 8 : 16);  // rates 0; 0.25, 0.5; 0.75, 1
      for (int64_t index = 0; index < *count; ++index, ++all) {
        const auto turn = instance->Reset({split, difficulty, index});
        ASSERT_TRUE(turn.ok()) << turn.status();
        seen.insert(turn->observation);
      }
      EXPECT_FALSE(instance->Reset({split, difficulty, *count}).ok());
    }
  }
  EXPECT_EQ(all, 80);
  EXPECT_EQ(seen.size(), 80);
}

TEST_F(MeasuredTasksTest, TasksAreThoseThatWereMeasured) {
  const std::string path = Write(FormatTaskFile(Measured()));
  const auto chosen = Make("textcraft", {{"tasks_by", path}, {"tasks_cut", "0.5"}}),
             plain = Make("textcraft");
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  // The second hard training task is the second of those solved less than twice in four: index 1.
  EXPECT_EQ((*chosen)->NewInstance()->Reset({Split::kTrain, kHard, 1})->observation,
            (*plain)->NewInstance()->Reset({Split::kTrain, 1, 1})->observation);
  EXPECT_EQ((*chosen)->NewInstance()->Reset({Split::kTest, kEasy, 0})->observation,
            (*plain)->NewInstance()->Reset({Split::kTest, 1, 2})->observation);
  EXPECT_EQ((*chosen)->TaskCount(Split::kTest, kMedium).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(MeasuredTasksTest, SharesKeepTasksOfOneRateTogether) {
  const std::vector<MeasuredTask> tasks =
      Measured().tasks;  // a fifth each of 0, 0.25, 0.5, 0.75, 1
  const auto cut = [&](const char* text) { return *ParseTaskCut(text, tasks); };
  EXPECT_EQ(cut("40%").hard_below, 0.5);
  EXPECT_EQ(cut("35%").easy_from, 0.5);
  EXPECT_EQ(cut("20%-80%").hard_below, 0.25);
  EXPECT_EQ(cut("20%-80%").easy_from, 1);
  EXPECT_EQ(cut("20%-0.75").easy_from, 0.75);
  for (const char* wrong : {"", "half", "1.5", "-1", "101%", "0.7-0.2", "0.1-0.2-0.3", "nan"}) {
    EXPECT_THAT(std::string(ParseTaskCut(wrong, tasks).status().message()), HasSubstr("is no cut"))
        << wrong;
  }
}

TEST_F(MeasuredTasksTest, VariantsAndMeasuredDifficultyGoTogether) {
  const std::string path = Write(FormatTaskFile(Measured()));
  const auto both = Make("textcraft", {{"tasks_by", path}, {"variants", "verbs"}});
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ((*both)->spec().difficulties.size(), 2);
  EXPECT_THAT((*both)->NewInstance()->Reset({Split::kTest, kHard, 0})->observation,
              HasSubstr("The commands are: "));
}

TEST_F(MeasuredTasksTest, FaultsNameTheFileAndTheReason) {
  const std::string good = FormatTaskFile(Measured());
  const std::string second =
      good.substr(good.find('\n') + 1, good.find('\n', good.find('\n') + 1) - good.find('\n'));
  EXPECT_THAT(Fault(good + "{}\n"), AllOf(HasSubstr("tasks.jsonl:82: "), HasSubstr("environment")));
  EXPECT_THAT(Fault(good + second),
              HasSubstr("tasks.jsonl:82: is a task that an earlier line has"));
  EXPECT_THAT(Fault(second), HasSubstr("is not what `sojourn difficulty` writes"));
  EXPECT_THAT(Fault(""), HasSubstr("holds no tasks"));
  EXPECT_THAT(Fault(good, "0"),
              AllOf(HasSubstr("no task of"), HasSubstr("is hard"), HasSubstr("0 (16), 0.25 (16)")));
  EXPECT_THAT(Fault(good, "0.5", {{"recipes", "fresh"}}),
              AllOf(HasSubstr("has no task of textcraft with"), HasSubstr("recipes=fresh"),
                    HasSubstr("recipes=real")));
  EXPECT_THAT(Fault(FormatTaskFile(Measured("babyai"))), HasSubstr("it has tasks of babyai"));
  EXPECT_THAT(std::string(Make("textcraft", {{"tasks_by", "/nonexistent"}}).status().message()),
              HasSubstr("/nonexistent"));
  EXPECT_THAT(std::string(Make("textcraft", {{"tasks_cut", "0.5"}}).status().message()),
              HasSubstr("tasks_by"));
}

}  // namespace
}  // namespace sojourn::envs
