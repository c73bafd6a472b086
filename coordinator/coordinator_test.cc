#include "coordinator/coordinator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "coordinator/test_fleet.h"

namespace sojourn::coordinator {
namespace {

using ::testing::HasSubstr;

class CoordinatorTest : public ::testing::Test {
 protected:
  std::string Name() { return ::testing::UnitTest::GetInstance()->current_test_info()->name(); }
  v1::JobStatus Status(TestCoordinator& coordinator, const std::string& job = "") {
    auto status = coordinator->Get(job);
    EXPECT_TRUE(status.ok()) << status.status();
    return status.ok() ? *status : v1::JobStatus();
  }
};

// Everything measured, without what depends on the clock.
std::string Measured(Coordinator& coordinator) {
  v1::Results results = *coordinator.Report("");
  results.clear_status();
  for (v1::ArmResults& arm : *results.mutable_arms()) {
    for (v1::UpdateRecord& update : *arm.mutable_updates()) update.clear_seconds();
  }
  return results.DebugString();
}

struct Outcomes {
  std::map<std::string, std::string> assignments;  // by name
  std::string measured;
};

// Runs the test job to its end. The second stage ends by its tokens: what is planned depends on
// what is consumed, and must not depend on when.
void RunJob(const std::string& name, int actors, uint64_t seed, uint64_t kills,
            Outcomes& outcomes) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  TestCoordinator coordinator(name);
  v1::JobConfig config = TestConfig();
  v1::Advance& advance = *config.mutable_arms(0)->mutable_stages(1)->mutable_advance();
  advance.set_updates(0);
  advance.set_tokens(200);
  ASSERT_TRUE(coordinator->Submit(config, "once").ok());
  FakeFleet fleet(coordinator, actors, 2, seed);
  int steps = 0;
  while (coordinator->Get("")->state() == v1::RUNNING) {
    fleet.Step(steps < 20000 ? kills : 0);
    if (steps % 50 == 0) {  // living members beat
      for (FakeActor& actor : fleet.actors) actor.Beat();
      for (FakeLearner& learner : fleet.learners) learner.Beat();
      coordinator.Pass(absl::Milliseconds(250));
    }
    ASSERT_LT(++steps, 100000) << coordinator->Get("")->ShortDebugString();
  }
  ASSERT_EQ(coordinator->Get("")->state(), v1::SUCCEEDED) << coordinator->Get("")->error();
  for (const FakeActor& actor : fleet.actors) {
    for (const v1::Assignment& a : actor.received) {
      const std::string key =
          absl::StrCat(a.evaluation(), " ", a.name().arm(), " ", a.row(), " ", a.name().group());
      const auto [known, added] = outcomes.assignments.try_emplace(key, a.SerializeAsString());
      EXPECT_EQ(known->second, a.SerializeAsString()) << key << " was assigned in two ways";
    }
  }
  outcomes.measured = Measured(*coordinator);
}

TEST_F(CoordinatorTest, ScheduleActorsAndKillsLeaveNoTrace) {
  Outcomes calm;
  RunJob(Name(), 1, 1, 0, calm);
  ASSERT_FALSE(calm.measured.empty());
  for (uint64_t seed = 2; seed < 8; ++seed) {
    Outcomes rough;
    RunJob(Name(), 1 + static_cast<int>(seed % 4), seed, seed < 4 ? 0 : 2 * seed, rough);
    EXPECT_TRUE(rough.assignments == calm.assignments) << "seed " << seed;
    EXPECT_EQ(rough.measured, calm.measured) << "seed " << seed;
    if (HasFailure()) return;
  }
}

TEST_F(CoordinatorTest, ARunWritesItsReportAndOneMetricsLinePerUpdate) {
  TestCoordinator coordinator(Name());
  ASSERT_TRUE(coordinator->Submit(TestConfig(), "").ok());
  FakeFleet fleet(coordinator, 2, 2, 5);
  for (int i = 0; i < 50000 && coordinator->Get("")->state() == v1::RUNNING; ++i) fleet.Step(2);
  ASSERT_EQ(Status(coordinator).state(), v1::SUCCEEDED);
  EXPECT_EQ(Status(coordinator).progress().phase(), "done");
  EXPECT_EQ(Status(coordinator).progress().work_done(), 1);
  const std::string run = Status(coordinator).run_directory();
  const nlohmann::json report = nlohmann::json::parse(std::ifstream(run + "/report.json"));
  ASSERT_EQ(report.at("arms").size(), 2);
  EXPECT_EQ(report.at("job").at("state"), "SUCCEEDED");
  EXPECT_EQ(report.at("arms").at(0).at("matrix").size(), 4);
  EXPECT_EQ(report.at("arms").at(1).at("matrix").size(), 3)
      << "random and before are shown in every arm";
  EXPECT_EQ(report.at("arms").at(1).at("final_weights_sha256"), "sha-2");
  EXPECT_EQ(report.at("arms").at(0).at("final_model"), "checkpoints/stage-2");
  EXPECT_FALSE(report.at("arms").at(0).at("measures").at("BWT").is_null());
  std::ifstream lines(run + "/metrics.jsonl");
  std::vector<std::pair<std::string, int>> updates;
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json update = nlohmann::json::parse(line);
    updates.emplace_back(update.at("arm"), update.at("update"));
  }
  ASSERT_EQ(updates.size(), 4 + 3 + 2);
  for (int i = 0; i < 7; ++i) EXPECT_EQ(updates[i], std::pair(std::string("sequential"), i));
  EXPECT_THAT(coordinator.metrics().Text(), HasSubstr("sojourn_success{"));
}

