// One arm under one generation: from the newest checkpoint and the journal until it is told to
// stop.
//
// Files, in RUN_DIRECTORY/arms/ARM/ (shared between ranks): checkpoints/ and served/ (rank 0
// writes: what training needs, and older versions that actors may still ask for), models/LABEL/
// (rank 0, on request), journal/rank-R/ (every rank its own).
//
// Killed anywhere, the next run makes the same weights: a checkpoint is whole or absent, what it
// does not contain is in the journals, and an update depends on nothing else.
#ifndef SOJOURN_LEARNER_ARM_RUN_H_
#define SOJOURN_LEARNER_ARM_RUN_H_

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "learner/checkpoint.h"
#include "learner/ingest.h"
#include "learner/journal.h"
#include "learner/learner_metrics.h"
#include "learner/session.h"
#include "learner/tcp_collective.h"
#include "learner/trainer.h"
#include "learner/trajectory_service.h"
#include "learner/weights_store.h"

namespace sojourn::learner {

struct ArmRunOptions {
  uint32_t rank = 0;
  uint64_t checkpoint_every = 20;  // updates; the same on every rank
  bool sync_journal = true;
  std::string device = "cpu";      // where the model computes (policy/device.h)
  std::optional<int> nccl_device;  // sums gradients by NCCL on this GPU; else over TCP
  absl::Duration connect_timeout = absl::Seconds(60);  // for forming the collective
  absl::Duration reduce_timeout = absl::Seconds(60);   // for other ranks' part of an update
  absl::Duration save_timeout = absl::Minutes(10);     // while another rank may be writing files
};

class ArmRun {
 public:
  // What a run works with; all of it outlives the run.
  struct Parts {
    TcpListener& listener;
    Session& session;
    TrajectoryService& trajectories;
    WeightsStore& weights;
    LearnerMetrics& metrics;
  };
  ArmRun(const v1::TrainArm& train, const ArmRunOptions& options, Parts parts);
  ~ArmRun();  // no trajectories are taken any more

  // Trains until Stop: then OK. InvalidArgument, NotFound, DataLoss, OutOfRange (training diverged):
  // this can never work, the job fails. Any other error: a peer or a disk; another generation may work.
  absl::Status Run();

  // --- from any thread
  // Run returns soon; `checkpoint`: after writing one where that is safe (rank 0).
  void Stop(const std::string& why, bool checkpoint);
  // Saves (rank 0) and pins the version, now or when it is made.
  void Save(const v1::SaveCheckpoint& save);
  // Some of the groups that this rank's next update waits for.
  std::vector<v1::GroupName> Missing() const;

 private:
  absl::Status RunOrThrow();
  absl::Status Form();
  absl::Status Load();
  absl::Status LoadCheckpoint();
  absl::Status OpenJournal();
  absl::Status Publish();
  absl::Status TrainOnce();
  absl::StatusOr<bool> AllAre(bool ready);  // every rank
  absl::Status CheckpointTogether();
  absl::Status WriteCheckpointHere(std::vector<v1::RankUpdate> unacknowledged);
  void NoteCheckpoint();
  absl::Status HandleSave();
  absl::Status SaveModel(const v1::SaveCheckpoint& save);
  absl::Status CheckpointAtStop();
  bool stopped() const;
  const v1::JobConfig& config() const { return train_.config(); }
  int ranks() const { return train_.collective_addresses_size(); }

  const v1::TrainArm train_;
  const ArmRunOptions options_;
  const Parts parts_;
  const std::string arm_path_;  // relative to the run's directory: arms/NAME
  const std::string arm_directory_;

  std::shared_ptr<Collective> collective_;  // set once by Form, under mu_; Stop aborts it
  std::unique_ptr<Trainer> trainer_;
  std::unique_ptr<Ingest> ingest_;  // outlives the journal
  std::unique_ptr<Journal> journal_;
  std::optional<uint64_t> last_checkpoint_;  // its version
  double wait_seconds_ = 0;                  // for the trajectories of the next update

  mutable std::mutex mu_;      // guards what follows
  Ingest* waiting_ = nullptr;  // to be interrupted
  std::optional<v1::SaveCheckpoint> save_;
  bool stopped_ = false, checkpoint_at_stop_ = false;
  std::string why_stopped_;
};

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_ARM_RUN_H_
