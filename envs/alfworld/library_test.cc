#include "envs/alfworld/library.h"

#include <cstdlib>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "envs/alfworld/game_writer.h"
#include "envs/alfworld/play.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::alfworld {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class LibraryTest : public ::testing::Test {
 protected:
  LibraryTest() { std::filesystem::create_directories(folder_); }
  ~LibraryTest() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& name, const std::string& content) {
    ASSERT_TRUE(WriteFileAtomically(absl::StrCat(folder_, "/", name), content).ok());
  }
  void WriteGame(const std::string& folder, int kind, int index) {
    Write(absl::StrCat(folder, "/", index, "/game.tw-pddl"),
          *GameFileText(9, {Split::kTrain, kind, index}, 12));
  }
  std::shared_ptr<const Library> Load() {
    auto library = Library::Load(folder_, &report_);
    EXPECT_TRUE(library.ok()) << library.status();
    return library.ok() ? *std::move(library) : nullptr;
  }
  int64_t Count(const Library& library, Split split, int kind) {
    return library.TaskCount(split, kind).value_or(0);
  }

  const std::string folder_ =
      absl::StrCat(::testing::TempDir(), "/alfworld-library-",
                   ::testing::UnitTest::GetInstance()->current_test_info()->name());
  DataReport report_;
};

