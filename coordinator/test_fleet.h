// A fleet without processes: fake actors and learners that keep the contracts of fleet.proto, a
// random schedule, and kills. For tests.
#ifndef SOJOURN_COORDINATOR_TEST_FLEET_H_
#define SOJOURN_COORDINATOR_TEST_FLEET_H_

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/random.h"
#include "coordinator/coordinator.h"
#include "coordinator/test_job.h"

namespace sojourn::coordinator {

template <typename Message>
class FakeLink : public Link<Message> {
 public:
  void Send(const Message& message) override {
    if (!closed) inbox.push_back(message);
  }
  void Close(const absl::Status& why) override {
    closed = true;
    status = why;
  }
  // The oldest message, or an empty one.
  Message Pop() {
    if (inbox.empty()) return {};
    Message message = inbox.front();
    inbox.pop_front();
    return message;
  }
  std::deque<Message> inbox;
  bool closed = false;
  absl::Status status;
};

// What a group's episodes come to: a function of its key and member alone.
inline Random Outcome(const v1::Assignment& a, uint32_t member) {
  return Random(RandomKey(a.random_key())
                    .With(member)
                    .With(a.mode() == v1::RANDOM_VALID ? 0 : a.policy_version()));
}

inline v1::EpisodeResult PlayEpisode(const v1::Assignment& a, uint32_t member) {
  Random random = Outcome(a, member);
  v1::EpisodeResult result;
  *result.mutable_name() = a.name();
  result.set_row(a.row());
  result.set_member(member);
  result.set_success(random.Below(2) == 1);
  result.set_turns(1 + random.Below(5));
  result.set_tokens(random.Below(50));
  if (a.want_transcript() && member == 0) result.add_transcript()->set_response("Action: wait");
  return result;
}

inline v1::GroupConsumed PlayGroup(const v1::Assignment& a) {
  v1::GroupConsumed group;
  group.set_group(a.name().group());
  group.set_environment(a.environment());
  group.set_difficulty(a.difficulty());
  group.set_episodes(a.episodes());
  for (uint32_t member = 0; member < a.episodes(); ++member) {
    Random random = Outcome(a, member);
    group.set_successes(group.successes() + random.Below(2));
    group.set_tokens(group.tokens() + 5 + random.Below(10));
  }
  return group;
}

// A coordinator in this process, its clock, and its store on disk.
class TestCoordinator {
 public:
  explicit TestCoordinator(const std::string& name)
      : folder_(::testing::TempDir() + "sojourn_coordinator_" + name) {
    std::filesystem::remove_all(folder_);
    spdlog::set_level(spdlog::level::off);
    Start();
  }
  ~TestCoordinator() {
    coordinator_.reset();
    std::filesystem::remove_all(folder_);
  }
  void Start() {
    coordinator_.reset();
    auto store = Store::Open(folder_ + "/coordinator.sqlite");
    ASSERT_TRUE(store.ok()) << store.status();
    CoordinatorOptions options;
    options.runs_directory = folder_ + "/runs";
    options.validate = [](const v1::JobConfig& config) {
      return config.arms_size() > 0 ? absl::OkStatus()
                                    : absl::InvalidArgumentError("arms: missing");
    };
    options.count_tasks = [](const v1::JobConfig&) { return TestCounts(); };
    options.now = [this] { return now_; };
    auto coordinator = Coordinator::Open(*std::move(store), options, metrics_);
    ASSERT_TRUE(coordinator.ok()) << coordinator.status();
    coordinator_ = *std::move(coordinator);
  }
  void Pass(absl::Duration time) {
    now_ += time;
    coordinator_->Tick();
  }
  Coordinator* operator->() { return coordinator_.get(); }
  Coordinator& operator*() { return *coordinator_; }
  const std::string& folder() const { return folder_; }
  Metrics& metrics() { return metrics_; }

 private:
  const std::string folder_;
  Metrics metrics_;
  absl::Time now_ = absl::UnixEpoch();
  std::unique_ptr<Coordinator> coordinator_;
};

class FakeLearner {
 public:
  FakeLearner(TestCoordinator& coordinator, uint32_t rank)
      : coordinator_(coordinator), rank_(rank) {}

