// The gRPC contract (proto/sojourn/v1/environment.proto) of a set of environments.
#ifndef SOJOURN_ENVS_SERVE_ENVIRONMENT_SERVICE_H_
#define SOJOURN_ENVS_SERVE_ENVIRONMENT_SERVICE_H_

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "envs/environment.h"
#include "envs/serve/seats.h"
#include "sojourn/v1/environment.grpc.pb.h"

namespace sojourn::envs::serve {

class EnvironmentService : public v1::EnvironmentService::CallbackService {
 public:
  // By name. All must outlive the service.
  EnvironmentService(const std::map<std::string, const Environment*>& environments, Seats& seats)
      : environments_(environments), seats_(seats) {}

  grpc::ServerUnaryReactor* ListEnvironments(grpc::CallbackServerContext* context,
                                             const v1::ListEnvironmentsRequest* request,
                                             v1::EnvironmentList* list) override;
  grpc::ServerBidiReactor<v1::EnvironmentRequest, v1::EnvironmentResponse>* Play(
      grpc::CallbackServerContext* context) override;

  void Sweep();  // ends streams without a request for as long as seats may be idle

 private:
  struct Use;  // of a stream

  const std::map<std::string, const Environment*> environments_;
  Seats& seats_;
  std::mutex mutex_;
  std::list<std::weak_ptr<Use>> uses_;
};

}  // namespace sojourn::envs::serve

#endif  // SOJOURN_ENVS_SERVE_ENVIRONMENT_SERVICE_H_
