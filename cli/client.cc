#include "cli/client.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/rpc.h"

namespace sojourn::cli {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(20);

}  // namespace

bool HasEnded(v1::JobState state) {
  return state == v1::SUCCEEDED || state == v1::FAILED || state == v1::CANCELLED;
}

std::string StateName(v1::JobState state) { return absl::AsciiStrToLower(v1::JobState_Name(state)); }

Client::Client(const std::string& address)
    : address_(address), channel_(MakeChannel(address)), stub_(v1::JobService::NewStub(channel_)) {}

absl::Status Client::Explain(const grpc::Status& status) const {
  if (status.ok()) return absl::OkStatus();
  const absl::Status error = FromGrpcStatus(status);
  if (absl::IsUnavailable(error) || absl::IsDeadlineExceeded(error)) {
    return absl::UnavailableError(absl::StrCat("no coordinator answers at ", address_, " (", error.message(),
                                               "); is it running, and is the address right?"));
  }
  return error;
}

#define SOJOURN_CALL(Method, Request, Response)                       \
  grpc::ClientContext context;                                       \
  SetTimeout(context, kTimeout);                                     \
  v1::Response response;                                             \
  const grpc::Status status = stub_->Method(&context, request, &response); \
  if (!status.ok()) return Explain(status)

absl::StatusOr<std::string> Client::Submit(const v1::JobConfig& config, const std::string& request_id) {
  v1::SubmitRequest request;
  *request.mutable_config() = config;
  request.set_request_id(request_id);
  SOJOURN_CALL(Submit, SubmitRequest, SubmitResponse);
  return response.job_id();
}

absl::StatusOr<v1::ListResponse> Client::List() {
  v1::ListRequest request;
  SOJOURN_CALL(List, ListRequest, ListResponse);
  return response;
}

absl::StatusOr<v1::Results> Client::Report(const std::string& job_id) {
  v1::ReportRequest request;
  request.set_job_id(job_id);
  SOJOURN_CALL(Report, ReportRequest, ReportResponse);
  return std::move(*response.mutable_results());
}

// The calls that take a job and give its status.
#define SOJOURN_STATUS_CALL(Method)                                            \
  absl::StatusOr<v1::JobStatus> Client::Method(const std::string& job_id) {   \
    v1::Method##Request request;                                              \
    request.set_job_id(job_id);                                               \
    SOJOURN_CALL(Method, Method##Request, JobStatus);                         \
    return response;                                                          \
  }
SOJOURN_STATUS_CALL(Get)
SOJOURN_STATUS_CALL(Cancel)
SOJOURN_STATUS_CALL(Pause)
SOJOURN_STATUS_CALL(Resume)
#undef SOJOURN_STATUS_CALL
#undef SOJOURN_CALL

absl::Status Client::Watch(const std::string& job_id, const std::function<void(const v1::JobStatus&)>& show) {
  grpc::ClientContext context;   // no deadline: a job runs as long as it runs; keepalive finds a dead peer
  {
    std::lock_guard lock(mu_);
    if (stopped_) return absl::OkStatus();
    watching_ = &context;
  }
  v1::WatchRequest request;
  request.set_job_id(job_id);
  auto reader = stub_->Watch(&context, request);
  v1::JobStatus status;
  while (reader->Read(&status)) show(status);
  const grpc::Status end = reader->Finish();
  std::lock_guard lock(mu_);
  watching_ = nullptr;
  return stopped_ ? absl::OkStatus() : Explain(end);
}

void Client::StopWatching() {
  std::lock_guard lock(mu_);
  stopped_ = true;
  if (watching_ != nullptr) watching_->TryCancel();
}

}  // namespace sojourn::cli