TEST_F(CoordinatorTest, AnEndpointIsMeasuredWithoutLearners) {
  TestCoordinator coordinator(Name());
  v1::JobConfig config = TestConfig();
  config.clear_arms();
  config.add_arms()->set_name("model");
  config.mutable_policy()->mutable_endpoint()->set_model("tiny");
  config.mutable_resources()->set_learner_ranks(0);
  ASSERT_TRUE(coordinator->Submit(config, "").ok());
  FakeActor actor(coordinator, "actor-0");
  actor.Join(3);
  for (size_t played = 0; Status(coordinator).state() == v1::RUNNING;) {
    EXPECT_THAT(Status(coordinator).progress().waiting_for(), ::testing::Not(HasSubstr("learner")));
    while (actor.Hear()) {
    }
    ASSERT_LT(played, actor.received.size()) << "nothing more is given out";
    for (; played < actor.received.size(); ++played) {
      for (uint32_t member = 0; member < actor.received[played].episodes(); ++member) {
        v1::ActorMessage message;
        *message.mutable_result() = PlayEpisode(actor.received[played], member);
        actor.Say(message);
      }
      actor.AddCredits(1);
    }
  }
  EXPECT_EQ(Status(coordinator).state(), v1::SUCCEEDED) << Status(coordinator).error();
  EXPECT_EQ(actor.welcome.learner_addresses_size(), 0);
  const v1::Results results = *coordinator->Report("");
  ASSERT_EQ(results.arms(0).rows_size(), 2);
  EXPECT_EQ(results.arms(0).rows(1).cells(0).tasks_size(), 3);
}

// A job in its training phase with one group leased to each of two actors.
class TrainingTest : public CoordinatorTest {
 protected:
  void SetUp() override {
    v1::JobConfig config = TestConfig();
    config.mutable_evaluation()->clear_cells();
    ASSERT_TRUE(coordinator.operator->()->Submit(config, "").ok());
    for (FakeLearner& learner : learners) {
      learner.Join();
    }
    for (FakeLearner& learner : learners) {
      while (learner.Hear()) {
      }
    }
  }
  std::vector<uint64_t> Received(FakeActor& actor) {
    while (actor.Hear()) {
    }
    std::vector<uint64_t> groups;
    for (const v1::Assignment& a : actor.received) groups.push_back(a.name().group());
    actor.received.clear();
    return groups;
  }
  TestCoordinator coordinator{Name()};
  std::vector<FakeLearner> learners{{coordinator, 0}, {coordinator, 1}};
  FakeActor a{coordinator, "a"}, b{coordinator, "b"};
};

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(TrainingTest, CreditsAreRespectedAndLowGroupsGoFirst) {
  a.Join(2);
  EXPECT_THAT(Received(a), ElementsAre(0, 1));
  b.Join(1);
  EXPECT_THAT(Received(b), ElementsAre(2));
  a.AddCredits(1);
  EXPECT_THAT(Received(a), ElementsAre(3));
}

