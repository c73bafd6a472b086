#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/bidi_stream.h"
#include "common/rpc.h"
#include "envs/remote/seat.h"
#include "sojourn/v1/environment.grpc.pb.h"

namespace sojourn::envs::remote {
namespace {

using Stream = BidiClient<v1::EnvironmentRequest, v1::EnvironmentResponse>;

class GrpcSeat : public Seat {
 public:
  GrpcSeat(const SeatOptions& options, const std::string& environment)
      : options_(options),
        environment_(environment),
        name_(absl::StrCat(options.server.host, ":", options.server.port)),
        stub_(v1::EnvironmentService::NewStub(MakeChannel(name_))) {}

  ~GrpcSeat() override { stream_.reset(); }

  absl::StatusOr<Reply> Reset(const TaskId& task) override {
    if (stream_ == nullptr) {
      over_ = false;
      answers_.clear();
      stream_ = std::make_unique<Stream>(
          [this](auto* context, auto* reactor) { stub_->async()->Play(context, reactor); },
          Stream::Handlers{[this](v1::EnvironmentResponse response) {
                             std::lock_guard lock(mutex_);
                             answers_.push_back(std::move(response));
                             changed_.notify_all();
                           },
                           [this](const absl::Status& status) {
                             std::lock_guard lock(mutex_);
                             over_ = true;
                             end_ = status;
                             changed_.notify_all();
                           }});
    }
    v1::EnvironmentRequest request;
    v1::ResetRequest& reset = *request.mutable_reset();
    reset.set_environment(environment_);
    reset.set_split(std::string(SplitName(task.split)));
    reset.set_difficulty(task.difficulty);
    reset.set_index(task.index);
    return Ask(std::move(request));
  }

  absl::StatusOr<Reply> Step(std::string_view action) override {
    v1::EnvironmentRequest request;
    request.mutable_step()->set_action(std::string(action));
    return Ask(std::move(request));
  }

  std::vector<std::string> ValidActions() override {
    v1::EnvironmentRequest request;
    request.mutable_valid_actions();
    const auto answer = Exchange(std::move(request));
    if (!answer.ok()) return {};
    return {answer->valid_actions().begin(), answer->valid_actions().end()};
  }

  void Cancel() override {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    changed_.notify_all();
  }

 private:
  absl::StatusOr<Reply> Ask(v1::EnvironmentRequest request) {
    const auto answer = Exchange(std::move(request));
    absl::StatusOr<Reply> reply = answer.ok() ? ParseResponse(*answer) : answer.status();
    if (!reply.ok()) stream_.reset();
    return reply;
  }

  absl::StatusOr<v1::EnvironmentResponse> Exchange(v1::EnvironmentRequest request) {
    if (stream_ == nullptr) return absl::UnavailableError("the stream is closed");
    const absl::Status written = stream_->Write(std::move(request));
    std::unique_lock lock(mutex_);
    if (written.ok()) {
      changed_.wait_for(lock, absl::ToChronoNanoseconds(options_.timeout),
                        [&] { return cancelled_ || over_ || !answers_.empty(); });
    }
    if (!answers_.empty()) {
      v1::EnvironmentResponse answer = std::move(answers_.front());
      answers_.pop_front();
      if (!answers_.empty()) return absl::DataLossError("the server answers what it was not asked");
      if (answer.ByteSizeLong() > options_.max_bytes) {
        return absl::ResourceExhaustedError(absl::StrCat(
            name_, ": the answer is larger than max_bytes, ", options_.max_bytes));
      }
      return answer;
    }
    if (cancelled_) return absl::CancelledError("broken off");
    if (over_ || !written.ok()) {
      const absl::Status& end = over_ && !end_.ok() ? end_ : written;
      const std::string what = absl::StrCat(
          name_, ": ", end.ok() ? "the server ended the stream" : std::string(end.message()));
      const bool known = absl::IsResourceExhausted(end) || absl::IsDeadlineExceeded(end);
      return absl::Status(known ? end.code() : absl::StatusCode::kUnavailable, what);
    }
    return absl::DeadlineExceededError(absl::StrCat(name_, " did not answer in time"));
  }

  const SeatOptions options_;
  const std::string environment_, name_;
  const std::unique_ptr<v1::EnvironmentService::Stub> stub_;

  std::mutex mutex_;  // guards what follows, but for stream_
  std::condition_variable changed_;
  std::deque<v1::EnvironmentResponse> answers_;
  bool over_ = false, cancelled_ = false;
  absl::Status end_;
  std::unique_ptr<Stream> stream_;  // last: its handlers use the others
};

}  // namespace

std::unique_ptr<Seat> NewGrpcSeat(const SeatOptions& options, const std::string& environment) {
  return std::make_unique<GrpcSeat>(options, environment);
}

}  // namespace sojourn::envs::remote
