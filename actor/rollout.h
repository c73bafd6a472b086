// Plays groups: admits them to the engine, moves every live episode on, and hands out what is
// finished.
#ifndef SOJOURN_ACTOR_ROLLOUT_H_
#define SOJOURN_ACTOR_ROLLOUT_H_

#include <compare>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "actor/actor_metrics.h"
#include "actor/blocking_pool.h"
#include "actor/episode.h"
#include "actor/job_setup.h"
#include "policy/engine.h"
#include "sojourn/v1/fleet.pb.h"

namespace sojourn::actor {

// A policy within a job.
struct PolicyName {
  uint32_t arm = 0;
  uint64_t version = 0;
  auto operator<=>(const PolicyName&) const = default;
};

// Invariant: an engine plays one policy, and a group is played with the policy that its assignment
// names. Groups of the lowest (arm, version) go first; the engine changes when none of another one
// is live. Not thread-safe.
//
// Environments that block are played on threads of their own, while the engine serves the others.
// One that fails costs its episode a new start, after a pause; after Spec::retries of them the
// episode ends with the error, and the group goes on.
class Rollout {
 public:
  struct Sink {
    std::function<void(uint32_t learner_rank, v1::Trajectory)> trajectory;   // training
    std::function<void(v1::EpisodeResult)> result;                           // evaluation
    std::function<void(const v1::Assignment&, const absl::Status&)> failed;  // can never be played
    // From any thread: an environment that blocked has answered, Step has something to do.
    std::function<void()> wake = [] {};
  };

  // References must outlive the rollout.
  Rollout(const JobSetup& setup, int slots, ActorMetrics& metrics, Sink sink);
  ~Rollout();

  // What engines must be made with.
  policy::EngineOptions engine_options() const;

  void Add(v1::Assignment assignment);
  void Drop(uint32_t arm);  // groups of the arm, live and waiting, are forgotten

  // The policy that must be there for work to go on: the engine holds another one, or there is
  // none.
  std::optional<PolicyName> MissingPolicy() const;
  // The policies that waiting groups need, lowest first, without the engine's own.
  std::vector<PolicyName> NextPolicies() const;
  // Only when MissingPolicy() names it.
  void SetEngine(const PolicyName& name, std::unique_ptr<policy::Engine> engine);
  std::unique_ptr<policy::Engine> TakeEngine() {
    return std::move(engine_);
  }  // null when there is none

  // For MissingPolicy(): its groups are given back, or the first of them is handed out as failed.
  std::vector<v1::Assignment> GiveBack(const PolicyName& name);
  void FailNext(const absl::Status& status);

  // Does a piece of work; false when there was nothing to do. An error is the engine's: it is given
  // up with its episodes, whose groups start again.
  absl::StatusOr<bool> Step();

  size_t live_episodes() const { return live_.size() + starting_; }
  size_t waiting_for_environments() const { return waiting_; }
  // The environment that has not answered for longest, with what it failed with last, and since
  // when it is waited for; nobody: "".
  std::pair<std::string, absl::Time> WaitingForEnvironment() const;
  size_t queued_episodes() const;
  size_t queued_groups() const;

 private:
  struct Group;
  struct Seat {  // where an engine's episode belongs
    Group* group;
    uint32_t member;
  };
  // A call of an environment that blocks: its end, or when it is due.
  struct Call {
    std::shared_ptr<Group> group;  // alive as long as the call
    uint32_t member = 0;
    absl::Time due = absl::InfinitePast();
    absl::Status status;  // what cannot be tried again
  };
  struct Ends {  // of calls, from the pool's threads
    std::mutex mutex;
    std::vector<Call> calls;
  };

  v1::Assignment PopNext();  // of the lowest policy; the queue must not be empty
  absl::StatusOr<std::shared_ptr<Group>> MakeGroup(v1::Assignment assignment);
  absl::Status StartEpisodes(Group& group);
  // Gives members whose episodes have started to the engine, and asks for their first responses.
  absl::Status Open(Group* group, const std::vector<uint32_t>& members);
  absl::Status TakeTurn(Group* group, uint32_t member);  // which was just played
  void Finish(Group* group, uint32_t member);
  void Submit(Group* group, uint32_t member);  // its reset, turn or random play, to the pool
  absl::Status TakeCall(Call call);            // which has ended
  absl::Status TryAgain(Group* group, uint32_t member, const absl::Status& status);
  absl::Status OpenWhenAllStarted(Group* group);
  absl::StatusOr<bool> TakeCalls();
  absl::Status OpenGroup(v1::Assignment assignment);
  void PlayRandomly(v1::Assignment assignment);
  // What becomes of a group when the engine does not take its request: the request's fault ends the
  // assignment; any other is the engine's, and returned.
  absl::Status Refused(Group* group, const absl::Status& status);
  absl::Status Respond(int64_t id, const Seat& seat);
  void HandOut(Group& group, uint32_t member);
  void Fail(const v1::Assignment& assignment, const absl::Status& status);
  void Forget(Group* group);
  std::vector<std::unique_ptr<envs::Instance>>& SpareInstances(const v1::Assignment& assignment) {
    return spare_instances_[{assignment.environment(), assignment.variant()}];
  }
  std::unique_ptr<envs::Instance> TakeInstance(const v1::Assignment& assignment,
                                               const envs::Environment& environment);
  void CountEnvironmentTime(const Episode& episode, double before);

  const JobSetup& setup_;
  const int slots_;
  ActorMetrics& metrics_;
  const Sink sink_;

  std::map<PolicyName, std::deque<v1::Assignment>> queue_;
  std::deque<v1::Assignment> random_queue_;  // RANDOM_VALID: need no policy
  std::unique_ptr<policy::Engine> engine_;
  PolicyName engine_policy_;
  std::map<Group*, std::shared_ptr<Group>> groups_;
  std::unordered_map<int64_t, Seat> live_;  // by the engine's episode
  // By environment and variant.
  std::map<std::pair<std::string, std::string>, std::vector<std::unique_ptr<envs::Instance>>> spare_instances_;
  struct Failing {
    absl::Time since;
    uint64_t failures = 0;
    absl::Status last;
  };
  std::map<std::string, Failing> failing_;  // environments that block, since their last answer
  size_t starting_ = 0;  // live episodes that the engine does not hold: they wait for a reset
  size_t waiting_ = 0;   // live episodes that wait for their environment
  size_t playing_ = 0;   // of them, those that the engine holds
  std::vector<Call> delayed_;
  const std::shared_ptr<Ends> ends_ = std::make_shared<Ends>();
  std::unique_ptr<BlockingPool> pool_;  // null until it is needed
};

}  // namespace sojourn::actor

#endif  // SOJOURN_ACTOR_ROLLOUT_H_
