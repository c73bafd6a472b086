// Brings finished trajectories to the learner ranks that own them, over streams that may break.
#ifndef SOJOURN_ACTOR_TRAJECTORY_SENDER_H_
#define SOJOURN_ACTOR_TRAJECTORY_SENDER_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "absl/time/time.h"
#include "actor/actor_metrics.h"
#include "common/bidi_stream.h"
#include "common/retry.h"
#include "sojourn/v1/trajectory.grpc.pb.h"

namespace sojourn::actor {

// A trajectory stays here until its learner has acknowledged it; what was not acknowledged when a
// stream broke is sent again on the next one. Thread-safe.
class TrajectorySender {
 public:
  struct Handlers {  // called on gRPC's threads, without locks; must not block
    std::function<void(const v1::GroupName&)> delivered;  // every member was acknowledged
    std::function<void(const v1::GroupName&, const std::string& error)> refused;  // once a group
  };
  TrajectorySender(ActorMetrics& metrics, RandomKey jitter, Handlers handlers);
  ~TrajectorySender();  // what is not acknowledged yet is lost here: the lease brings it back

  // By rank; an empty address: the rank is absent, and its trajectories wait.
  void SetLearners(const std::vector<std::string>& addresses);

  // A member that was sent before is dropped, until its group is forgotten.
  void Send(uint32_t rank, v1::Trajectory trajectory);

  // Groups of the job's arm are forgotten.
  void Drop(const std::string& job_id, uint32_t arm);

  // The bound that callers keep: no new groups while full().
  bool full() const { return unacknowledged() >= kMostUnacknowledged; }
  size_t unacknowledged() const;
  // Whom it has waited for longest, and how long: "learner rank 1 (HOST:PORT)"; empty: for nobody.
  std::pair<std::string, absl::Duration> waiting_for() const;

  static constexpr size_t kMostUnacknowledged = 4096;

 private:
  using Client = BidiClient<v1::Trajectory, v1::TrajectoryAck>;
  using GroupKey = std::tuple<std::string, uint32_t, uint64_t>;  // job, arm, group
  using Key = std::pair<GroupKey, uint32_t>;                     // and member

  struct Item {
    v1::Trajectory trajectory;
    absl::Time finished;
    bool sent = false;         // on the present stream
    bool sent_before = false;  // on an earlier one
  };
  struct Group {
    uint32_t size = 0;
    std::set<uint32_t> members;  // taken by Send
    uint32_t acknowledged = 0;
  };
  struct Link {
    uint32_t rank = 0;
    std::string address;
    std::map<Key, Item> outbox;
    std::unique_ptr<v1::TrajectoryService::Stub> stub;
    std::unique_ptr<Client> stream;
    bool ended = false;  // the stream is over, or must end: the address has changed
    absl::Time retry_at = absl::InfinitePast();
    Backoff backoff;
  };

  static GroupKey KeyOf(const v1::GroupName& name) {
    return {name.job_id(), name.arm(), name.group()};
  }
  Link& LinkOf(uint32_t rank);  // with mu_ held
  void Run();
  void Tend(Link& link, std::unique_lock<std::mutex>& lock);
  void OnAck(uint32_t rank, v1::TrajectoryAck ack);

  ActorMetrics& metrics_;
  const RandomKey jitter_;
  const Handlers handlers_;

  mutable std::mutex mu_;  // guards what follows
  std::condition_variable changed_;
  bool stopping_ = false, work_ = false;
  std::map<uint32_t, std::unique_ptr<Link>> links_;
  std::map<GroupKey, Group> groups_;
  std::thread thread_;  // opens streams and writes
};

}  // namespace sojourn::actor

#endif  // SOJOURN_ACTOR_TRAJECTORY_SENDER_H_
