// A learner's stream to the coordinator: says hello, beats, reports, and comes back after every
// break.
#ifndef SOJOURN_LEARNER_SESSION_H_
#define SOJOURN_LEARNER_SESSION_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "common/bidi_stream.h"
#include "sojourn/v1/fleet.grpc.pb.h"

namespace sojourn::learner {

// Thread-safe. Trying to connect never ends (with growing pauses, up to 2 s): without the
// coordinator there is nothing else to do.
class Session {
 public:
  // Called on gRPC's threads; must not block.
  struct Handlers {
    std::function<void(v1::TrainArm)> train;
    std::function<void(v1::SaveCheckpoint)> save;
    std::function<void(v1::StopTraining)> stop;
    std::function<v1::Heartbeat()> heartbeat;  // what this learner is doing
  };
  Session(const std::string& coordinator, const v1::LearnerHello& hello, Handlers handlers);
  ~Session();  // sends what is queued (up to half a second) and ends the stream

  // Kept, and sent again after a break, until the coordinator acknowledges it or another arm
  // begins. `unacknowledged` come from a checkpoint.
  void StartArm(const std::string& job_id, uint32_t arm,
                const std::vector<v1::RankUpdate>& unacknowledged);
  void Report(const v1::RankUpdate& update);
  std::vector<v1::RankUpdate> Unacknowledged() const;
  // True: everything reported is acknowledged.
  bool WaitAcknowledged(absl::Duration timeout);

  // Not sent again after a break: the coordinator then asks again, under a new generation.
  void Ready(const v1::LearnerReady& ready);
  void Saved(const v1::CheckpointSaved& saved);
  // Sent again after a break until something else is asked of this learner.
  void Failed(const v1::LearnerFailed& failed);

  void SetLease(absl::Duration lease);  // beats three times as often
  // Breaks the stream and says hello again, which makes the coordinator form a new generation.
  void Reconnect(const std::string& why);

 private:
  using Stream = BidiClient<v1::LearnerMessage, v1::CoordinatorToLearner>;

  void Run();
  void OnMessage(v1::CoordinatorToLearner message);
  void SendLocked(const v1::LearnerMessage& message);
  void SendHeldLocked();

  const v1::LearnerHello hello_;
  const Handlers handlers_;
  std::unique_ptr<v1::FleetService::Stub> stub_;

  mutable std::mutex mu_;  // guards what follows
  std::condition_variable changed_;
  std::unique_ptr<Stream> stream_;  // made and destroyed by the thread; null: not connected
  bool broken_ = false;             // the stream is over
  bool heard_ = false;              // something came over this stream
  bool closing_ = false;
  absl::Duration lease_ = absl::Seconds(3);
  std::string job_id_;
  uint32_t arm_ = 0;
  std::map<uint64_t, v1::RankUpdate> unacknowledged_;
  std::optional<v1::LearnerFailed> failed_;

  std::thread thread_;
};

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_SESSION_H_
