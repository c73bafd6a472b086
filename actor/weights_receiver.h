// Fetches policy versions from the learners, ahead of their use.
#ifndef SOJOURN_ACTOR_WEIGHTS_RECEIVER_H_
#define SOJOURN_ACTOR_WEIGHTS_RECEIVER_H_

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "actor/actor_metrics.h"
#include "actor/rollout.h"
#include "common/retry.h"
#include "sojourn/v1/weights.grpc.pb.h"

namespace sojourn::policy {
class Model;
}

namespace sojourn::actor {

// One thread fetches what is wanted, one after another, from whichever rank has it; every call has
// a deadline, and a version that no rank has yet is asked for again. Thread-safe.
class WeightsReceiver {
 public:
  // `arrived` is called on the receiver's thread whenever Take may have more to give.
  WeightsReceiver(ActorMetrics& metrics, RandomKey jitter, std::function<void()> arrived);
  ~WeightsReceiver();

  // The job whose weights are fetched, and its starting policy, whose configuration they have.
  // Another job's models are dropped.
  void SetJob(const std::string& job_id, const std::string& model_path);
  void SetLearners(const std::vector<std::string>& addresses);

  // In order of need; models that are no longer named are dropped, and so is a fetch under way.
  void Want(const std::vector<PolicyName>& names);

  // The model once it is there; null while it is being fetched.
  std::shared_ptr<const policy::Model> Take(const PolicyName& name) const;

  // How long the learners have been saying that they do not have this version: it is gone, or
  // another arm is trained. Zero: it is there, or on its way.
  absl::Duration NotFoundFor(const PolicyName& name) const;

  // What it is waiting for ("policy version 7 from learner rank 0 (HOST:PORT): WHY"), since when.
  std::pair<std::string, absl::Duration> waiting_for() const;

 private:
  struct Source {
    uint32_t rank;
    std::string address;
    std::shared_ptr<v1::WeightsService::Stub> stub;
  };

  void Run();
  bool NextSource(Source* source);  // with mu_ held
  absl::StatusOr<std::shared_ptr<const policy::Model>> Fetch(const std::string& job_id,
                                                             const std::string& model_path,
                                                             const PolicyName& name,
                                                             const Source& source);
  absl::StatusOr<v1::WeightsManifest> GetManifest(const std::string& job_id, const PolicyName& name,
                                                  const Source& source);
  absl::StatusOr<std::string> GetBytes(const std::string& job_id, const PolicyName& name,
                                       const Source& source, const v1::WeightsManifest& manifest);
  // Makes a call that Want, SetJob and the destructor can cancel.
  absl::Status Call(const PolicyName& name, absl::Duration timeout,
                    const std::function<grpc::Status(grpc::ClientContext*)>& call);
  bool Wanted(const std::string& job_id, const PolicyName& name) const;  // with mu_ held

  ActorMetrics& metrics_;
  const std::function<void()> arrived_;

  mutable std::mutex mu_;  // guards what follows
  std::condition_variable changed_;
  bool stopping_ = false;
  std::string job_id_, model_path_;
  std::vector<std::string> addresses_;
  std::map<uint32_t, Source> sources_;  // by rank; made when first used
  uint32_t next_rank_ = 0;
  std::vector<PolicyName> wanted_;
  std::map<PolicyName, std::shared_ptr<const policy::Model>> models_;
  grpc::ClientContext* call_ = nullptr;  // the call under way
  PolicyName call_name_;
  std::string waiting_for_;
  absl::Time waiting_since_;
  PolicyName not_found_;
  absl::Time not_found_since_ = absl::InfiniteFuture();
  Backoff backoff_;
  std::thread thread_;
};

}  // namespace sojourn::actor

#endif  // SOJOURN_ACTOR_WEIGHTS_RECEIVER_H_
