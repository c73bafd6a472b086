#include "coordinator/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>

#include "coordinator/evaluation.h"
#include "coordinator/test_job.h"

namespace sojourn::coordinator {
namespace {

using ::testing::HasSubstr;

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(folder_);
    Reopen();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void Reopen() {
    store_.reset();
    auto store = Store::Open(path_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  StoredJob Job(const std::string& id) {
    StoredJob job;
    job.plan = TestPlan();
    job.plan.job_id = id;
    job.run_directory = "/runs/" + id;
    return job;
  }

  const std::string folder_ = ::testing::TempDir() + "sojourn_store_" +
                              ::testing::UnitTest::GetInstance()->current_test_info()->name();
  const std::string path_ = folder_ + "/a/coordinator.sqlite";
  std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, JobsComeBackInTheOrderTheyWereSubmitted) {
  ASSERT_TRUE(store_->AddJob(Job("b"), "request-1").ok());
  ASSERT_TRUE(store_->AddJob(Job("a"), "").ok());
  ASSERT_TRUE(store_->AddJob(Job("c"), "").ok());
  ASSERT_TRUE(store_->SetState("a", v1::FAILED, "no luck", 2.5).ok());
  ASSERT_TRUE(store_->SetGeneration("c", 9).ok());
  Reopen();
  auto jobs = store_->LoadJobs();
  ASSERT_TRUE(jobs.ok()) << jobs.status();
  ASSERT_EQ(jobs->size(), 3);
  EXPECT_EQ((*jobs)[0].plan.job_id, "b");
  EXPECT_EQ((*jobs)[0].plan.config.SerializeAsString(), TestConfig().SerializeAsString());
  EXPECT_EQ((*jobs)[0].plan.counts.SerializeAsString(), TestCounts().SerializeAsString());
  EXPECT_EQ((*jobs)[1].state, v1::FAILED);
  EXPECT_EQ((*jobs)[1].error, "no luck");
  EXPECT_EQ((*jobs)[1].seconds, 2.5);
  EXPECT_EQ((*jobs)[2].generation, 9);
  EXPECT_EQ(**store_->FindRequest("request-1"), "b");
  EXPECT_FALSE(store_->FindRequest("request-2")->has_value());
}

TEST_F(StoreTest, TheSameIdOrRequestIsRefused) {
  ASSERT_TRUE(store_->AddJob(Job("a"), "request").ok());
  EXPECT_FALSE(store_->AddJob(Job("a"), "").ok());
  EXPECT_FALSE(store_->AddJob(Job("b"), "request").ok());
}

TEST_F(StoreTest, ReopeningAfterEveryEventGivesThatEventsState) {
  const JobPlan plan = TestPlan();
  ASSERT_TRUE(store_->AddJob(Job("test"), "").ok());
  CurriculumState state;
  std::vector<std::string> groups;
  uint32_t arm = 0;
  while (state.phase() != CurriculumState::DONE) {
    Event event;
    if (state.phase() == CurriculumState::NOT_STARTED) {
      event.mutable_started();
    } else if (const auto row = RowUnderWay(state); row.has_value()) {
      event.mutable_row_measured()->set_row(*row);
    } else if (state.phase() == CurriculumState::TRAIN) {
      event.mutable_update_consumed()->set_update(state.version());
      event.mutable_update_consumed()->set_episodes(8);
    } else {
      event.mutable_checkpoint_written()->set_version(state.version());
      event.mutable_checkpoint_written()->set_label(CheckpointLabel(state));
    }
    auto step = Next(plan, state, event);
    ASSERT_TRUE(step.ok()) << step.status();
    EventRecord record{event, step->state, step->planned};
    ASSERT_TRUE(store_->Append("test", state.arm(), record).ok());
    state = step->state;
    if (state.arm() != arm) groups.clear();
    arm = state.arm();
    for (const v1::Assignment& a : step->planned) groups.push_back(a.SerializeAsString());

    Reopen();
    auto jobs = store_->LoadJobs();
    ASSERT_TRUE(jobs.ok());
    EXPECT_EQ((*jobs)[0].curriculum.SerializeAsString(), state.SerializeAsString());
    auto loaded = store_->LoadGroups("test", state.arm(), 0);
    ASSERT_TRUE(loaded.ok());
    ASSERT_EQ(loaded->size(), groups.size());
    for (size_t i = 0; i < groups.size(); ++i)
      EXPECT_EQ((*loaded)[i].SerializeAsString(), groups[i]);
    // Replaying all the events from nothing leads to the same state.
    CurriculumState replayed;
    const auto events = store_->LoadEvents("test");
    ASSERT_TRUE(events.ok());
    for (const Event& past : *events) replayed = Next(plan, replayed, past)->state;
    EXPECT_EQ(replayed.SerializeAsString(), state.SerializeAsString());
  }
}

TEST_F(StoreTest, AnEventThatCannotBeStoredInWholeIsNotStoredAtAll) {
  ASSERT_TRUE(store_->AddJob(Job("test"), "").ok());
  EventRecord record;
  record.event.mutable_started();
  record.state.set_phase(CurriculumState::TRAIN);
  record.planned.resize(2);  // the same name twice
  EXPECT_FALSE(store_->Append("test", 0, record).ok());
  EXPECT_TRUE(store_->LoadEvents("test")->empty());
  EXPECT_TRUE(store_->LoadGroups("test", 0, 0)->empty());
  EXPECT_EQ((*store_->LoadJobs())[0].curriculum.phase(), CurriculumState::NOT_STARTED);
  record.planned.resize(1);
  EXPECT_TRUE(store_->Append("test", 0, record).ok()) << "the failed transaction is over";
}

TEST_F(StoreTest, TheFirstResultOfAMemberStays) {
  v1::EpisodeResult result;
  result.mutable_name()->set_job_id("test");
  result.set_member(3);
  result.set_success(true);
  EXPECT_TRUE(*store_->AddResult(result));
  result.set_success(false);
  EXPECT_FALSE(*store_->AddResult(result));
  result.set_row(1);
  EXPECT_TRUE(*store_->AddResult(result));
  Reopen();
  ASSERT_EQ(store_->LoadResults("test", 0, 0)->size(), 1);
  EXPECT_TRUE((*store_->LoadResults("test", 0, 0))[0].success());
  EXPECT_EQ(*store_->CountResults("test"), 2);
}

TEST_F(StoreTest, RefusesAnotherVersionsFile) {
  store_.reset();
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &database), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(database, "PRAGMA user_version=99", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(database);
  const auto store = Store::Open(path_);
  ASSERT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(store.status().ToString(), HasSubstr("schema version 99"));
}

TEST_F(StoreTest, SaysWhichFileCannotBeOpened) {
  const auto store = Store::Open("/proc/none/coordinator.sqlite");
  ASSERT_FALSE(store.ok());
  EXPECT_THAT(store.status().ToString(), HasSubstr("/proc/none/coordinator.sqlite"));
}

}  // namespace
}  // namespace sojourn::coordinator
