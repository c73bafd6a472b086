// The coordinator over gRPC: the job service and the fleet service, and the thread that ticks.
#ifndef SOJOURN_COORDINATOR_SERVICE_H_
#define SOJOURN_COORDINATOR_SERVICE_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "common/rpc.h"
#include "coordinator/coordinator.h"
#include "sojourn/v1/fleet.grpc.pb.h"
#include "sojourn/v1/job.grpc.pb.h"

namespace sojourn::coordinator {

class JobServiceImpl : public v1::JobService::CallbackService {
 public:
  JobServiceImpl(Coordinator& coordinator, Metrics& metrics)
      : coordinator_(coordinator), metrics_(metrics) {}

  grpc::ServerUnaryReactor* Submit(grpc::CallbackServerContext* context,
                                   const v1::SubmitRequest* request,
                                   v1::SubmitResponse* response) override;
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context, const v1::GetRequest* request,
                                v1::JobStatus* response) override;
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const v1::ListRequest* request,
                                 v1::ListResponse* response) override;
  grpc::ServerUnaryReactor* Cancel(grpc::CallbackServerContext* context,
                                   const v1::CancelRequest* request,
                                   v1::JobStatus* response) override;
  grpc::ServerUnaryReactor* Pause(grpc::CallbackServerContext* context,
                                  const v1::PauseRequest* request,
                                  v1::JobStatus* response) override;
  grpc::ServerUnaryReactor* Resume(grpc::CallbackServerContext* context,
                                   const v1::ResumeRequest* request,
                                   v1::JobStatus* response) override;
  grpc::ServerUnaryReactor* Report(grpc::CallbackServerContext* context,
                                   const v1::ReportRequest* request,
                                   v1::ReportResponse* response) override;
  grpc::ServerWriteReactor<v1::JobStatus>* Watch(grpc::CallbackServerContext* context,
                                                 const v1::WatchRequest* request) override;

  // Shows watchers what has changed.
  void Tick();

 private:
  class Watcher;
  // Answers with what `call` returns, and measures how long it took.
  template <typename Call>
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, const char* method,
                                   Call call);
  void Remove(Watcher* watcher);

  Coordinator& coordinator_;
  Metrics& metrics_;
  std::mutex mu_;
  std::set<std::shared_ptr<Watcher>> watchers_;  // guarded by mu_
};

class FleetServiceImpl : public v1::FleetService::CallbackService {
 public:
  FleetServiceImpl(Coordinator& coordinator, Metrics& metrics)
      : coordinator_(coordinator), metrics_(metrics) {}

  grpc::ServerBidiReactor<v1::ActorMessage, v1::CoordinatorToActor>* Act(
      grpc::CallbackServerContext* context) override;
  grpc::ServerBidiReactor<v1::LearnerMessage, v1::CoordinatorToLearner>* Learn(
      grpc::CallbackServerContext* context) override;

 private:
  Coordinator& coordinator_;
  Metrics& metrics_;
};

// Serves a coordinator on an address until destroyed. The coordinator and metrics must outlive it.
class CoordinatorServer {
 public:
  static absl::StatusOr<std::unique_ptr<CoordinatorServer>> Start(Coordinator& coordinator,
                                                                  Metrics& metrics,
                                                                  const std::string& address);
  ~CoordinatorServer();
  int port() const { return server_->port(); }

 private:
  CoordinatorServer(Coordinator& coordinator, Metrics& metrics);
  void TickUntilStopped();

  Coordinator& coordinator_;
  JobServiceImpl jobs_;
  FleetServiceImpl fleet_;
  std::unique_ptr<RpcServer> server_;
  std::mutex mu_;
  std::condition_variable stop_changed_;
  bool stop_ = false;  // guarded by mu_
  std::thread ticker_;
};

}  // namespace sojourn::coordinator

#endif  // SOJOURN_COORDINATOR_SERVICE_H_