TEST_F(TrainingTest, NoMoreGroupsExistThanStalenessAllows) {
  a.Join(100);
  EXPECT_EQ(Received(a).size(), 2 * 4);
}

TEST_F(TrainingTest, ASilentActorsGroupsAreIssuedAgain) {
  a.Join(2);
  Received(a);
  b.Join(0);
  for (int i = 0; i < 11; ++i) {
    b.AddCredits(0);
    for (FakeLearner& learner : learners) learner.Beat();
    coordinator.Pass(absl::Seconds(1));
  }
  EXPECT_FALSE(a.joined());
  EXPECT_THAT(a.link().status.ToString(), HasSubstr("no heartbeat within the lease"));
  b.AddCredits(2);
  EXPECT_THAT(Received(b), ElementsAre(0, 1));
}

TEST_F(TrainingTest, AnActorThatComesBackKeepsWhatItHolds) {
  a.Join(2);
  Received(a);
  a.Break();
  a.Join(1);
  EXPECT_THAT(Received(a), ElementsAre(2)) << "0 and 1 are leased to it again";
}

TEST_F(TrainingTest, TheSameNameTakesTheOldStreamsPlace) {
  a.Join(2);
  Received(a);
  FakeActor again(coordinator, "a");
  again.Join(2);
  EXPECT_FALSE(a.joined());
  EXPECT_THAT(Received(again), ElementsAre(0, 1));
  a.Beat();  // a late message of the old stream harms nobody
  coordinator.Pass(absl::Seconds(1));
  EXPECT_TRUE(again.joined());
}

TEST_F(TrainingTest, AnActorThatNamesNothingIsRefused) {
  auto link = std::make_shared<FakeLink<v1::CoordinatorToActor>>();
  v1::ActorMessage beat;
  beat.mutable_heartbeat();
  coordinator->OnActor(link, beat);
  EXPECT_THAT(link->status.ToString(), HasSubstr("say hello first"));
}

TEST_F(TrainingTest, ALearnersJournalDecidesWhatIsDelivered) {
  a.Join(8);
  Received(a);
  for (int i = 0; i < 4; ++i)
    ASSERT_TRUE(a.Play(0, learners));  // groups 0..3, journaled and delivered
  learners[1].Leave();
  learners[1].LoseDisk();  // what it acknowledged is gone
  learners[1].Join();
  for (FakeLearner& learner : learners) {
    while (learner.Hear()) {
    }
  }
  EXPECT_THAT(Received(a), ElementsAre(1, 3));
}

TEST_F(TrainingTest, AGroupThatItsLearnerLostIsPlayedAgain) {
  a.Join(1);
  ASSERT_THAT(Received(a), ElementsAre(0));
  ASSERT_TRUE(a.Play(0, learners));  // group 0 is rank 0's
  learners[0].LoseRecord();
  learners[0].Beat();  // it may be older than the delivery
  b.Join(1);
  const std::vector<uint64_t> next = Received(b);
  EXPECT_THAT(next, ::testing::Not(::testing::Contains(0)));
  learners[0].Beat();
  b.AddCredits(1);
  EXPECT_THAT(Received(b), ElementsAre(0));
}

TEST_F(TrainingTest, NothingIsIssuedWhileARankIsMissing) {
  learners[0].Leave();
  a.Join(4);
  EXPECT_THAT(Received(a), IsEmpty());
  EXPECT_EQ(Status(coordinator).progress().phase(), "waiting for learner rank 0 to join");
  EXPECT_EQ(a.welcome.learner_addresses(0), "");
  EXPECT_EQ(a.welcome.learner_addresses(1), "learner-1");
  const uint64_t generation = learners[1].generation();
  learners[0].Join();
  for (FakeLearner& learner : learners) {
    while (learner.Hear()) {
    }
  }
  EXPECT_EQ(learners[1].generation(), generation + 1);
  EXPECT_EQ(learners[0].generation(), generation + 1);
  EXPECT_THAT(Received(a), ElementsAre(0, 1, 2, 3));
}

