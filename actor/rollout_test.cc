#include "actor/rollout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "actor/fake_job.h"
#include "envs/react.h"
#include "envs/remote/wild_server.h"

namespace sojourn::actor {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class RolloutTest : public ::testing::Test {
 protected:
  explicit RolloutTest(int slots = 8) { Reset(FakeConfig(), slots); }

  void Reset(const v1::JobConfig& config, int slots) {
    auto setup = JobSetup::Make("job", config, ByteTokenizer());
    ASSERT_TRUE(setup.ok()) << setup.status();
    setup_ = *std::move(setup);
    rollout_ = std::make_unique<Rollout>(
        *setup_, slots, actor_metrics_,
        Rollout::Sink{[this](uint32_t rank, v1::Trajectory t) {
                        ranks_.push_back(rank);
                        trajectories_.push_back(std::move(t));
                      },
                      [this](v1::EpisodeResult r) { results_.push_back(std::move(r)); },
                      [this](const v1::Assignment& a, const absl::Status& s) {
                        failures_.push_back(absl::StrCat(a.name().group(), ": ", s.message()));
                      }});
  }

  // One of three actions, by the key.
  FakeEngine::Answer Actions() {
    return [this](const std::vector<int32_t>&, RandomKey key) {
      const char* actions[] = {"turn left", "move forward", "go to red ball 1"};
      auto tokens =
          setup_->tokenizer().Encode(envs::FormatReAct("hm", actions[Random(key).Below(3)]));
      tokens.push_back(setup_->chat().stop_token());
      return std::pair(tokens, true);
    };
  }

  // Plays until nothing is left, with an engine for every policy that is asked for.
  void PlayAll() {
    for (int steps = 0; steps < 1000; ++steps) {
      if (const auto missing = rollout_->MissingPolicy(); missing.has_value()) {
        policies_.push_back(missing->version);
        auto engine = std::make_unique<FakeEngine>(rollout_->engine_options(), Actions());
        engine_ = engine.get();
        rollout_->SetEngine(*missing, std::move(engine));
      }
      const auto worked = rollout_->Step();
      ASSERT_TRUE(worked.ok()) << worked.status();
      if (!*worked && !rollout_->MissingPolicy().has_value()) return;
    }
    FAIL() << "the rollout does not end";
  }

  std::map<std::pair<uint64_t, uint32_t>, std::string> Bytes() const {
    std::map<std::pair<uint64_t, uint32_t>, std::string> bytes;
    for (const v1::Trajectory& t : trajectories_)
      bytes[{t.name().group(), t.member()}] = t.SerializeAsString();
    return bytes;
  }

