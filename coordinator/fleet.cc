// The fleet's side of the coordinator: leases of actors, rendezvous of learners.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "coordinator/coordinator.h"
#include "coordinator/evaluation.h"

namespace sojourn::coordinator {
namespace {

constexpr uint64_t kMaxCredits = 1 << 20;

// What is wrong with a rank's report of an update, or "".
std::string FaultIn(const v1::RankUpdate& update, uint32_t ranks, uint64_t groups_per_update,
                    uint64_t planned) {
  if (update.update() >= planned) {
    return absl::StrCat("update ", update.update(), " when only ", planned, " are planned");
  }
  std::vector<uint64_t> reported, expected;
  for (const v1::GroupConsumed& group : update.groups()) reported.push_back(group.group());
  std::sort(reported.begin(), reported.end());
  for (uint64_t i = 0; i < groups_per_update; ++i) {
    const uint64_t group = update.update() * groups_per_update + i;
    if (group % ranks == update.rank()) expected.push_back(group);
  }
  if (reported == expected) return "";
  return absl::StrCat("update ", update.update(), " with groups ", absl::StrJoin(reported, ", "),
                      "; its share of it is ", absl::StrJoin(expected, ", "));
}

}  // namespace

uint32_t Coordinator::Ranks() const { return LearnerRanks(active_->job->plan.config); }

bool Coordinator::IsCurrent(const std::string& job_id, uint32_t arm) const {
  return active_.has_value() && active_->job->plan.job_id == job_id && State().arm() == arm;
}

// ---- actors -------------------------------------------------------------------------------------

void Coordinator::OnActor(const std::shared_ptr<ActorLink>& link, const v1::ActorMessage& message) {
  std::lock_guard lock(mu_);
  if (message.has_hello()) return HelloActor(link, message.hello());
  const auto found = std::find_if(actors_.begin(), actors_.end(),
                                  [&](const auto& entry) { return entry.second.link == link; });
  if (found == actors_.end()) {
    return link->Close(
        absl::FailedPreconditionError("say hello first: this stream holds no lease"));
  }
  Actor& actor = found->second;
  actor.heard = options_.now();
  switch (message.message_case()) {
    case v1::ActorMessage::kHeartbeat:
      actor.heartbeat = message.heartbeat();
      break;
    case v1::ActorMessage::kCredits:
      actor.credits = std::min(kMaxCredits, actor.credits + message.credits());
      break;
    case v1::ActorMessage::kDelivered: {
      const v1::GroupName& name = message.delivered().name();
      if (!IsCurrent(name.job_id(), name.arm())) break;
      active_->training.Deliver(name.group());
      active_->last_progress = options_.now();
      break;
    }
    case v1::ActorMessage::kResult:
      OnResult(actor, message.result());
      break;
    case v1::ActorMessage::kFailed:
      OnAssignmentFailed(message.failed());
      break;
    default:
      break;
  }
  IssueWork();
}

void Coordinator::HelloActor(const std::shared_ptr<ActorLink>& link, const v1::ActorHello& hello) {
  if (hello.actor().empty()) {
    return link->Close(
        absl::InvalidArgumentError("hello names no actor; give it a name unique in the fleet"));
  }
  if (const auto old = actors_.find(hello.actor()); old != actors_.end()) {
    if (old->second.link != link) {
      old->second.link->Close(absl::AbortedError(absl::StrCat(
          "another stream says hello as ", hello.actor(), " and takes this one's place")));
    }
    DropActor(old);
  }
  spdlog::info("{} joins with {} slots and {} groups held", hello.actor(), hello.slots(),
               hello.held_size());
  Actor& actor = actors_[hello.actor()];
  actor.link = link;
  actor.heard = options_.now();
  Welcome(actor);
  std::set<std::pair<std::string, uint32_t>> over;
  for (const v1::Assignment& held : hello.held()) {
    const v1::GroupName& name = held.name();
    if (!IsCurrent(name.job_id(), name.arm())) {
      over.insert({name.job_id(), name.arm()});
    } else if (!held.evaluation()) {
      active_->training.Adopt(name.group(), hello.actor());
    } else if (RowUnderWay(State()) == held.row()) {
      active_->evaluation.Adopt(name.group(), hello.actor());
    }
  }
  for (const auto& [job_id, arm] : over) {
    v1::CoordinatorToActor revoke;
    revoke.mutable_revoke()->set_job_id(job_id);
    revoke.mutable_revoke()->set_arm(arm);
    link->Send(revoke);
  }
  IssueWork();
}

void Coordinator::OnActorGone(const ActorLink* link) {
  std::lock_guard lock(mu_);
  const auto found = std::find_if(actors_.begin(), actors_.end(), [&](const auto& entry) {
    return entry.second.link.get() == link;
  });
  if (found == actors_.end()) return;
  DropActor(found);
  IssueWork();
}

void Coordinator::DropActor(std::map<std::string, Actor>::iterator actor) {
  size_t released = 0;
  if (active_.has_value()) {
    released = active_->training.Release(actor->first) + active_->evaluation.Release(actor->first);
  }
  spdlog::info("{} is gone; {} of its groups are to be played by others", actor->first, released);
  actors_.erase(actor);
}

void Coordinator::Welcome(Actor& actor) {
  v1::CoordinatorToActor message;
  v1::ActorWelcome& welcome = *message.mutable_welcome();
  welcome.set_lease_ms(static_cast<uint32_t>(absl::ToInt64Milliseconds(options_.lease)));
  if (active_.has_value()) {
    welcome.set_job_id(active_->job->plan.job_id);
    *welcome.mutable_config() = active_->job->plan.config;
    welcome.set_run_directory(active_->job->run_directory);
    for (uint32_t rank = 0; rank < Ranks(); ++rank) {
      const auto learner = learners_.find(rank);
      welcome.add_learner_addresses(learner == learners_.end() ? ""
                                                               : learner->second.hello.address());
    }
  }
  actor.link->Send(message);
}

void Coordinator::WelcomeAll() {
  for (auto& [name, actor] : actors_) Welcome(actor);
}

void Coordinator::OnResult(Actor& actor, const v1::EpisodeResult& result) {
  const v1::GroupName& name = result.name();
  v1::CoordinatorToActor message;
  v1::EpisodeAck& ack = *message.mutable_episode_ack();
  *ack.mutable_name() = name;
  ack.set_row(result.row());
  ack.set_member(result.member());
  if (!IsCurrent(name.job_id(), name.arm()) || RowUnderWay(State()) != result.row()) {
    return actor.link->Send(message);  // it was counted before, or nobody wants it any more
  }
  if (!active_->loaded) {
    return actor.link->Close(absl::UnavailableError("the database cannot be read at present"));
  }
  const uint64_t group = name.group();
  if (group >= active_->row_members.size() || result.member() >= active_->row_members[group]) {
    spdlog::warn("a result for group {}, member {} of row {}, which has no such episode", group,
                 result.member(), result.row());
    return actor.link->Send(message);
  }
  auto added = store_->AddResult(result);
  if (!added.ok()) {
    return actor.link->Close(added.status());  // the actor comes back and sends it again
  }
  actor.link->Send(message);
  if (!active_->row_results[group].insert(result.member()).second) return;
  active_->last_progress = options_.now();
  if (active_->row_results[group].size() == active_->row_members[group])
    active_->evaluation.Deliver(group);
  --active_->row_left;
  MeasureRow();
}

void Coordinator::OnAssignmentFailed(const v1::AssignmentFailed& failed) {
  if (!IsCurrent(failed.name().job_id(), failed.name().arm())) return;
  EndJob(v1::FAILED, absl::StrCat(failed.evaluation() ? "evaluation" : "training", " group ",
                                  failed.name().group(), " cannot be played: ", failed.error()));
}

// Gives out queued groups, lowest first, to the actors with the most room.
void Coordinator::IssueWork() {
  if (!active_.has_value() || !active_->loaded || active_->job->state != v1::RUNNING) return;
  // Before the learners have said what they hold, a queued group may be one that they have.
  const bool ready = AllReady();
  const bool random = State().phase() == CurriculumState::RANDOM_ROW;
  for (AssignmentQueue* queue : {&active_->training, &active_->evaluation}) {
    if (!ready && !(queue == &active_->evaluation && random)) continue;
    while (queue->queued() > 0) {
      auto roomiest = std::max_element(
          actors_.begin(), actors_.end(),
          [](const auto& a, const auto& b) { return a.second.credits < b.second.credits; });
      if (roomiest == actors_.end() || roomiest->second.credits == 0) return;
      --roomiest->second.credits;
      v1::CoordinatorToActor message;
      *message.mutable_assignment() = *queue->Lease(roomiest->first);
      roomiest->second.link->Send(message);
    }
  }
}

// ---- learners -----------------------------------------------------------------------------------

void Coordinator::OnLearner(const std::shared_ptr<LearnerLink>& link,
                            const v1::LearnerMessage& message) {
  std::lock_guard lock(mu_);
  if (message.has_hello()) return HelloLearner(link, message.hello());
  const auto found = std::find_if(learners_.begin(), learners_.end(),
                                  [&](const auto& entry) { return entry.second.link == link; });
  if (found == learners_.end()) {
    return link->Close(absl::FailedPreconditionError("say hello first: this stream is no rank's"));
  }
  const uint32_t rank = found->first;
  found->second.heard = options_.now();
  switch (message.message_case()) {
    case v1::LearnerMessage::kHeartbeat:
      found->second.heartbeat = message.heartbeat();
      PlayLostGroupsAgain(found->second);
      break;
    case v1::LearnerMessage::kReady:
      OnReady(rank, message.ready());
      break;
    case v1::LearnerMessage::kUpdate:
      OnRankUpdate(rank, message.update());
      break;
    case v1::LearnerMessage::kCheckpoint:
      OnCheckpoint(message.checkpoint());
      break;
    case v1::LearnerMessage::kFailed:
      if (active_.has_value() && active_->job->plan.job_id == message.failed().job_id()) {
        EndJob(v1::FAILED, absl::StrCat("learner rank ", rank, ": ", message.failed().error()));
      }
      break;
    default:
      break;
  }
  IssueWork();
}

// A group that its learner acknowledged and then lost (a disk's fault, a crash without journal sync) has no
// actor any more. A beat may be older than the last delivery, so only the second in a row counts.
void Coordinator::PlayLostGroupsAgain(Learner& learner) {
  std::set<uint64_t> missing;
  for (const v1::GroupName& name : learner.heartbeat.missing()) {
    if (!IsCurrent(name.job_id(), name.arm()) || !active_->training.Delivered(name.group())) continue;
    if (learner.suspects.contains(name.group())) {
      spdlog::warn("learner rank {} lost group {}: it is played again", learner.hello.rank(), name.group());
      active_->training.Requeue(name.group());
    } else {
      missing.insert(name.group());
    }
  }
  learner.suspects = std::move(missing);
}

void Coordinator::HelloLearner(const std::shared_ptr<LearnerLink>& link,
                               const v1::LearnerHello& hello) {
  if (const auto old = learners_.find(hello.rank()); old != learners_.end()) {
    if (old->second.link != link) {
      old->second.link->Close(absl::AbortedError(absl::StrCat(
          "another stream says hello as rank ", hello.rank(), " and takes this one's place")));
    }
    DropLearner(old);
  }
  spdlog::info("learner rank {} joins at {}", hello.rank(), hello.address());
  Learner& learner = learners_[hello.rank()];
  learner.link = link;
  learner.hello = hello;
  learner.heard = options_.now();
  if (active_.has_value() && hello.rank() < Ranks()) WelcomeAll();
  Rendezvous();
}

void Coordinator::OnLearnerGone(const LearnerLink* link) {
  std::lock_guard lock(mu_);
  const auto found = std::find_if(learners_.begin(), learners_.end(), [&](const auto& entry) {
    return entry.second.link.get() == link;
  });
  if (found == learners_.end()) return;
  DropLearner(found);
  WelcomeAll();
}

void Coordinator::DropLearner(std::map<uint32_t, Learner>::iterator learner) {
  spdlog::warn("learner rank {} is gone", learner->first);
  const uint32_t rank = learner->first;
  learners_.erase(learner);
  if (!active_.has_value() || rank >= Ranks()) return;
  active_->formed = false;
  active_->ready.clear();
}

// Forms the collective anew when every rank is there and something changed since the last time.
void Coordinator::Rendezvous() {
  if (!active_.has_value() || active_->formed) return;
  active_->ready.clear();
  v1::CoordinatorToLearner message;
  v1::TrainArm& train = *message.mutable_train();
  for (uint32_t rank = 0; rank < Ranks(); ++rank) {
    const auto learner = learners_.find(rank);
    if (learner == learners_.end()) return;
    train.add_collective_addresses(learner->second.hello.collective_address());
  }
  StoredJob& job = *active_->job;
  if (absl::Status stored = store_->SetGeneration(job.plan.job_id, job.generation + 1);
      !stored.ok()) {
    return spdlog::error("{}; trying again", stored.ToString());  // in Tick
  }
  ++job.generation;
  train.set_job_id(job.plan.job_id);
  *train.mutable_config() = job.plan.config;
  train.set_run_directory(job.run_directory);
  train.set_arm(State().arm());
  train.set_generation(job.generation);
  train.set_version(State().version());
  train.set_planned_updates(PlannedUpdates(job.plan.config, job.plan.config.arms(static_cast<int>(State().arm()))));
  train.set_lease_ms(static_cast<uint32_t>(absl::ToInt64Milliseconds(options_.lease)));
  spdlog::info("job {}: {} ranks form generation {}", job.plan.job_id, Ranks(), job.generation);
  for (uint32_t rank = 0; rank < Ranks(); ++rank) learners_.at(rank).link->Send(message);
  active_->formed = true;
}

bool Coordinator::AllReady() const { return active_->formed && active_->ready.size() == Ranks(); }

// The rank's journal is the truth about which of its groups are delivered.
void Coordinator::OnReady(uint32_t rank, const v1::LearnerReady& ready) {
  if (!IsCurrent(ready.job_id(), ready.arm()) || !active_->formed ||
      ready.generation() != active_->job->generation || rank >= Ranks()) {
    return;  // of an older generation
  }
  const uint64_t per_update = active_->job->plan.config.rollout().groups_per_update();
  const uint64_t first = ready.version() * per_update;
  const std::set<uint64_t> journaled(ready.journaled_groups().begin(),
                                     ready.journaled_groups().end());
  if (ready.version() < State().version()) {
    // It goes back to an older checkpoint: what its journal lacks of consumed groups is played
    // again.
    auto groups = store_->LoadGroups(ready.job_id(), ready.arm(), first);
    if (!groups.ok()) return learners_.at(rank).link->Close(groups.status());
    for (const v1::Assignment& assignment : *groups) {
      if (assignment.learner_rank() == rank && !journaled.contains(assignment.name().group())) {
        active_->training.Add(assignment);
      }
    }
  }
  const uint64_t begin = std::min(first, State().version() * per_update);
  for (uint64_t group = begin; group < State().planned() * per_update; ++group) {
    if (group % Ranks() != rank) continue;
    if (group < first || journaled.contains(group)) {
      active_->training.Deliver(group);
    } else {
      active_->training.Requeue(group);
    }
  }
  active_->ready.insert(rank);
  active_->last_progress = options_.now();
  AskForCheckpoint(rank);
  spdlog::info("learner rank {} is ready at version {} with {} whole groups in its journal", rank,
               ready.version(), journaled.size());
}

// Tells a rank to write, or to keep for the actors, the version that is measured.
void Coordinator::AskForCheckpoint(uint32_t rank) {
  const std::string label = CheckpointLabel(State());
  const auto learner = learners_.find(rank);
  if (label.empty() || learner == learners_.end()) return;
  v1::CoordinatorToLearner message;
  message.mutable_save()->set_job_id(active_->job->plan.job_id);
  message.mutable_save()->set_arm(State().arm());
  message.mutable_save()->set_version(State().version());
  message.mutable_save()->set_label(label);
  learner->second.link->Send(message);
}

void Coordinator::OnRankUpdate(uint32_t rank, const v1::RankUpdate& update) {
  const bool current = IsCurrent(update.job_id(), update.arm());
  if (!current || update.update() < State().version()) {
    if (current) {  // groups that were played again for a rank that went back
      for (const v1::GroupConsumed& group : update.groups()) active_->training.Erase(group.group());
    }
    v1::CoordinatorToLearner ack;
    ack.mutable_update_ack()->set_job_id(update.job_id());
    ack.mutable_update_ack()->set_arm(update.arm());
    ack.mutable_update_ack()->set_update(update.update());
    return learners_.at(rank).link->Send(ack);
  }
  std::string fault = FaultIn(
      update, Ranks(), active_->job->plan.config.rollout().groups_per_update(), State().planned());
  if (update.rank() != rank) fault = absl::StrCat("an update in the name of rank ", update.rank());
  if (!fault.empty()) {
    return EndJob(v1::FAILED, absl::StrCat("learner rank ", rank, " reported ", fault));
  }
  active_->reports[update.update()][rank] = update;
  active_->last_progress = options_.now();
  ConsumeUpdates();
}

void Coordinator::OnCheckpoint(const v1::CheckpointSaved& saved) {
  if (!IsCurrent(saved.job_id(), saved.arm()) || saved.version() != State().version() ||
      saved.label() != CheckpointLabel(State()) || RowUnderWay(State()).has_value()) {
    return;  // asked for again after a rendezvous, and known by now
  }
  Event event;
  event.mutable_checkpoint_written()->set_version(saved.version());
  event.mutable_checkpoint_written()->set_label(saved.label());
  EventRecord record;
  record.checkpoint = saved;
  if (absl::Status advanced = Advance(event, std::move(record)); !advanced.ok()) {
    spdlog::error("{}", advanced.ToString());
    if (active_.has_value()) active_->formed = false;  // the next rendezvous asks for it again
    return;
  }
  MeasureRow();
}

// ---- time ---------------------------------------------------------------------------------------

void Coordinator::Tick() {
  std::lock_guard lock(mu_);
  const absl::Time now = options_.now();
  const auto silent = [&](absl::Time heard) { return now - heard > options_.lease; };
  for (auto it = actors_.begin(); it != actors_.end();) {
    const auto actor = it++;
    if (!silent(actor->second.heard)) continue;
    actor->second.link->Close(absl::DeadlineExceededError("no heartbeat within the lease"));
    DropActor(actor);
  }
  bool learner_lost = false;
  for (auto it = learners_.begin(); it != learners_.end();) {
    const auto learner = it++;
    if (!silent(learner->second.heard)) continue;
    learner->second.link->Close(absl::DeadlineExceededError("no heartbeat within the lease"));
    DropLearner(learner);
    learner_lost = true;
  }
  if (learner_lost) WelcomeAll();
  StartNext();
  if (active_.has_value() && active_->job->curriculum.phase() == CurriculumState::NOT_STARTED) {
    if (absl::Status activated = Activate(*active_->job); !activated.ok()) {
      spdlog::error("{}; trying again", activated.ToString());
    }
  }
  if (active_.has_value() && !active_->loaded) {
    active_->formed = false;  // the learners' journals say again what is delivered
    if (absl::Status loaded = LoadWork(); !loaded.ok()) {
      spdlog::error("{}; trying again", loaded.ToString());
    }
  }
  Rendezvous();
  ConsumeUpdates();
  MeasureRow();
  IssueWork();

  CoordinatorMetrics::Gauges gauges;
  gauges.actors = actors_.size();
  gauges.learners = learners_.size();
  for (const StoredJob& job : jobs_) ++gauges.jobs[job.state];
  if (active_.has_value()) {
    gauges.queued = active_->training.queued() + active_->evaluation.queued();
    gauges.leased = active_->training.leased() + active_->evaluation.leased();
    gauges.version = State().version();
    gauges.planned = State().planned();
    gauges.row_left = active_->row_left;
    gauges.waiting_for = WaitingFor().kind;
  }
  metrics_.OnTick(gauges, absl::ToDoubleSeconds(now - last_tick_));
  last_tick_ = now;
}

}  // namespace sojourn::coordinator
