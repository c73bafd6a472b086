// The coordinator's one brain: jobs, their progress, and the fleet that works on them.
//
// Everything happens under one lock, in three ways: a call of the job service, a message of an
// actor or a learner, a tick. What changes a job is stored first and then acted on and
// acknowledged; so the process may be killed anywhere, and the next one goes on from the store. Who
// plays what, and who is ready, is not stored: members say hello again, and learners say what their
// journals hold.
//
// One job runs at a time, in the order of submission; a paused job keeps its place.
#ifndef SOJOURN_COORDINATOR_COORDINATOR_H_
#define SOJOURN_COORDINATOR_COORDINATOR_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "coordinator/assignment_queue.h"
#include "coordinator/coordinator_metrics.h"
#include "coordinator/store.h"

namespace sojourn::coordinator {

// The coordinator's end of a member's stream. Called under the coordinator's lock: must not block
// and must not call the coordinator. What cannot be sent breaks the stream.
template <typename Message>
class Link {
 public:
  virtual ~Link() = default;
  virtual void Send(const Message& message) = 0;
  virtual void Close(const absl::Status& why) = 0;
};
using ActorLink = Link<v1::CoordinatorToActor>;
using LearnerLink = Link<v1::CoordinatorToLearner>;

absl::Time MonotonicNow();  // never goes back, whatever is done to the machine's clock

struct CoordinatorOptions {
  std::string runs_directory;
  absl::Duration lease = absl::Seconds(10);
  std::function<absl::Status(const v1::JobConfig&)> validate;
  std::function<absl::StatusOr<TaskCounts>(const v1::JobConfig&)> count_tasks;
  std::function<absl::Time()> now = MonotonicNow;
};

class Coordinator {
 public:
  // Goes on with what the store holds. `metrics` must outlive the coordinator.
  static absl::StatusOr<std::unique_ptr<Coordinator>> Open(std::unique_ptr<Store> store,
                                                           CoordinatorOptions options,
                                                           Metrics& metrics);

  // --- jobs: what a success confirms is stored. NotFound for unknown jobs lists the known ones.
  absl::StatusOr<std::string> Submit(const v1::JobConfig& config, const std::string& request_id);
  absl::StatusOr<v1::JobStatus> Get(const std::string& job_id);  // "": the newest
  std::vector<v1::JobStatus> List();
  absl::StatusOr<v1::JobStatus> Cancel(const std::string& job_id);  // twice is once, as below
  absl::StatusOr<v1::JobStatus> Pause(const std::string& job_id);
  absl::StatusOr<v1::JobStatus> Resume(const std::string& job_id);
  absl::StatusOr<v1::Results> Report(const std::string& job_id);

  // --- the fleet. A link is one stream; the first message on it must be hello.
  void OnActor(const std::shared_ptr<ActorLink>& link, const v1::ActorMessage& message);
  void OnActorGone(const ActorLink* link);
  void OnLearner(const std::shared_ptr<LearnerLink>& link, const v1::LearnerMessage& message);
  void OnLearnerGone(const LearnerLink* link);

  // Ends leases that ran out and tries again what the store refused. A few times a second.
  void Tick();

 private:
  struct Actor {
    std::shared_ptr<ActorLink> link;
    uint64_t credits = 0;
    absl::Time heard;
    v1::Heartbeat heartbeat;
  };
  struct Learner {
    std::shared_ptr<LearnerLink> link;
    v1::LearnerHello hello;
    absl::Time heard;
    v1::Heartbeat heartbeat;
    std::set<uint64_t> suspects;  // groups that it missed at its last beat, though they count as delivered
  };
  // The job that the fleet works on.
  struct Active {
    StoredJob* job;
    AssignmentQueue training, evaluation;
    bool loaded = false;                          // the queues hold what the store says
    std::vector<uint32_t> row_members;            // of the row under way: episodes by group
    std::vector<std::set<uint32_t>> row_results;  // members whose result is stored, by group
    uint64_t row_left = 0, row_episodes = 0;
    std::map<uint64_t, std::map<uint32_t, v1::RankUpdate>> reports;  // by update and rank
    bool formed = false;                  // all ranks were told the job's newest generation
    std::set<uint32_t> ready;             // of that generation
    std::deque<v1::UpdateRecord> recent;  // of this arm, oldest first
    absl::Time running_since, last_progress;
  };
  // Who a job waits for. `blocked`: nothing at all can go on without them.
  struct Waiting {
    std::string kind, text;
    bool blocked = false;
  };

  Coordinator(std::unique_ptr<Store> store, CoordinatorOptions options, Metrics& metrics);

  // coordinator.cc: a job's life
  absl::Status Restore();
  absl::Status Activate(StoredJob& job);
  void StartNext();
  absl::Status LoadWork();
  absl::Status Advance(Event event, EventRecord record);
  void MeasureRow();
  void ConsumeUpdates();
  void EndJob(v1::JobState state, const std::string& error);
  double RunningSeconds() const;
  void WriteReport();
  void RestoreUpdates();
  v1::Results CollectResults(const StoredJob& job);

  // jobs.cc
  absl::StatusOr<StoredJob*> Find(const std::string& job_id);
  v1::JobStatus StatusOf(const StoredJob& job);
  void FillProgress(v1::Progress& progress);
  Waiting WaitingFor() const;

  // fleet.cc
  void Welcome(Actor& actor);
  void WelcomeAll();
  void HelloActor(const std::shared_ptr<ActorLink>& link, const v1::ActorHello& hello);
  void DropActor(std::map<std::string, Actor>::iterator actor);
  void OnResult(Actor& actor, const v1::EpisodeResult& result);
  void OnAssignmentFailed(const v1::AssignmentFailed& failed);
  void HelloLearner(const std::shared_ptr<LearnerLink>& link, const v1::LearnerHello& hello);
  void DropLearner(std::map<uint32_t, Learner>::iterator learner);
  void OnReady(uint32_t rank, const v1::LearnerReady& ready);
  void PlayLostGroupsAgain(Learner& learner);
  void OnRankUpdate(uint32_t rank, const v1::RankUpdate& update);
  void OnCheckpoint(const v1::CheckpointSaved& saved);
  void Rendezvous();
  bool AllReady() const;
  void AskForCheckpoint(uint32_t rank);
  void IssueWork();
  bool IsCurrent(const std::string& job_id, uint32_t arm) const;
  uint32_t Ranks() const;
  const CurriculumState& State() const { return active_->job->curriculum; }

  const CoordinatorOptions options_;
  CoordinatorMetrics metrics_;

  mutable std::mutex mu_;  // guards what follows; private methods need it held
  std::unique_ptr<Store> store_;
  std::deque<StoredJob> jobs_;  // in the order of submission; never shrinks
  std::optional<Active> active_;
  std::map<std::string, Actor> actors_;   // by name
  std::map<uint32_t, Learner> learners_;  // by rank
  absl::Time last_tick_;
};

}  // namespace sojourn::coordinator

#endif  // SOJOURN_COORDINATOR_COORDINATOR_H_