  Metrics metrics_;
  ActorMetrics actor_metrics_{metrics_};
  std::unique_ptr<JobSetup> setup_;
  std::unique_ptr<Rollout> rollout_;
  FakeEngine* engine_ = nullptr;
  std::vector<uint32_t> ranks_;
  std::vector<uint64_t> policies_;
  std::vector<v1::Trajectory> trajectories_;
  std::vector<v1::EpisodeResult> results_;
  std::vector<std::string> failures_;
};

TEST_F(RolloutTest, AGroupIsPlayedOverARealEnvironment) {
  v1::Assignment assignment = FakeAssignment(5);
  assignment.set_learner_rank(1);
  rollout_->Add(assignment);
  PlayAll();
  EXPECT_THAT(failures_, IsEmpty());
  ASSERT_THAT(trajectories_, SizeIs(4));
  std::set<uint32_t> members;
  std::set<std::string> prompts;
  for (const v1::Trajectory& t : trajectories_) {
    members.insert(t.member());
    EXPECT_EQ(t.name().group(), 5);
    EXPECT_EQ(t.group_size(), 4);
    EXPECT_EQ(t.environment(), "babyai");
    EXPECT_GE(t.turns(), 1);
    EXPECT_LE(t.turns(), 3);
    const auto first = t.loss_mask().find('\1');
    prompts.insert(setup_->tokenizer().Decode(
        std::vector<int32_t>(t.tokens().begin(), t.tokens().begin() + first), true));
  }
  EXPECT_EQ(members, (std::set<uint32_t>{0, 1, 2, 3}));
  ASSERT_THAT(prompts, SizeIs(1));  // the same task for all
  EXPECT_THAT(*prompts.begin(), HasSubstr("Your goal"));
  EXPECT_THAT(ranks_, ::testing::Each(1));
  EXPECT_THAT(metrics_.Text(),
              HasSubstr("sojourn_actor_episodes_total{difficulty=\"1\",environment=\"babyai\"} 4"));
}

TEST_F(RolloutTest, TheSameAssignmentGivesTheSameBytesWhateverElseIsPlayed) {
  for (uint64_t group = 0; group < 6; ++group) rollout_->Add(FakeAssignment(group));
  PlayAll();
  const auto together = Bytes();
  ASSERT_THAT(together, SizeIs(24));
  Reset(FakeConfig(), 1);
  trajectories_.clear();
  for (uint64_t group : {3, 1}) rollout_->Add(FakeAssignment(group));
  PlayAll();
  for (const auto& [name, bytes] : Bytes()) EXPECT_EQ(bytes, together.at(name));
  EXPECT_NE(together.at({0, 0}).substr(20), together.at({0, 1}).substr(20));  // members differ
}

TEST_F(RolloutTest, EachGroupHasThePolicyThatItNames) {
  rollout_->Add(FakeAssignment(2, /*version=*/7));
  rollout_->Add(FakeAssignment(0, /*version=*/6));
  rollout_->Add(FakeAssignment(1, /*version=*/6));
  EXPECT_EQ(rollout_->MissingPolicy()->version, 6);
  EXPECT_THAT(rollout_->NextPolicies(), ElementsAre(PolicyName{0, 6}, PolicyName{0, 7}));
  PlayAll();
  EXPECT_THAT(policies_, ElementsAre(6, 7));
  EXPECT_THAT(trajectories_, SizeIs(12));
}

TEST_F(RolloutTest, GroupsWaitForSlots) {
  for (uint64_t group = 0; group < 10; ++group) rollout_->Add(FakeAssignment(group));
  EXPECT_EQ(rollout_->queued_episodes(), 40);
  PlayAll();
  EXPECT_EQ(engine_->most_live, 8);
  EXPECT_THAT(trajectories_, SizeIs(40));
  EXPECT_EQ(rollout_->live_episodes(), 0);
}

TEST_F(RolloutTest, EvaluationIsReportedAndGreedyIsGreedy) {
  v1::Assignment assignment = FakeAssignment(1);
  assignment.set_evaluation(true);
  assignment.set_split("test");
  assignment.set_row(2);
  assignment.set_mode(v1::GREEDY);
  assignment.set_episodes(1);
  assignment.set_want_transcript(true);
  rollout_->Add(assignment);
  PlayAll();
  ASSERT_THAT(results_, SizeIs(1));
  EXPECT_EQ(results_[0].row(), 2);
  EXPECT_GT(results_[0].tokens(), 0);
  EXPECT_GT(results_[0].transcript_size(), 0);
  EXPECT_THAT(engine_->temperatures, ::testing::Each(0));
  EXPECT_THAT(trajectories_, IsEmpty());
}

TEST_F(RolloutTest, RandomActionsNeedNoPolicy) {
  for (const char* environment : {"babyai", "textcraft"}) {
    v1::Assignment assignment = FakeAssignment(1);
    assignment.set_environment(environment);
    assignment.set_evaluation(true);
    assignment.set_mode(v1::RANDOM_VALID);
    rollout_->Add(assignment);
  }
  EXPECT_FALSE(rollout_->MissingPolicy().has_value());
  PlayAll();
  EXPECT_THAT(failures_, IsEmpty());
  EXPECT_THAT(results_, SizeIs(8));
  EXPECT_THAT(policies_, IsEmpty());
}

TEST_F(RolloutTest, WhatCanNeverBePlayedFailsWithItsReason) {
  const auto fails_with = [&](auto change, const std::string& reason) {
    v1::Assignment assignment = FakeAssignment(9);
    change(assignment);
    failures_.clear();
    rollout_->Add(assignment);
    PlayAll();
    EXPECT_THAT(failures_, ElementsAre(HasSubstr(reason)));
  };
  fails_with([](auto& a) { a.set_environment("chess"); }, "no environment \"chess\"");
  fails_with([](auto& a) { a.set_difficulty(99); }, "99");
  fails_with([](auto& a) { a.set_split("dev"); }, "dev");
  fails_with([](auto& a) { a.set_variant("upside-down"); }, "unknown variant");
  fails_with([](auto& a) { a.set_episodes(0); }, "group of 0");
  fails_with([](auto& a) { a.set_max_turns(0); }, "max_turns");
  fails_with([](auto& a) { a.set_mode(v1::RANDOM_VALID); }, "cannot be trained on");
  rollout_->Add(FakeAssignment(1));  // and play goes on
  PlayAll();
  EXPECT_THAT(trajectories_, SizeIs(4));
}

TEST_F(RolloutTest, AVariantIsPlayedWithItsInstructionsAndActionFormat) {
  v1::JobConfig config = FakeConfig();
  config.mutable_policy()->set_instructions(true);
  config.mutable_policy()->set_max_context_tokens(16384);
  Reset(config, 8);
  std::string prompt;
  const auto play = [&](uint64_t group, const std::string& variant) {
    v1::Assignment assignment = FakeAssignment(group);
    assignment.set_variant(variant);
    trajectories_.clear();
    rollout_->Add(assignment);
    const PolicyName policy = *rollout_->MissingPolicy();
    rollout_->SetEngine(policy, std::make_unique<FakeEngine>(
                                    rollout_->engine_options(), [&](const std::vector<int32_t>& tokens, RandomKey) {
                                      prompt = setup_->tokenizer().Decode(tokens);
                                      auto answer = setup_->tokenizer().Encode(
                                          R"(I turn. {"name": "act", "arguments": {"action": "turn left"}})");
                                      answer.push_back(setup_->chat().stop_token());
                                      return std::pair(answer, true);
                                    }));
    while (*rollout_->Step()) {
    }
    rollout_->TakeEngine();
    EXPECT_THAT(trajectories_, SizeIs(4));
    return trajectories_.empty() ? 0 : trajectories_[0].invalid_actions();
  };
  EXPECT_EQ(play(0, "json"), 0);
  EXPECT_THAT(prompt, AllOf(HasSubstr("one tool call"), Not(HasSubstr("<Your Action>"))));
  EXPECT_EQ(play(1, ""), 3) << "instances are of their variant";
  EXPECT_THAT(prompt, HasSubstr("<Your Action>"));
  EXPECT_EQ(play(2, "json+verbs"), 3) << "it is not called so any more";
  EXPECT_THAT(prompt, AllOf(HasSubstr("The commands are: "), Not(HasSubstr("- turn right"))));
}

TEST_F(RolloutTest, ARevokedArmIsForgotten) {
  for (uint64_t group = 0; group < 4; ++group) rollout_->Add(FakeAssignment(group));
  rollout_->SetEngine(*rollout_->MissingPolicy(),
                      std::make_unique<FakeEngine>(rollout_->engine_options(), Actions()));
  ASSERT_TRUE(*rollout_->Step());
  EXPECT_GT(rollout_->live_episodes(), 0);
  rollout_->Drop(0);
  EXPECT_EQ(rollout_->live_episodes(), 0);
  EXPECT_EQ(rollout_->queued_groups(), 0);
  trajectories_.clear();
  PlayAll();
  EXPECT_THAT(trajectories_, IsEmpty());
}

TEST_F(RolloutTest, GroupsOfABrokenEngineStartAgain) {
  rollout_->Add(FakeAssignment(0));
  auto broken = std::make_unique<FakeEngine>(rollout_->engine_options(), Actions());
  FakeEngine* const engine = broken.get();
  rollout_->SetEngine(*rollout_->MissingPolicy(), std::move(broken));
  ASSERT_TRUE(rollout_->Step().ok());
  engine->fail = true;
  EXPECT_TRUE(absl::IsInternal(rollout_->Step().status()));
  PlayAll();
  EXPECT_THAT(Bytes(), SizeIs(4));
  EXPECT_THAT(failures_, IsEmpty());
}

// Answers messages, and from `until` responses on says why there are no more.
class TextEngine : public FakeEngine {
 public:
  TextEngine(policy::EngineOptions options, int until, absl::Status status)
      : FakeEngine(options, nullptr), until_(until), status_(std::move(status)) {}
  absl::Status Respond(int64_t episode, policy::ResponseRequest request) override {
    for (const policy::Message& message : request.messages) told.push_back(message.content);
    EXPECT_THAT(request.prompt, IsEmpty());
    EXPECT_THAT(request.stop_tokens, IsEmpty());
    asked_.push_back(episode);
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<policy::Response>> Step() override {
    std::vector<policy::Response> responses;
    for (const int64_t episode : std::exchange(asked_, {})) {
      policy::Response& response = responses.emplace_back();
      response.episode = episode;
      response.text = "Action: turn left";
      response.text_tokens = 5;
      if (until_-- <= 0) response.status = status_;
    }
    return responses;
  }
  std::vector<std::string> told;

 private:
  int until_;
  absl::Status status_;
  std::vector<int64_t> asked_;
};

class MessagesTest : public RolloutTest {
 protected:
  // One episode of three turns, with an engine that answers `until` times.
  void Play(int until, const absl::Status& status) {
    auto setup = JobSetup::Make("job", FakeConfig(), nullptr);
    ASSERT_TRUE(setup.ok()) << setup.status();
    setup_ = *std::move(setup);
    rollout_ = std::make_unique<Rollout>(
        *setup_, 8, actor_metrics_,
        Rollout::Sink{nullptr, [this](v1::EpisodeResult r) { results_.push_back(std::move(r)); },
                      [this](const v1::Assignment&, const absl::Status& s) {
                        failures_.push_back(std::string(s.message()));
                      }});
    v1::Assignment assignment = FakeAssignment(0);
    assignment.set_evaluation(true);
    assignment.set_episodes(1);
    rollout_->Add(assignment);
    auto engine = std::make_unique<TextEngine>(rollout_->engine_options(), until, status);
    TextEngine* const texts = engine.get();
    rollout_->SetEngine(*rollout_->MissingPolicy(), std::move(engine));
    PlayAll();
    told_ = texts->told;
  }
  std::vector<std::string> told_;
};

TEST_F(MessagesTest, WithoutATokenizerTheEngineIsToldMessages) {
  Play(100, absl::OkStatus());
  ASSERT_THAT(results_, SizeIs(1));
  EXPECT_EQ(results_[0].turns(), 3);
  EXPECT_EQ(results_[0].tokens(), 15);
  ASSERT_THAT(told_, SizeIs(3));
  EXPECT_THAT(told_[0], HasSubstr("Your goal"));
}

TEST_F(MessagesTest, AFullContextEndsTheEpisode) {
  Play(1, absl::OutOfRangeError("full"));
  EXPECT_THAT(failures_, IsEmpty());
  ASSERT_THAT(results_, SizeIs(1));
  EXPECT_EQ(results_[0].turns(), 1);
  EXPECT_TRUE(results_[0].truncated());
}

TEST_F(MessagesTest, WhatNeverGetsAResponseFailsWithTheReason) {
  Play(1, absl::UnavailableError("endpoint http://h: HTTP status 503"));
  EXPECT_THAT(results_, IsEmpty());
  EXPECT_THAT(failures_, ElementsAre(HasSubstr("endpoint http://h: HTTP status 503")));
  failures_.clear();
  Play(0, absl::OutOfRangeError("the first prompt is too long"));
  EXPECT_THAT(failures_, ElementsAre(HasSubstr("too long")));
}

TEST_F(RolloutTest, GroupsOfAPolicyThatIsGoneAreGivenBack) {
  rollout_->Add(FakeAssignment(0, 3));
  rollout_->Add(FakeAssignment(1, 4));
  EXPECT_THAT(rollout_->GiveBack({0, 3}), SizeIs(1));
  EXPECT_EQ(rollout_->MissingPolicy()->version, 4);
}

// ---- environments that block ---------------------------------------------------------------------

using envs::remote::WildServer;

// AgentGym's TextCraft, nearly: an episode ends with its third step. `fails` counts down, one for
// every step that is not answered. Where nothing can be created, the answers wait (5 s at the most)
// until the rollout has been seen waiting: first for them, then because of their errors.
class RemoteRolloutTest : public RolloutTest {
 protected:
  RemoteRolloutTest()
      : server_([this](const std::string& request) -> std::string {
          if (absl::StrContains(request, "/close")) return WildServer::Http("true");
          if (!creates_ && absl::StrContains(request, "/create")) {
            (++refused_ <= 4 ? seen_waiting_ : seen_failing_)
                .WaitForNotificationWithTimeout(absl::Seconds(5));
            return WildServer::Http("no", "500 Internal Server Error");
          }
          std::lock_guard lock(mutex_);
          if (absl::StrContains(request, "/create")) {
            steps_.push_back(0);
            return WildServer::Http(absl::StrCat("{\"id\":", steps_.size() - 1, "}"));
          }
          const size_t id = std::stoul(request.substr(request.find("{\"id\":") + 6));
          if (absl::StrContains(request, "/reset")) {
            steps_[id] = 0;
            const std::string goal(long_goals_ > 0 && long_goals_-- > 0 ? 5000 : 4, 'G');
            return WildServer::Http(
                absl::StrCat("{\"observation\":\"", goal, "\",\"done\":false}"));
          }
          if (fails_ > 0) {
            --fails_;
            return "";
          }
          const bool done = ++steps_[id] == 3;
          return WildServer::Http(absl::StrCat("{\"observation\":\"step ", steps_[id],
                                               "\",\"reward\":", done, ",\"done\":",
                                               done ? "true" : "false", "}"));
        }) {}

