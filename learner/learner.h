// One learner rank: its servers, its stream to the coordinator, and the arm that it trains at
// present.
#ifndef SOJOURN_LEARNER_LEARNER_H_
#define SOJOURN_LEARNER_LEARNER_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "common/rpc.h"
#include "learner/arm_run.h"
#include "learner/learner_metrics.h"
#include "learner/session.h"
#include "learner/tcp_collective.h"
#include "learner/trajectory_service.h"
#include "learner/weights_service.h"
#include "learner/weights_store.h"

namespace sojourn::learner {

struct LearnerOptions {
  std::string coordinator;  // HOST:PORT
  std::string listen =
      "localhost:0";  // HOST:PORT; peers reach it there (0.0.0.0: by the host's name)
  ArmRunOptions arm;
};

class Learner {
 public:
  // Serves and says hello; trains on a thread of its own. Unavailable when the address cannot be
  // bound.
  static absl::StatusOr<std::unique_ptr<Learner>> Start(const LearnerOptions& options,
                                                        Metrics& metrics);
  ~Learner();  // Stop(false)

  // Ends training, after a checkpoint if asked (and where it is safe), then the services. False
  // when the training thread did not end within `timeout`: then only the end of the process is
  // left.
  bool Stop(bool checkpoint, absl::Duration timeout = absl::InfiniteDuration());

  const std::string& address() const { return address_; }

 private:
  Learner(const LearnerOptions& options, Metrics& metrics)
      : options_(options),
        metrics_(metrics),
        trajectories_(metrics),
        weights_service_(weights_, metrics) {}

  v1::Heartbeat Heartbeat();
  void OnTrain(v1::TrainArm train);
  void OnSave(const v1::SaveCheckpoint& save);
  void OnStop(const v1::StopTraining& stop);
  void Run();
  absl::Time EndRun(const v1::TrainArm& train,
                    const absl::Status& status);  // when to ask for another try

  const LearnerOptions options_;
  LearnerMetrics metrics_;
  TrajectoryService trajectories_;
  WeightsStore weights_;
  WeightsService weights_service_;
  std::string address_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<TcpListener> listener_;
  std::unique_ptr<Session> session_;

  std::mutex mu_;  // guards what follows
  std::condition_variable changed_;
  std::optional<v1::TrainArm> next_;        // what to train after the present run
  std::optional<v1::SaveCheckpoint> save_;  // came before its arm was running
  std::unique_ptr<ArmRun> run_;             // the present one
  std::string job_id_;                      // of run_
  v1::TrainArm told_;                       // the last one
  bool stopping_ = false, ended_ = false;

  std::thread thread_;
};

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_LEARNER_H_