TEST_F(LibraryTest, FoldersDecideTheSplits) {
  for (int i = 0; i < 3; ++i) WriteGame("json/train/a", 2, i);
  for (int i = 3; i < 5; ++i) WriteGame("json/valid_unseen/b", 2, i);
  WriteGame("json/valid_train/c", 4, 5);
  const auto library = Load();
  EXPECT_THAT(report_.faults, IsEmpty());
  EXPECT_EQ(Count(*library, Split::kTrain, 2), 3);
  EXPECT_EQ(Count(*library, Split::kTest, 2), 2);
  EXPECT_EQ(Count(*library, Split::kTest, 4), 1);
  EXPECT_THAT(std::string(library->TaskCount(Split::kTrain, 4).status().message()),
              HasSubstr("known: 2 "));
  EXPECT_EQ(library->Get({Split::kTrain, 2, 3}).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(library->Get({Split::kTest, 4, 0})->title, "c/5");
  EXPECT_EQ(library->games(), 6);
  EXPECT_EQ(library->Numbered(4), (TaskId{Split::kTest, 2, 1}));
}

TEST_F(LibraryTest, WithoutTrainGamesThoseOfValidTrainAreForTraining) {
  WriteGame("valid_train/a", 2, 0);
  WriteGame("valid_seen/b", 2, 1);
  const auto library = Load();
  EXPECT_EQ(Count(*library, Split::kTrain, 2), 1);
  EXPECT_EQ(Count(*library, Split::kTest, 2), 1);
}

TEST_F(LibraryTest, OneSplitIsDividedByAHash) {
  for (int i = 0; i < 30; ++i) WriteGame("train/a", 2, i);
  const auto library = Load();
  const int64_t test = Count(*library, Split::kTest, 2);
  EXPECT_GT(test, 0);
  EXPECT_LT(test, 15);
  EXPECT_EQ(Count(*library, Split::kTrain, 2), 30 - test);
}

TEST_F(LibraryTest, WhatATestTaskShowsIsNotTrainedOn) {
  WriteGame("train/a", 2, 0);
  WriteGame("train/a", 2, 1);
  WriteGame("valid_seen/b", 2, 1);
  const auto library = Load();
  EXPECT_EQ(Count(*library, Split::kTrain, 2), 1);
  EXPECT_THAT(report_.found,
              ElementsAre(Field(&DataReport::Found::what, "games of train, to train on"),
                          Field(&DataReport::Found::what, "games of valid_seen, to test with"),
                          Field(&DataReport::Found::what, "games of train, left out")));
}

TEST_F(LibraryTest, ABrokenFileIsNamedAndTheOthersLoad) {
  WriteGame("train/a", 2, 0);
  WriteGame("train/a", 2, 1);
  WriteGame("train/a", 2, 2);
  WriteGame("valid_seen/a", 2, 3);
  Write("train/b/game.tw-pddl", "{");
  Write("train/c/game.tw-pddl", *GameFileText(9, {Split::kTrain, 2, 4}, 12) + "x");
  Write("more.tar.xz", "no archive");
  const auto library = Load();
  EXPECT_EQ(Count(*library, Split::kTrain, 2), 3);
  EXPECT_THAT(
      report_.faults,
      ElementsAre(AllOf(StartsWith(folder_ + "/more.tar.xz: "), HasSubstr("not a whole .xz file")),
                  StartsWith(folder_ + "/train/b/game.tw-pddl: no JSON object"),
                  StartsWith(folder_ + "/train/c/game.tw-pddl: no JSON object")));
}

TEST_F(LibraryTest, AnEmptyFolderHasNoGames) {
  const auto library = Library::Load(folder_, &report_);
  EXPECT_EQ(library.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(report_.found, IsEmpty());
  EXPECT_THAT(report_.faults, IsEmpty());
}

TEST_F(LibraryTest, PackedGamesAreTheSame) {
  ASSERT_TRUE(WriteGames(folder_ + "/a", 9, 12, 2).ok());
  const auto loose = Load();
  const std::string pack = absl::StrCat(
      "cd ", folder_, " && mkdir b && tar cJf b/games.tar.xz -C a train valid_unseen && rm -r a");
  ASSERT_EQ(std::system(pack.c_str()), 0);
  const auto packed = Load();
  ASSERT_EQ(packed->games(), 24);
  for (int game = 0; game < 24; ++game) {
    const TaskId task = loose->Numbered(game);
    EXPECT_EQ(Count(*packed, task.split, task.difficulty), 2);
  }
  std::filesystem::resize_file(folder_ + "/b/games.tar.xz",
                               std::filesystem::file_size(folder_ + "/b/games.tar.xz") / 2);
  report_ = {};
  (void)Library::Load(folder_, &report_);
  EXPECT_THAT(report_.faults, ElementsAre(HasSubstr("games.tar.xz: ")));
}

TEST_F(LibraryTest, MadeUpGamesAreNumberedAsAgentGymDoes) {
  const auto library = Library::Generate(0, 12);
  EXPECT_EQ(library->games(), 2620);
  EXPECT_EQ(library->Numbered(7), (TaskId{Split::kTrain, 2, 1}));
  EXPECT_EQ(library->Numbered(2420), (TaskId{Split::kTest, 1, 0}));
  EXPECT_THAT(library->Get({Split::kTest, 3, 4})->title,
              AllOf(StartsWith("pick_clean_then_place_in_recep-"), HasSubstr("/test_4")));
}

TEST_F(LibraryTest, TheOriginalsGamesLoad) {
  constexpr char kShared[] = "../shared/data/alfworld";
  if (!std::filesystem::exists(kShared)) GTEST_SKIP() << "no " << kShared;
  const auto library = Library::Load(kShared, &report_);
  ASSERT_TRUE(library.ok()) << library.status();
  EXPECT_THAT(report_.faults, IsEmpty());
  std::set<std::string> test;
  for (const Split split : {Split::kTest, Split::kTrain}) {
    for (int kind = 1; kind <= kKinds; ++kind) {
      for (int64_t i = 0; i < *(*library)->TaskCount(split, kind); ++i) {
        const std::string intro = Play((*library)->Get({split, kind, i})->game).Intro();
        if (split == Split::kTest) test.insert(intro);
        if (split == Split::kTrain) {
          EXPECT_FALSE(test.contains(intro));
        }
      }
    }
  }
}

}  // namespace
}  // namespace sojourn::envs::alfworld
