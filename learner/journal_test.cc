#include "learner/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/logging.h"
#include "common/random.h"
#include "common/crc32c.h"

namespace sojourn::learner {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A disk in memory that fails on demand. What was appended and not synced is lost by Crash(), and so are
// files whose folder was not synced since they were made.
class FakeDisk : public JournalFiles {
 public:
  struct File {
    std::string content;
    size_t synced = 0;
    bool named = false;  // its name is on the disk
  };
  std::map<std::string, File> files;
  std::mutex mu;
  int fail_syncs = 0;
  int fail_creates = 0;
  size_t torn_after =
      std::string::npos;  // the next append stops after so many bytes, with an error

  void Crash() {
    std::lock_guard lock(mu);
    std::erase_if(files, [](const auto& entry) { return !entry.second.named; });
    for (auto& [path, file] : files) file.content.resize(file.synced);
  }

  absl::Status MakeDirectory(const std::string&) override { return absl::OkStatus(); }
  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override {
    std::vector<std::string> names;
    for (const auto& [path, file] : files) names.push_back(path.substr(directory.size() + 1));
    return names;
  }
  absl::StatusOr<std::string> Read(const std::string& path) override { return files[path].content; }
  absl::StatusOr<std::unique_ptr<AppendFile>> Create(const std::string& path) override {
    std::lock_guard lock(mu);
    if (fail_creates > 0) {
      --fail_creates;
      return absl::ResourceExhaustedError("no space");
    }
    files[path];
    return std::make_unique<Appender>(this, path);
  }
  absl::Status Settle(const std::string& path, uint64_t bytes) override {
    files[path].content.resize(bytes);
    files[path].synced = bytes;
    return absl::OkStatus();
  }
  absl::Status Remove(const std::string& path) override {
    std::lock_guard lock(mu);
    files.erase(path);
    return absl::OkStatus();
  }
  absl::Status SyncDirectory(const std::string&) override {
    std::lock_guard lock(mu);
    for (auto& [path, file] : files) file.named = true;
    return absl::OkStatus();
  }

