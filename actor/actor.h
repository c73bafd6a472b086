// An actor: takes groups from the coordinator, plays them, and brings what was played to the
// learners (training) or back to the coordinator (evaluation). It keeps nothing that matters.
#ifndef SOJOURN_ACTOR_ACTOR_H_
#define SOJOURN_ACTOR_ACTOR_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "actor/actor_metrics.h"
#include "actor/fleet_session.h"
#include "actor/job_setup.h"
#include "actor/rollout.h"
#include "actor/trajectory_sender.h"
#include "actor/weights_receiver.h"
#include "endpoint/endpoint_engine.h"

namespace sojourn::actor {

struct ActorOptions {
  std::string coordinator;  // HOST:PORT
  std::string name;         // unique in the fleet
  int slots = 64;           // episodes decoded at once
  int threads = 1;          // of the model's arithmetic; results do not depend on it
  std::string device = "cpu";  // or "cuda", "cuda:N"
};

// The thread that calls Run plays; the session, the sender and the receiver have a thread each and
// tell it what happened through the deques below.
class Actor {
 public:
  Actor(ActorOptions options, ActorMetrics& metrics);
  ~Actor();

  // Plays until `stop` says so (asked between steps). Internal when the engine keeps failing.
  absl::Status Run(const std::function<bool()>& stop);

 private:
  // A group within the fleet: job, arm, evaluation, row, group.
  using HeldKey = std::tuple<std::string, uint32_t, bool, uint32_t, uint64_t>;
  struct Held {
    v1::Assignment assignment;
    std::map<uint32_t, v1::EpisodeResult> results;  // evaluation: by member, not acknowledged yet
    std::set<uint32_t> acknowledged;                // evaluation: members
  };
  struct Delivery {
    v1::GroupName name;
    std::string error;  // not empty: the learner refused it for good
  };

  static HeldKey KeyOf(const v1::GroupName& name, bool evaluation, uint32_t row) {
    return {name.job_id(), name.arm(), evaluation, evaluation ? row : 0, name.group()};
  }

  v1::ActorHello Hello();
  v1::Heartbeat Beat();
  void Wake();

  // On Run's thread:
  void HandleEvents();
  void OnWelcome(const v1::ActorWelcome& welcome);
  void OnAssignment(v1::Assignment assignment);
  void OnEpisodeAck(const v1::EpisodeAck& ack);
  void OnRevoke(const std::string& job_id, uint32_t arm);
  void OnResult(v1::EpisodeResult result);
  void OnFailed(const v1::Assignment& assignment, const absl::Status& status);
  void UsePolicy();
  void UseEndpoint(const v1::Policy& policy);
  void GiveCredits();
  void FlushNotices();
  void Notify(v1::ActorMessage notice);
  void WaitForEvents(absl::Duration longest);
  std::pair<std::string, absl::Duration> WaitingFor() const;

  const ActorOptions options_;
  ActorMetrics& metrics_;

  // Run's thread alone:
  std::string job_id_;
  absl::StatusOr<std::unique_ptr<JobSetup>> setup_;  // why the job cannot be played
  std::unique_ptr<Rollout> rollout_;
  uint32_t credits_out_ = 0;  // given and not used yet, on the present stream
  bool stream_is_new_ = false;
  std::deque<v1::ActorMessage> notices_;  // must reach the coordinator; wait for a stream

  mutable std::mutex mu_;  // guards what follows
  std::condition_variable changed_;
  bool woken_ = false;
  std::deque<v1::CoordinatorToActor> messages_;  // of the present stream
  std::deque<Delivery> deliveries_;
  bool said_hello_ = false;  // a new stream has begun
  std::map<HeldKey, Held> held_;
  std::string activity_ = "starting";
  bool idle_ = true;
  std::pair<std::string, absl::Time> environment_;  // that is waited for, and since when

  const std::shared_ptr<endpoint::Trouble> trouble_ = std::make_shared<endpoint::Trouble>();
  std::unique_ptr<WeightsReceiver> receiver_;
  std::unique_ptr<TrajectorySender> sender_;
  std::unique_ptr<FleetSession> session_;  // last: ends first
};

}  // namespace sojourn::actor

#endif  // SOJOURN_ACTOR_ACTOR_H_