  void Join() {
    link_ = std::make_shared<FakeLink<v1::CoordinatorToLearner>>();
    arm_.reset();
    v1::LearnerMessage message;
    message.mutable_hello()->set_rank(rank_);
    message.mutable_hello()->set_address("learner-" + std::to_string(rank_));
    coordinator_->OnLearner(link_, message);
  }
  void Leave() {
    if (link_ != nullptr) coordinator_->OnLearnerGone(link_.get());
    Vanish();
  }
  void Vanish() {  // without a word; the journal and the checkpoints stay
    link_.reset();
    arm_.reset();
  }
  void LoseDisk() {
    journal_.clear();
    checkpoints_.clear();
  }
  bool joined() const { return link_ != nullptr && !link_->closed; }
  void Beat() {
    v1::LearnerMessage message;
    message.mutable_heartbeat();
    for (const uint64_t group : Missing()) {
      v1::GroupName& name = *message.mutable_heartbeat()->add_missing();
      name.set_job_id(train_.job_id());
      name.set_arm(*arm_);
      name.set_group(group);
    }
    Say(message);
  }
  void LoseRecord() {  // the oldest that is still to be trained on, without noticing
    if (!arm_.has_value()) return;
    auto& journal = journal_[*arm_];
    const auto lost = journal.lower_bound(version_ * PerUpdate());
    if (lost != journal.end()) journal.erase(lost);
  }

  // Handles one message of the coordinator; false when there is none.
  bool Hear() {
    if (link_ == nullptr || link_->inbox.empty()) return false;
    const v1::CoordinatorToLearner message = link_->Pop();
    if (message.has_train()) {
      train_ = message.train();
      arm_ = train_.arm();
      version_ = checkpoints_[train_.arm()];
      v1::LearnerMessage ready;
      ready.mutable_ready()->set_job_id(train_.job_id());
      ready.mutable_ready()->set_arm(train_.arm());
      ready.mutable_ready()->set_generation(train_.generation());
      ready.mutable_ready()->set_version(version_);
      for (const auto& [group, consumed] : journal_[train_.arm()]) {
        if (group >= version_ * PerUpdate()) ready.mutable_ready()->add_journaled_groups(group);
      }
      Say(ready);
    } else if (message.has_save()) {
      save_ = message.save();
    } else if (message.has_update_ack()) {
      acked_[message.update_ack().arm()] =
          std::max(acked_[message.update_ack().arm()], message.update_ack().update() + 1);
    } else if (message.has_stop()) {
      arm_.reset();
      stopped = true;
    }
    return true;
  }
  void SaveIfAsked() {  // once it is at that version: before, it may be replaying
    if (!save_.has_value() || arm_ != save_->arm() || version_ != save_->version()) return;
    if (rank_ == 0) {
      v1::LearnerMessage saved;
      saved.mutable_checkpoint()->set_job_id(save_->job_id());
      saved.mutable_checkpoint()->set_arm(save_->arm());
      saved.mutable_checkpoint()->set_version(save_->version());
      saved.mutable_checkpoint()->set_label(save_->label());
      saved.mutable_checkpoint()->set_path("checkpoints/" + save_->label());
      saved.mutable_checkpoint()->set_weights_sha256("sha-" + std::to_string(version_));
      Say(saved);
    }
    save_.reset();
  }
  void Checkpoint() {  // its own, now and then; never past what was acknowledged
    if (arm_.has_value())
      checkpoints_[*arm_] = std::max(checkpoints_[*arm_], std::min(version_, acked_[*arm_]));
  }
  bool Accept(const v1::Assignment& a) {  // a whole group of trajectories
    if (arm_ != a.name().arm()) return false;
    journal_[*arm_][a.name().group()] = PlayGroup(a);
    return true;
  }
  bool Serves(const v1::Assignment& a) const {
    return a.mode() == v1::RANDOM_VALID ||
           (arm_ == a.name().arm() && a.policy_version() <= version_);
  }
  std::vector<uint64_t> Missing() const {  // of the next update
    std::vector<uint64_t> missing;
    if (!arm_.has_value()) return missing;
    const auto journal = journal_.find(*arm_);
    for (uint64_t i = 0; i < PerUpdate(); ++i) {
      const uint64_t group = version_ * PerUpdate() + i;
      if (group % Ranks() != rank_) continue;
      if (journal == journal_.end() || !journal->second.contains(group)) missing.push_back(group);
    }
    return missing;
  }
  bool HasUpdate() const { return arm_.has_value() && Missing().empty(); }
  void Update() {
    v1::LearnerMessage message;
    v1::RankUpdate& update = *message.mutable_update();
    update.set_job_id(train_.job_id());
    update.set_arm(*arm_);
    update.set_rank(rank_);
    update.set_update(version_);
    for (uint64_t i = 0; i < PerUpdate(); ++i) {
      const uint64_t group = version_ * PerUpdate() + i;
      if (group % Ranks() == rank_) *update.add_groups() = journal_[*arm_][group];
    }
    update.mutable_metrics()->set_version(++version_);
    Say(message);
  }
  uint64_t generation() const { return arm_.has_value() ? train_.generation() : 0; }
  uint64_t version() const { return version_; }

