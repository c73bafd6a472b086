#include "envs/serve/environment_service.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/bidi_stream.h"

namespace sojourn::envs::serve {
namespace {

using Stream = BidiServer<v1::EnvironmentRequest, v1::EnvironmentResponse>;
using Environments = std::map<std::string, const Environment*>;

// What one stream plays. Requests come one at a time.
class Table {
 public:
  Table(const Environments& environments, Seats& seats)
      : environments_(environments), seats_(seats) {}

  // An error ends the stream.
  absl::StatusOr<v1::EnvironmentResponse> Answer(const v1::EnvironmentRequest& request) {
    v1::EnvironmentResponse response;
    response.set_seat(request.seat());
    absl::Status status;
    if (request.has_reset()) {
      if (!chairs_.contains(request.seat())) {
        Seats::Seat seat = seats_.Take();
        if (!seat) {
          return absl::ResourceExhaustedError(
              absl::StrCat("all ", seats_.most(), " instances are taken; try again later"));
        }
        chairs_[request.seat()].seat = std::move(seat);
      }
      status = Reset(request.reset(), chairs_[request.seat()], response);
    } else if (request.has_close()) {
      chairs_.erase(request.seat());
    } else {
      const auto chair = chairs_.find(request.seat());
      if (chair == chairs_.end() || chair->second.instance == nullptr) {
        status = absl::FailedPreconditionError("no task is being played; reset first");
      } else if (request.has_step()) {
        status = Tell(chair->second.instance->Step(request.step().action()), response);
      } else if (request.has_valid_actions()) {
        for (std::string& action : chair->second.instance->ValidActions()) {
          response.add_valid_actions(std::move(action));
        }
      } else {
        status = absl::InvalidArgumentError(
            "expected reset, step, valid_actions or close; the request has none");
      }
    }
    if (!status.ok()) response.set_error(std::string(status.message()));
    return response;
  }

 private:
  struct Chair {
    Seats::Seat seat;
    std::string environment;
    std::unique_ptr<Instance> instance;
  };

  absl::Status Reset(const v1::ResetRequest& reset, Chair& chair,
                     v1::EnvironmentResponse& response) {
    const auto environment = environments_.find(reset.environment());
    if (environment == environments_.end()) {
      std::string known;
      for (const auto& [name, unused] : environments_) absl::StrAppend(&known, " ", name);
      return absl::NotFoundError(
          absl::StrCat("no environment \"", reset.environment(), "\" is served; there are:", known));
    }
    const auto split = ParseSplit(reset.split());
    if (!split.ok()) return split.status();
    if (chair.instance == nullptr || chair.environment != reset.environment()) {
      chair.instance = environment->second->NewInstance();
      chair.environment = reset.environment();
    }
    return Tell(chair.instance->Reset({*split, reset.difficulty(), reset.index()}), response);
  }

  static absl::Status Tell(absl::StatusOr<Turn> turn, v1::EnvironmentResponse& response) {
    if (!turn.ok()) return turn.status();
    response.set_observation(std::move(turn->observation));
    response.set_reward(turn->reward);
    response.set_done(turn->done);
    response.set_success(turn->success);
    response.set_invalid_action(turn->invalid_action);
    response.set_progress(turn->progress);
    return absl::OkStatus();
  }

  const Environments& environments_;
  Seats& seats_;
  std::map<uint64_t, Chair> chairs_;
};

}  // namespace

struct EnvironmentService::Use {
  std::shared_ptr<Stream> stream;
  std::atomic<int64_t> last{absl::ToUnixMillis(absl::Now())};
};

grpc::ServerUnaryReactor* EnvironmentService::ListEnvironments(
    grpc::CallbackServerContext* context, const v1::ListEnvironmentsRequest* request,
    v1::EnvironmentList* list) {
  for (const auto& [name, environment] : environments_) {
    const Spec& spec = environment->spec();
    v1::EnvironmentInfo& info = *list->add_environments();
    info.set_name(name);
    info.set_instructions(spec.instructions);
    info.set_acceptance(spec.acceptance);
    info.set_evaluation_turns(spec.evaluation_turns);
    for (const DifficultySpec& difficulty : spec.difficulties) {
      v1::EnvironmentInfo::Difficulty& told = *info.add_difficulties();
      told.set_difficulty(difficulty.difficulty);
      told.set_name(difficulty.name);
      told.set_train_tasks(
          environment->TaskCount(Split::kTrain, difficulty.difficulty).value_or(0));
      told.set_test_tasks(environment->TaskCount(Split::kTest, difficulty.difficulty).value_or(0));
    }
  }
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerBidiReactor<v1::EnvironmentRequest, v1::EnvironmentResponse>* EnvironmentService::Play(
    grpc::CallbackServerContext* context) {
  return Stream::Accept(context, [this](std::shared_ptr<Stream> stream) {
    auto table = std::make_shared<Table>(environments_, seats_);
    auto use = std::make_shared<Use>();
    use->stream = stream;
    {
      std::lock_guard lock(mutex_);
      uses_.push_back(use);
    }
    Stream::Handlers handlers;  // they keep the use, until the stream is over
    handlers.on_read = [stream, table, use](v1::EnvironmentRequest request) {
      use->last = absl::ToUnixMillis(absl::Now());
      auto response = table->Answer(request);
      absl::Status status = response.status();
      // A client that sends and never reads is not waited for: its stream ends.
      if (response.ok()) status = stream->Write(*std::move(response));
      if (!status.ok()) stream->Finish(status);
    };
    return handlers;
  });
}

void EnvironmentService::Sweep() {
  const int64_t oldest = absl::ToUnixMillis(absl::Now() - seats_.idle());
  std::vector<std::shared_ptr<Use>> expired;
  {
    std::lock_guard lock(mutex_);
    std::erase_if(uses_, [&](const std::weak_ptr<Use>& held) {
      std::shared_ptr<Use> use = held.lock();
      if (use == nullptr) return true;
      if (use->last > oldest) return false;
      expired.push_back(std::move(use));
      return true;
    });
  }
  for (const auto& use : expired) {
    seats_.CountExpired();
    use->stream->Finish(absl::DeadlineExceededError("the stream was not used for too long"));
  }
}

}  // namespace sojourn::envs::serve
