#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
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
        name_(options.server.place()),
        stub_(v1::EnvironmentService::NewStub(MakeChannel(name_))) {}

  ~GrpcSeat() override { Drop(); }

  absl::StatusOr<Reply> Reset(const TaskId& task) override {
    if (stream_ == nullptr) {
      over_ = unasked_ = false;
      answer_.reset();
      auto stream = std::make_unique<Stream>(
          [this](auto* context, auto* reactor) { stub_->async()->Play(context, reactor); },
          Stream::Handlers{[this](v1::EnvironmentResponse response) { Take(std::move(response)); },
                           [this](const absl::Status& status) {
                             std::lock_guard lock(mutex_);
                             over_ = true;
                             end_ = status;
                             changed_.notify_all();
                           }});
      std::lock_guard lock(mutex_);
      stream_ = std::move(stream);
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
    if (!answer.ok()) {
      Drop();  // or its answer would be taken for the next call's
      return {};
    }
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
    if (!reply.ok()) Drop();
    return reply;
  }

  // On gRPC's threads. A server that says what it was not asked is not listened to for long.
  void Take(v1::EnvironmentResponse response) {
    std::lock_guard lock(mutex_);
    if (asked_ && !answer_.has_value()) {
      answer_ = std::move(response);
    } else {
      unasked_ = true;
      if (stream_ != nullptr) stream_->Cancel();
    }
    changed_.notify_all();
  }

  // Not under the mutex: the stream's end waits for its handlers.
  void Drop() {
    std::unique_ptr<Stream> dropped;
    {
      std::lock_guard lock(mutex_);
      dropped = std::move(stream_);
    }
  }

  absl::StatusOr<v1::EnvironmentResponse> Exchange(v1::EnvironmentRequest request) {
    if (stream_ == nullptr) return absl::UnavailableError("the stream is closed");
    {
      std::lock_guard lock(mutex_);
      asked_ = true;
    }
    const absl::Status written = stream_->Write(std::move(request));
    std::unique_lock lock(mutex_);
    if (written.ok()) {
      changed_.wait_for(lock, absl::ToChronoNanoseconds(options_.timeout),
                        [&] { return cancelled_ || over_ || unasked_ || answer_.has_value(); });
    }
    asked_ = false;
    if (unasked_) {
      return absl::DataLossError(absl::StrCat(name_, " answers what it was not asked"));
    }
    if (answer_.has_value()) {
      const v1::EnvironmentResponse answer = *std::exchange(answer_, std::nullopt);
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

  std::mutex mutex_;  // guards what follows; stream_ is set by the one thread that plays
  std::condition_variable changed_;
  std::optional<v1::EnvironmentResponse> answer_;
  bool asked_ = false, unasked_ = false, over_ = false, cancelled_ = false;
  absl::Status end_;
  std::unique_ptr<Stream> stream_;
};

}  // namespace

std::unique_ptr<Seat> NewGrpcSeat(const SeatOptions& options, const std::string& environment) {
  return std::make_unique<GrpcSeat>(options, environment);
}

}  // namespace sojourn::envs::remote