TEST_F(TrainingTest, SaysWhoIsWaitedFor) {
  EXPECT_EQ(Status(coordinator).progress().phase(), "waiting for an actor to join");
  a.Join(4);
  Received(a);
  EXPECT_EQ(Status(coordinator).progress().waiting_for(), "");
  coordinator.Pass(absl::Seconds(3));
  EXPECT_EQ(Status(coordinator).progress().waiting_for(), "groups 0, 1, 2, 3 played by a");
  v1::ActorMessage beat;
  beat.mutable_heartbeat()->set_waiting_for("version 0 from learner-0");
  a.Say(beat);
  EXPECT_EQ(Status(coordinator).progress().waiting_for(),
            "groups 0, 1, 2, 3 played by a (waiting for version 0 from learner-0)");
  ASSERT_TRUE(a.Play(0, learners));  // the job moves on
  EXPECT_EQ(Status(coordinator).progress().waiting_for(), "");
  beat.mutable_heartbeat()->set_waiting_seconds(30);
  a.Say(beat);
  EXPECT_EQ(Status(coordinator).progress().waiting_for(),
            "groups 1, 2, 3 played by a (waiting for version 0 from learner-0)");
  learners[0].Beat();
  coordinator.Pass(absl::Seconds(2));
  EXPECT_EQ(Status(coordinator).progress().waiting_for(), "learner rank 1 (no heartbeat for 5 s)");
  learners[1].Beat();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(a.Play(0, learners));
  learners[0].Update();
  coordinator.Pass(absl::Seconds(2));
  EXPECT_EQ(Status(coordinator).progress().waiting_for(), "learner rank 1 to report update 0");
  EXPECT_THAT(coordinator.metrics().Text(),
              HasSubstr("sojourn_waiting_seconds_total{for=\"groups\"}"));
}

TEST_F(TrainingTest, AReportThatComesTwiceCountsOnce) {
  a.Join(8);
  Received(a);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(a.Play(0, learners));
  v1::LearnerMessage twice;
  for (FakeLearner& learner : learners) learner.Update();
  EXPECT_EQ(Status(coordinator).progress().update(), 1);
  EXPECT_EQ(Status(coordinator).progress().episodes(), 8);
  twice.mutable_update()->set_job_id("test");
  twice.mutable_update()->set_rank(0);
  for (const uint64_t group : {0, 2}) twice.mutable_update()->add_groups()->set_group(group);
  learners[0].Say(twice);
  EXPECT_EQ(Status(coordinator).progress().update(), 1);
  EXPECT_EQ(Status(coordinator).progress().episodes(), 8);
  EXPECT_EQ(Status(coordinator).state(), v1::RUNNING);
}

TEST_F(TrainingTest, AReportOfOtherGroupsFailsTheJob) {
  v1::LearnerMessage message;
  message.mutable_update()->set_job_id("test");
  message.mutable_update()->add_groups()->set_group(1);
  learners[0].Say(message);
  EXPECT_EQ(Status(coordinator).state(), v1::FAILED);
  EXPECT_EQ(Status(coordinator).error(),
            "learner rank 0 reported update 0 with groups 1; its share of it is 0, 2");
}

TEST_F(TrainingTest, FailuresForGoodEndTheJobWithTheirReason) {
  a.Join(1);
  v1::ActorMessage failed;
  failed.mutable_failed()->mutable_name()->set_job_id("test");
  failed.mutable_failed()->set_error("unknown environment \"babyai\"");
  a.Say(failed);
  EXPECT_EQ(Status(coordinator).state(), v1::FAILED);
  EXPECT_EQ(Status(coordinator).error(),
            "training group 0 cannot be played: unknown environment \"babyai\"");
  for (FakeLearner& learner : learners) {
    while (learner.Hear()) {
    }
    EXPECT_TRUE(learner.stopped);
  }
  ASSERT_TRUE(coordinator->Submit(TestConfig(), "").ok());
  EXPECT_EQ(Status(coordinator).state(), v1::RUNNING) << "the next job starts";
  v1::LearnerMessage learner_failed;
  learner_failed.mutable_failed()->set_job_id("test-2");
  learner_failed.mutable_failed()->set_error("no model at /model");
  learners[0].Say(learner_failed);
  EXPECT_EQ(Status(coordinator).error(), "learner rank 0: no model at /model");
}