  void Play(int retries) {
    v1::JobConfig config = FakeConfig();
    v1::Environment& remote = *config.add_environments();
    remote.set_name("away");
    remote.set_type("remote");
    for (const auto& [name, value] : std::map<std::string, std::string>{
             {"contract", "agentgym"},
             {"kind", "textcraft"},
             {"url", server_.url()},
             {"train", "0-9"},
             {"max_retries", absl::StrCat(retries)}}) {
      (*remote.mutable_options())[name] = value;
    }
    Reset(config, 8);
    trajectories_.clear();
    for (uint64_t group = 0; group < 2; ++group) {
      v1::Assignment assignment = FakeAssignment(group);
      if (group == 0) assignment.set_environment("away");
      assignment.set_max_turns(5);
      rollout_->Add(assignment);
    }
    for (const absl::Time end = absl::Now() + absl::Seconds(30);
         trajectories_.size() < 8 && failures_.empty() && absl::Now() < end;) {
      PlayAll();
      const std::string wait = rollout_->WaitingForEnvironment().first;
      waits_.insert(wait);
      const auto see = [](absl::Notification& seen) { if (!seen.HasBeenNotified()) seen.Notify(); };
      if (absl::EndsWith(wait, " to answer")) see(seen_waiting_);
      if (absl::StrContains(wait, "failures in a row")) see(seen_failing_);
    }
    EXPECT_EQ(rollout_->WaitingForEnvironment().first, "");
    EXPECT_THAT(trajectories_, SizeIs(8));
    EXPECT_THAT(failures_, IsEmpty());
    EXPECT_EQ(rollout_->live_episodes(), 0);
    EXPECT_EQ(rollout_->waiting_for_environments(), 0);
  }

