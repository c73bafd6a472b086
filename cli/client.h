// A coordinator's job service, as the command line uses it.
#ifndef SOJOURN_CLI_CLIENT_H_
#define SOJOURN_CLI_CLIENT_H_

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sojourn/v1/job.grpc.pb.h"

namespace sojourn::cli {

// Every call has a deadline; errors name the coordinator's address. Unavailable: it cannot be reached.
class Client {
 public:
  explicit Client(const std::string& address);

  absl::StatusOr<std::string> Submit(const v1::JobConfig& config, const std::string& request_id);
  absl::StatusOr<v1::JobStatus> Get(const std::string& job_id);
  absl::StatusOr<v1::ListResponse> List();
  absl::StatusOr<v1::JobStatus> Cancel(const std::string& job_id);
  absl::StatusOr<v1::JobStatus> Pause(const std::string& job_id);
  absl::StatusOr<v1::JobStatus> Resume(const std::string& job_id);
  absl::StatusOr<v1::Results> Report(const std::string& job_id);

  // Calls `show` with the status whenever it changes, until the job ends (OK), StopWatching is called (OK)
  // or the stream breaks.
  absl::Status Watch(const std::string& job_id, const std::function<void(const v1::JobStatus&)>& show);
  void StopWatching();   // from any thread; a later Watch returns at once

 private:
  absl::Status Explain(const grpc::Status& status) const;
  std::string address_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::JobService::Stub> stub_;
  std::mutex mu_;
  grpc::ClientContext* watching_ = nullptr;   // guarded by mu_
  bool stopped_ = false;                      // guarded by mu_
};

bool HasEnded(v1::JobState state);
std::string StateName(v1::JobState state);   // "running"

}  // namespace sojourn::cli

#endif  // SOJOURN_CLI_CLIENT_H_