 private:
  struct Appender : AppendFile {
    Appender(FakeDisk* disk, std::string path) : disk(disk), path(std::move(path)) {}
    absl::Status Append(const std::vector<std::string_view>& parts) override {
      std::lock_guard lock(disk->mu);
      std::string all;
      for (std::string_view part : parts) all += part;
      if (disk->torn_after != std::string::npos) {
        disk->files[path].content += all.substr(0, disk->torn_after);
        disk->torn_after = std::string::npos;
        return absl::ResourceExhaustedError("no space");
      }
      disk->files[path].content += all;
      return absl::OkStatus();
    }
    absl::Status Sync() override {
      std::lock_guard lock(disk->mu);
      if (disk->fail_syncs > 0) {
        --disk->fail_syncs;
        File& file =
            disk->files[path];  // the kernel drops what it could not write, and calls it clean
        file.content.replace(file.synced, std::string::npos, file.content.size() - file.synced,
                             '\0');
        file.synced = file.content.size();
        return absl::DataLossError("the disk is gone");
      }
      disk->files[path].synced = disk->files[path].content.size();
      return absl::OkStatus();
    }
    FakeDisk* disk;
    std::string path;
  };
};

using Records = std::vector<std::pair<uint64_t, std::string>>;

std::unique_ptr<Journal> MustOpen(const JournalOptions& options, JournalFiles& files,
                                  Records* found = nullptr) {
  auto journal = Journal::Open(
      options,
      [&](uint64_t group, std::string_view payload) {
        if (found) found->emplace_back(group, payload);
      },
      files);
  EXPECT_TRUE(journal.ok()) << journal.status();
  return *std::move(journal);
}

absl::Status AppendAndWait(Journal& journal, uint64_t group, const std::string& payload) {
  std::promise<absl::Status> done;
  const absl::Status queued = journal.Append(
      group, absl::Cord(payload), [&](const absl::Status& status) { done.set_value(status); });
  return queued.ok() ? done.get_future().get() : queued;
}

TEST(Crc32cTest, MatchesThePublishedVectors) {  // RFC 3720, B.4
  EXPECT_EQ(Crc32c(0, std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(0, std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(Crc32c(0, "123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(Crc32c(0, "1234"), "56789"), 0xe3069283u);
}

TEST(JournalTest, WhatWasAcknowledgedIsThereAfterACrash) {
  FakeDisk disk;
  {
    auto journal = MustOpen({"/j"}, disk);
    EXPECT_TRUE(AppendAndWait(*journal, 3, "three").ok());
    EXPECT_TRUE(AppendAndWait(*journal, 1, std::string(100000, 'x')).ok());
    disk.Crash();
  }
  Records found;
  MustOpen({"/j"}, disk, &found);
  EXPECT_THAT(found, ElementsAre(std::pair(3ul, std::string("three")),
                                 std::pair(1ul, std::string(100000, 'x'))));
}

TEST(JournalTest, WhatWasRecoveredIsThereAfterACrash) {
  FakeDisk disk;
  const JournalOptions options{.directory = "/j", .sync = false};
  {
    auto journal = MustOpen(options, disk);
    ASSERT_TRUE(AppendAndWait(*journal, 1, "written, not synced").ok());
  }
  Records found;
  MustOpen(options, disk, &found);   // as after kill -9: the learner now answers for it
  EXPECT_THAT(found, ElementsAre(std::pair(1ul, std::string("written, not synced"))));
  disk.Crash();
  found.clear();
  MustOpen(options, disk, &found);
  EXPECT_THAT(found, ElementsAre(std::pair(1ul, std::string("written, not synced"))));
}

TEST(JournalTest, ATornTailLosesOnlyTheTornRecord) {
  for (size_t cut = 1; cut < 16 + 6; ++cut) {
    FakeDisk disk;
    {
      auto journal = MustOpen({"/j"}, disk);
      EXPECT_TRUE(AppendAndWait(*journal, 1, "first").ok());
      EXPECT_TRUE(AppendAndWait(*journal, 2, "second").ok());
    }
    std::string& content = disk.files.begin()->second.content;
    content.resize(content.size() - cut);
    Records found;
    {
      auto journal = MustOpen({"/j"}, disk, &found);
      EXPECT_THAT(found, ElementsAre(std::pair(1ul, std::string("first")))) << cut;
      EXPECT_TRUE(AppendAndWait(*journal, 3, "third").ok());
    }
    found.clear();
    MustOpen({"/j"}, disk, &found);
    EXPECT_THAT(found, ElementsAre(std::pair(1ul, std::string("first")),
                                   std::pair(3ul, std::string("third"))));
  }
}

TEST(JournalTest, EveryFlippedBitIsNoticed) {
  FakeDisk disk;
  {
    auto journal = MustOpen({"/j"}, disk);
    EXPECT_TRUE(AppendAndWait(*journal, 7, "payload").ok());
  }
  const std::string good = disk.files.begin()->second.content;
  const auto level = spdlog::get_level();
  spdlog::set_level(spdlog::level::off);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    FakeDisk broken;
    std::string content = good;
    content[bit / 8] ^= 1 << (bit % 8);
    broken.files["/j/00000001.journal"].content = content;
    Records found;
    MustOpen({"/j"}, broken, &found);
    EXPECT_THAT(found, IsEmpty()) << bit;
  }
  spdlog::set_level(level);
}

TEST(JournalTest, AFailedSyncIsNotAcknowledgedAndLaterRecordsSurvive) {
  FakeDisk disk;
  {
    auto journal = MustOpen({"/j"}, disk);
    EXPECT_TRUE(AppendAndWait(*journal, 1, "first").ok());
    disk.fail_syncs = 1;
    EXPECT_EQ(AppendAndWait(*journal, 2, "lost").code(), absl::StatusCode::kDataLoss);
    EXPECT_TRUE(AppendAndWait(*journal, 3, "third").ok());
    disk.Crash();
  }
  Records found;
  MustOpen({"/j"}, disk, &found);
  EXPECT_THAT(found, ElementsAre(std::pair(1ul, std::string("first")),
                                 std::pair(3ul, std::string("third"))));
}

TEST(JournalTest, ATornWriteHidesNothingThatIsAcknowledgedLater) {
  FakeDisk disk;
  {
    auto journal = MustOpen({"/j"}, disk);
    disk.torn_after = 20;
    EXPECT_FALSE(AppendAndWait(*journal, 1, "torn in the middle").ok());
    disk.fail_creates = 1;
    EXPECT_FALSE(AppendAndWait(*journal, 1, "no space for a segment").ok());
    EXPECT_TRUE(AppendAndWait(*journal, 2, "whole").ok());
  }
  Records found;
  MustOpen({"/j"}, disk, &found);
  EXPECT_THAT(found, ElementsAre(std::pair(2ul, std::string("whole"))));
}

TEST(JournalTest, WhateverFailsWhatWasAcknowledgedIsThere) {
  const auto level = spdlog::get_level();
  spdlog::set_level(spdlog::level::off);
  const uint64_t seed = absl::ToUnixNanos(absl::Now());
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  size_t total = 0;
  for (int round = 0; round < 30; ++round) {
    Random random(RandomKey(seed).With(round));
    FakeDisk disk;
    std::set<std::string> acknowledged;
    uint64_t called = 0;
    {
      JournalOptions options{"/j"};
      options.segment_bytes = 200;
      auto journal = MustOpen(options, disk);
      for (int i = 0; i < 300; ++i) {
        if (random.Below(10) == 0) {
          std::lock_guard lock(disk.mu);
          switch (random.Below(3)) {
            case 0:
              disk.fail_syncs = 1;
              break;
            case 1:
              disk.fail_creates = 1;
              break;
            default:
              disk.torn_after = random.Below(60);
          }
        }
        const std::string payload = absl::StrCat("record ", i);
        ASSERT_TRUE(journal
                        ->Append(i, absl::Cord(payload),
                                 [&, payload](const absl::Status& status) {
                                   ++called;
                                   if (status.ok()) acknowledged.insert(payload);
                                 })
                        .ok());
        if (random.Below(8) == 0) std::this_thread::yield();
      }
    }
    disk.Crash();
    EXPECT_EQ(called, 300);
    total += acknowledged.size();  // a round that is one failed batch has none
    Records found;
    MustOpen({"/j"}, disk, &found);
    for (const auto& [group, payload] : found) acknowledged.erase(payload);
    EXPECT_THAT(acknowledged, IsEmpty());
  }
  EXPECT_GT(total, 0);
  spdlog::set_level(level);
}

TEST(JournalTest, WithoutSyncItIsWrittenBeforeItIsAcknowledged) {
  FakeDisk disk;
  disk.fail_syncs = 1;  // never asked for
  JournalOptions options{"/j"};
  options.sync = false;
  auto journal = MustOpen(options, disk);
  EXPECT_TRUE(AppendAndWait(*journal, 1, "first").ok());
  EXPECT_EQ(disk.files.begin()->second.content.size(), 16 + 5);
}

TEST(JournalTest, PruneDeletesWhatIsCoveredAndNothingElse) {
  FakeDisk disk;
  Records found;
  {
    auto journal = MustOpen({"/j"}, disk);
    EXPECT_TRUE(AppendAndWait(*journal, 1, "a").ok());
    EXPECT_TRUE(AppendAndWait(*journal, 9, "early").ok());
    journal->Prune(5);  // closes the segment; group 9 is in it
    EXPECT_TRUE(AppendAndWait(*journal, 6, "b").ok());
    journal->Prune(7);
    EXPECT_TRUE(AppendAndWait(*journal, 8, "c").ok());
    EXPECT_EQ(journal->stats().segments, 3);  // {1, 9}, {6}, {8}: an open one is closed first
    journal->Prune(9);
    EXPECT_EQ(journal->stats().segments, 2);
    journal->Prune(9);
    EXPECT_EQ(journal->stats().segments, 1);
  }
  MustOpen({"/j"}, disk, &found);
  EXPECT_THAT(found,
              ElementsAre(std::pair(1ul, std::string("a")), std::pair(9ul, std::string("early"))));
}

TEST(JournalTest, LongSegmentsAreFollowedByNewOnes) {
  FakeDisk disk;
  JournalOptions options{"/j"};
  options.segment_bytes = 100;
  {
    auto journal = MustOpen(options, disk);
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(AppendAndWait(*journal, i, std::string(60, 'x')).ok());
    EXPECT_EQ(journal->stats().segments, 5);
    journal->Prune(10);
    EXPECT_EQ(journal->stats().segments, 1);
  }
}

TEST(JournalTest, AFullQueueRefuses) {
  FakeDisk disk;
  JournalOptions options{"/j"};
  options.max_queued_bytes = 100;
  auto journal = MustOpen(options, disk);
  EXPECT_EQ(AppendAndWait(*journal, 1, std::string(101, 'x')).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(AppendAndWait(*journal, 1, std::string(50, 'x')).ok());
}

TEST(JournalTest, ClosingWritesWhatIsQueued) {
  FakeDisk disk;
  int acknowledged = 0;
  {
    auto journal = MustOpen({"/j"}, disk);
    for (int i = 0; i < 1000; ++i) {
      EXPECT_TRUE(
          journal
              ->Append(i, absl::Cord("x"), [&](const absl::Status& s) { acknowledged += s.ok(); })
              .ok());
    }
  }
  EXPECT_EQ(acknowledged, 1000);
  Records found;
  MustOpen({"/j"}, disk, &found);
  EXPECT_EQ(found.size(), 1000);
}

TEST(JournalTest, WorksOnARealDisk) {
  const std::string directory = testing::TempDir() + "/journal_test_real";
  std::filesystem::remove_all(directory);
  for (int life = 0; life < 3; ++life) {
    Records found;
    auto journal = MustOpen({directory + "/deep/er"}, PosixJournalFiles(), &found);
    EXPECT_EQ(found.size(), life * 2);
    absl::Cord cord("one ");
    cord.Append(absl::Cord(std::string(70000, 'y')));
    std::promise<absl::Status> done;
    EXPECT_TRUE(
        journal->Append(life, cord, [&](const absl::Status& s) { done.set_value(s); }).ok());
    EXPECT_TRUE(done.get_future().get().ok());
    EXPECT_TRUE(AppendAndWait(*journal, life, "two").ok());
    if (!found.empty()) {
      EXPECT_EQ(found[0].second, "one " + std::string(70000, 'y'));
    }
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace sojourn::learner
