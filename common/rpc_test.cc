#include "common/rpc.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "sojourn/v1/job.grpc.pb.h"

namespace sojourn {
namespace {

using ::testing::HasSubstr;

class Jobs : public v1::JobService::CallbackService {
 public:
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context, const v1::GetRequest* request,
                                v1::JobStatus*) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    if (request->job_id() != "hang") {
      reactor->Finish(
          ToGrpcStatus(absl::NotFoundError(absl::StrCat("no job ", request->job_id()))));
    } else {
      hanging = reactor;
    }
    return reactor;
  }
  std::atomic<grpc::ServerUnaryReactor*> hanging{nullptr};
};

TEST(Rpc, StatusesCrossTheWire) {
  Jobs jobs;
  auto server = RpcServer::Start({&jobs}, "127.0.0.1:0");
  ASSERT_TRUE(server.ok()) << server.status();
  ASSERT_GT((*server)->port(), 0);
  auto stub = v1::JobService::NewStub(MakeChannel(absl::StrCat("127.0.0.1:", (*server)->port())));
  grpc::ClientContext context;
  SetTimeout(context, absl::Seconds(30));
  v1::GetRequest request;
  request.set_job_id("x");
  v1::JobStatus status;
  EXPECT_EQ(FromGrpcStatus(stub->Get(&context, request, &status)), absl::NotFoundError("no job x"));
}

TEST(Rpc, ACallThatIsNotAnsweredEndsAtItsDeadline) {
  Jobs jobs;
  auto server = RpcServer::Start({&jobs}, "127.0.0.1:0");
  ASSERT_TRUE(server.ok()) << server.status();
  auto stub = v1::JobService::NewStub(MakeChannel(absl::StrCat("127.0.0.1:", (*server)->port())));
  grpc::ClientContext context;
  SetTimeout(context, absl::Milliseconds(300));
  v1::GetRequest request;
  request.set_job_id("hang");
  v1::JobStatus status;
  EXPECT_TRUE(absl::IsDeadlineExceeded(FromGrpcStatus(stub->Get(&context, request, &status))));
  if (jobs.hanging != nullptr) jobs.hanging.load()->Finish(grpc::Status::CANCELLED);
}

TEST(Rpc, APortInUseIsAnError) {
  Jobs jobs;
  auto first = RpcServer::Start({&jobs}, "127.0.0.1:0");
  ASSERT_TRUE(first.ok()) << first.status();
  Jobs more;
  const auto second = RpcServer::Start({&more}, absl::StrCat("127.0.0.1:", (*first)->port()));
  EXPECT_TRUE(absl::IsUnavailable(second.status()));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("HOST:PORT"));
}

TEST(Rpc, AnswersHealthChecks) {
  Jobs jobs;
  auto server = RpcServer::Start({&jobs}, "127.0.0.1:0");
  ASSERT_TRUE(server.ok()) << server.status();
  // grpc.health.v1: an empty request means the whole server; the answer's field 1 is 1 (SERVING).
  grpc::ClientContext context;
  SetTimeout(context, absl::Seconds(30));
  auto channel = MakeChannel(absl::StrCat("127.0.0.1:", (*server)->port()));
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  grpc::Slice nothing;
  grpc::ByteBuffer request(&nothing, 1), response;
  auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
  call->StartCall();
  grpc::Status status;
  call->Finish(&response, &status, this);
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(queue.Next(&tag, &ok));
  ASSERT_TRUE(status.ok()) << status.error_message();
  grpc::Slice answer;
  ASSERT_TRUE(response.DumpToSingleSlice(&answer).ok());
  EXPECT_EQ(std::string(answer.begin(), answer.end()), "\x08\x01");
}

}  // namespace
}  // namespace sojourn
