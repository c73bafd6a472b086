#include "common/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace sojourn {
namespace {

using ::testing::HasSubstr;

std::string TempPath(const std::string& name) {
  return ::testing::TempDir() + "files_test/" + name;
}

TEST(Files, WhatIsWrittenIsRead) {
  const std::string path = TempPath("deep/er/a.bin");
  const std::string content("\0binary\n\xff", 9);
  ASSERT_TRUE(WriteFileAtomically(path, content).ok());
  EXPECT_EQ(*ReadFile(path), content);
  ASSERT_TRUE(WriteFileAtomically(path, "new").ok());
  EXPECT_EQ(*ReadFile(path), "new");
  EXPECT_FALSE(std::filesystem::exists(path + ".part"));
}

TEST(Files, AMissingFileIsNotFoundByName) {
  const absl::Status status = ReadFile(TempPath("missing")).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr(TempPath("missing")));
}

TEST(Files, AFailedWriteLeavesTheOldFileAndNoPart) {
  const std::string path = TempPath("folder");
  std::filesystem::create_directories(path + "/x");  // a folder cannot be replaced by a file
  EXPECT_FALSE(WriteFileAtomically(path, "x").ok());
  EXPECT_TRUE(std::filesystem::is_directory(path));
  EXPECT_FALSE(std::filesystem::exists(path + ".part"));
}

TEST(Files, TooLargeOrAFolderIsRefused) {
  ASSERT_TRUE(WriteFileAtomically(TempPath("big"), "12345").ok());
  EXPECT_EQ(ReadFile(TempPath("big"), 4).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_FALSE(ReadFile(::testing::TempDir()).ok());
}

}  // namespace
}  // namespace sojourn