TEST_F(TrainingTest, APausedJobIssuesNothingButFinishesWhatIsUnderWay) {
  a.Join(4);
  Received(a);
  ASSERT_EQ(coordinator->Pause("test")->state(), v1::PAUSED);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(a.Play(0, learners));
  for (FakeLearner& learner : learners) learner.Update();
  EXPECT_EQ(Status(coordinator).progress().update(), 1);
  EXPECT_THAT(Received(a), IsEmpty());
  coordinator.Start();
  EXPECT_EQ(Status(coordinator).state(), v1::PAUSED);
  ASSERT_EQ(coordinator->Resume("")->state(), v1::RUNNING);
  EXPECT_EQ(coordinator->Resume("")->state(), v1::RUNNING);
}

TEST_F(TrainingTest, ACancelledJobIsRevokedAndTheNextOneStarts) {
  ASSERT_EQ(*coordinator->Submit(TestConfig(), ""), "test-2");
  EXPECT_EQ(Status(coordinator).state(), v1::QUEUED);
  EXPECT_EQ(Status(coordinator).progress().waiting_for(), "job test to end");
  a.Join(4);
  Received(a);
  EXPECT_EQ(a.held(), 4);
  ASSERT_EQ(coordinator->Cancel("test")->state(), v1::CANCELLED);
  EXPECT_EQ(coordinator->Cancel("test")->state(), v1::CANCELLED);
  while (a.Hear()) {
  }
  EXPECT_EQ(a.held(), 0);
  EXPECT_EQ(a.welcome.job_id(), "test-2");
  EXPECT_EQ(Status(coordinator).state(), v1::RUNNING);
  EXPECT_FALSE(coordinator->Pause("test").ok());
  coordinator.Start();
  EXPECT_EQ(Status(coordinator, "test").state(), v1::CANCELLED);
  EXPECT_EQ(Status(coordinator).state(), v1::RUNNING);
}

TEST_F(CoordinatorTest, ARequestSubmitsOnceAndFaultsAreSaid) {
  TestCoordinator coordinator(Name());
  EXPECT_EQ(*coordinator->Submit(TestConfig(), "r"), "test");
  EXPECT_EQ(*coordinator->Submit(TestConfig(), "r"), "test");
  coordinator.Start();
  EXPECT_EQ(*coordinator->Submit(TestConfig(), "r"), "test");
  EXPECT_EQ(*coordinator->Submit(TestConfig(), "s"), "test-2");
  EXPECT_EQ(coordinator->List().size(), 2);
  EXPECT_THAT(coordinator->Submit(v1::JobConfig(), "").status().ToString(),
              HasSubstr("arms: missing"));
  EXPECT_THAT(coordinator->Get("tset").status().ToString(),
              HasSubstr("unknown job \"tset\"; known: test, test-2; did you mean \"test\"?"));
}

TEST_F(CoordinatorTest, TheRandomRowNeedsNoLearners) {
  TestCoordinator coordinator(Name());
  ASSERT_TRUE(coordinator->Submit(TestConfig(), "").ok());
  std::vector<FakeLearner> learners{{coordinator, 0}, {coordinator, 1}};
  FakeActor actor(coordinator, "a");
  actor.Join(3);
  for (int i = 0; i < 100; ++i) {
    actor.Hear();
    actor.Play(0, learners);
  }
  EXPECT_EQ(Status(coordinator).progress().phase(),
            "waiting for learner rank 0 to join, learner rank 1 to join");
  ASSERT_EQ(coordinator->Report("")->arms(0).rows_size(), 1);
  EXPECT_EQ(coordinator->Report("")->arms(0).rows(0).row(), "random");
}

}  // namespace
}  // namespace sojourn::coordinator