  std::mutex mutex_;
  std::vector<int> steps_;
  int fails_ = 0, long_goals_ = 0;
  std::atomic<bool> creates_ = true;
  std::atomic<int> refused_ = 0;
  std::set<std::string> waits_;  // who was waited for
  absl::Notification seen_waiting_, seen_failing_;
  WildServer server_;
};

TEST_F(RemoteRolloutTest, AFailureCostsItsEpisodeANewStartAndLeavesNoTrace) {
  Play(4);
  const auto undisturbed = Bytes();
  fails_ = 3;
  Play(4);
  EXPECT_EQ(Bytes(), undisturbed);
  EXPECT_THAT(metrics_.Text(), HasSubstr("sojourn_actor_environment_errors_total{environment="
                                         "\"away\",error=\"UNAVAILABLE\"} 3"));
}

TEST_F(RemoteRolloutTest, AFirstObservationThatFillsTheContextCostsItsEpisodeOnly) {
  Play(0);
  const auto undisturbed = Bytes();
  long_goals_ = 2;
  Play(4);
  EXPECT_EQ(Bytes(), undisturbed);
  long_goals_ = 1;
  Play(0);
  int failed = 0;
  for (const v1::Trajectory& t : trajectories_) {
    failed += absl::StrContains(t.error(), "which leaves no room for a response");
  }
  EXPECT_EQ(failed, 1);
}

TEST_F(RemoteRolloutTest, AnEnvironmentThatFailsOrDoesNotAnswerIsNamed) {
  creates_ = false;
  Play(1);
  EXPECT_THAT(waits_, Contains("the environment away to answer"));
  EXPECT_THAT(waits_, Contains(AllOf(HasSubstr("the environment away: "),
                                     HasSubstr(" failures in a row, the last ABORTED: "),
                                     HasSubstr("/create is answered with status 500"))));
}

TEST_F(RemoteRolloutTest, AnEpisodeThatFailsForGoodEndsWithTheErrorAndTheRestGoesOn) {
  fails_ = 1;
  Play(0);
  int failed = 0;
  for (const v1::Trajectory& t : trajectories_) {
    if (t.error().empty()) continue;
    ++failed;
    EXPECT_EQ(t.environment(), "away");
    EXPECT_THAT(t.error(), HasSubstr("UNAVAILABLE: remote agentgym: /step"));
    EXPECT_TRUE(t.truncated());
    EXPECT_FALSE(t.success());
    EXPECT_GT(t.tokens_size(), 0);
  }
  EXPECT_EQ(failed, 1);
  EXPECT_THAT(metrics_.Text(),
              HasSubstr("sojourn_actor_failed_episodes_total{environment=\"away\"} 1"));
}

TEST_F(RemoteRolloutTest, AGroupThatNeverStartsEndsWithTheErrorToo) {
  creates_ = false;
  Play(0);
  int failed = 0;
  for (const v1::Trajectory& t : trajectories_) {
    failed += absl::StrContains(t.error(), "/create is answered with status 500");
  }
  EXPECT_EQ(failed, 4);
}

}  // namespace
}  // namespace sojourn::actor