  bool stopped = false;
  void Say(const v1::LearnerMessage& message) {
    if (link_ != nullptr) coordinator_->OnLearner(link_, message);
  }

 private:
  uint64_t PerUpdate() const { return train_.config().rollout().groups_per_update(); }
  uint32_t Ranks() const { return train_.config().resources().learner_ranks(); }

  TestCoordinator& coordinator_;
  const uint32_t rank_;
  std::shared_ptr<FakeLink<v1::CoordinatorToLearner>> link_;
  v1::TrainArm train_;
  std::optional<uint32_t> arm_;  // being trained
  uint64_t version_ = 0;
  std::optional<v1::SaveCheckpoint> save_;
  // On disk, by arm.
  std::map<uint32_t, std::map<uint64_t, v1::GroupConsumed>> journal_;
  std::map<uint32_t, uint64_t> checkpoints_, acked_;
};

class FakeActor {
 public:
  FakeActor(TestCoordinator& coordinator, std::string name)
      : coordinator_(coordinator), name_(std::move(name)) {}

  void Join(uint32_t credits) {
    link_ = std::make_shared<FakeLink<v1::CoordinatorToActor>>();
    v1::ActorMessage hello;
    hello.mutable_hello()->set_actor(name_);
    for (const v1::Assignment& a : held_) *hello.mutable_hello()->add_held() = a;
    coordinator_->OnActor(link_, hello);
    AddCredits(credits);
    for (const v1::EpisodeResult& result : unacknowledged_) Send(result);
  }
  void AddCredits(uint32_t credits) {
    v1::ActorMessage message;
    message.set_credits(credits);
    Say(message);
  }
  void Break() {  // the stream breaks; the process lives
    if (link_ != nullptr) coordinator_->OnActorGone(link_.get());
    link_.reset();
  }
  void Vanish() { link_.reset(); }
  void Die() {
    Break();
    held_.clear();
    unacknowledged_.clear();
  }
  bool joined() const { return link_ != nullptr && !link_->closed; }
  void Beat() {
    v1::ActorMessage message;
    message.mutable_heartbeat();
    Say(message);
  }

  bool Hear() {
    if (link_ == nullptr || link_->inbox.empty()) return false;
    const v1::CoordinatorToActor message = link_->Pop();
    if (message.has_assignment()) {
      held_.push_back(message.assignment());
      received.push_back(message.assignment());
    } else if (message.has_episode_ack()) {
      const v1::EpisodeAck& ack = message.episode_ack();
      std::erase_if(unacknowledged_, [&](const v1::EpisodeResult& r) {
        return r.name().SerializeAsString() == ack.name().SerializeAsString() &&
               r.row() == ack.row() && r.member() == ack.member();
      });
    } else if (message.has_revoke()) {
      std::erase_if(held_, [&](const v1::Assignment& a) {
        return a.name().job_id() == message.revoke().job_id() &&
               a.name().arm() == message.revoke().arm();
      });
    } else if (message.has_welcome()) {
      welcome = message.welcome();
    }
    return true;
  }

  // Plays the held group at `place` to its end, if the learners have its weights and take it.
  bool Play(size_t place, std::vector<FakeLearner>& learners) {
    if (place >= held_.size()) return false;
    const v1::Assignment a = held_[place];
    FakeLearner& learner = learners[a.learner_rank()];
    if (!learner.Serves(a)) return false;
    if (!a.evaluation() && !learner.Accept(a)) return false;
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(place));
    if (a.evaluation()) {
      for (uint32_t member = 0; member < a.episodes(); ++member) {
        unacknowledged_.push_back(PlayEpisode(a, member));
        Send(unacknowledged_.back());
      }
    } else {
      v1::ActorMessage message;
      *message.mutable_delivered()->mutable_name() = a.name();
      Say(message);
    }
    AddCredits(1);
    return true;
  }
  size_t held() const { return held_.size(); }
  void Say(const v1::ActorMessage& message) {
    if (link_ != nullptr) coordinator_->OnActor(link_, message);
  }
  FakeLink<v1::CoordinatorToActor>& link() { return *link_; }

  std::vector<v1::Assignment> received;
  v1::ActorWelcome welcome;

 private:
  void Send(const v1::EpisodeResult& result) {
    v1::ActorMessage message;
    *message.mutable_result() = result;
    Say(message);
  }

  TestCoordinator& coordinator_;
  const std::string name_;
  std::shared_ptr<FakeLink<v1::CoordinatorToActor>> link_;
  std::vector<v1::Assignment> held_;
  std::vector<v1::EpisodeResult> unacknowledged_;
};

// All of it, moved by a random schedule.
class FakeFleet {
 public:
  FakeFleet(TestCoordinator& coordinator, int actors, uint32_t ranks, uint64_t seed)
      : coordinator_(coordinator), random_(RandomKey(seed)) {
    for (int i = 0; i < actors; ++i)
      this->actors.emplace_back(coordinator, "actor-" + std::to_string(i));
    for (uint32_t i = 0; i < ranks; ++i) learners.emplace_back(coordinator, i);
  }

  // One random thing happens. `kills` of a thousand are the end of something.
  void Step(uint64_t kills) {
    FakeActor& actor = actors[random_.Below(actors.size())];
    FakeLearner& learner = learners[random_.Below(learners.size())];
    if (random_.Below(1000) < kills) {
      switch (random_.Below(6)) {
        case 0:
          return actor.Die();
        case 1:
          return actor.Break();
        case 2:
          return learner.Leave();
        case 3: {
          for (FakeActor& a : actors) a.Vanish();
          for (FakeLearner& l : learners) l.Vanish();
          return coordinator_.Start();
        }
        case 4: {  // silence: whoever does not beat in time loses its lease
          actor.Vanish();
          learner.Vanish();
          for (int i = 0; i < 12; ++i) {
            for (FakeActor& a : actors) a.Beat();
            for (FakeLearner& l : learners) l.Beat();
            coordinator_.Pass(absl::Seconds(1));
          }
          return;
        }
        case 5:
          return learner.LoseRecord();
      }
    }
    switch (random_.Below(9)) {
      case 0:
        if (!actor.joined()) actor.Join(1 + static_cast<uint32_t>(random_.Below(4)));
        break;
      case 1:
        if (!learner.joined()) learner.Join();
        break;
      case 2:
        actor.Hear();
        break;
      case 3:
        learner.Hear();
        break;
      case 4:
      case 5:
        if (actor.held() > 0) actor.Play(random_.Below(actor.held()), learners);
        break;
      case 6:
        UpdateIfPossible();
        for (FakeLearner& l : learners) l.SaveIfAsked();
        break;
      case 7:
        if (random_.Below(4) == 0) learner.Checkpoint();
        break;
      case 8:
        learner.Beat();
        break;
    }
  }

  // A collective step: only ranks of one generation at one version can make it.
  void UpdateIfPossible() {
    uint64_t lowest = learners[0].version();
    for (const FakeLearner& l : learners) {
      if (!l.joined() || l.generation() == 0 || l.generation() != learners[0].generation()) return;
      lowest = std::min(lowest, l.version());
    }
    for (const FakeLearner& l : learners) {
      if (l.version() == lowest && !l.HasUpdate()) return;
    }
    std::vector<size_t> order(learners.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    random_.Shuffle(order);
    for (const size_t i : order) {  // a rank that went back further catches up first
      if (learners[i].version() == lowest) learners[i].Update();
    }
  }

  std::vector<FakeActor> actors;
  std::vector<FakeLearner> learners;

 private:
  TestCoordinator& coordinator_;
  Random random_;
};

}  // namespace sojourn::coordinator

#endif  // SOJOURN_COORDINATOR_TEST_FLEET_H_
