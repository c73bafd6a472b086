#include "coordinator/service.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <utility>
#include <vector>

#include "common/bidi_stream.h"

namespace sojourn::coordinator {
namespace {

constexpr auto kTick = std::chrono::milliseconds(250);  // and so at most four statuses a second
constexpr absl::Duration kShutdownGrace = absl::Milliseconds(200);

// Times one call or message of a method.
class Timer {
 public:
  Timer(Metrics& metrics, const char* method)
      : histogram_(metrics.Histogram("sojourn_rpc_seconds",
                                     "Time to handle a call, or a message of a stream",
                                     SecondsBuckets(), {{"method", method}})),
        begin_(std::chrono::steady_clock::now()) {}
  ~Timer() {
    histogram_.Observe(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count());
  }

 private:
  prometheus::Histogram& histogram_;
  const std::chrono::steady_clock::time_point begin_;
};

template <typename Request, typename Response>
class StreamLink : public Link<Response> {
 public:
  explicit StreamLink(std::shared_ptr<BidiServer<Request, Response>> stream)
      : stream_(std::move(stream)) {}
  void Send(const Response& message) override {
    // A peer that reads nothing for a thousand messages is as good as gone.
    if (!stream_->Write(message).ok()) stream_->Cancel();
  }
  void Close(const absl::Status& why) override { stream_->Finish(why); }

 private:
  const std::shared_ptr<BidiServer<Request, Response>> stream_;
};

absl::Status Copy(absl::StatusOr<v1::JobStatus> from, v1::JobStatus* to) {
  if (from.ok()) *to = *std::move(from);
  return from.status();
}

bool HasEnded(v1::JobState state) {
  return state == v1::SUCCEEDED || state == v1::FAILED || state == v1::CANCELLED;
}

}  // namespace

template <typename Call>
grpc::ServerUnaryReactor* JobServiceImpl::Answer(grpc::CallbackServerContext* context,
                                                 const char* method, Call call) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const Timer timer(metrics_, method);
  reactor->Finish(ToGrpcStatus(call()));
  return reactor;
}

grpc::ServerUnaryReactor* JobServiceImpl::Submit(grpc::CallbackServerContext* context,
                                                 const v1::SubmitRequest* request,
                                                 v1::SubmitResponse* response) {
  return Answer(context, "Submit", [&]() -> absl::Status {
    auto job_id = coordinator_.Submit(request->config(), request->request_id());
    if (job_id.ok()) response->set_job_id(*job_id);
    return job_id.status();
  });
}

grpc::ServerUnaryReactor* JobServiceImpl::Get(grpc::CallbackServerContext* context,
                                              const v1::GetRequest* request,
                                              v1::JobStatus* response) {
  return Answer(context, "Get",
                [&] { return Copy(coordinator_.Get(request->job_id()), response); });
}

grpc::ServerUnaryReactor* JobServiceImpl::List(grpc::CallbackServerContext* context,
                                               const v1::ListRequest*, v1::ListResponse* response) {
  return Answer(context, "List", [&] {
    for (v1::JobStatus& status : coordinator_.List()) *response->add_jobs() = std::move(status);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobServiceImpl::Cancel(grpc::CallbackServerContext* context,
                                                 const v1::CancelRequest* request,
                                                 v1::JobStatus* response) {
  return Answer(context, "Cancel",
                [&] { return Copy(coordinator_.Cancel(request->job_id()), response); });
}

grpc::ServerUnaryReactor* JobServiceImpl::Pause(grpc::CallbackServerContext* context,
                                                const v1::PauseRequest* request,
                                                v1::JobStatus* response) {
  return Answer(context, "Pause",
                [&] { return Copy(coordinator_.Pause(request->job_id()), response); });
}

grpc::ServerUnaryReactor* JobServiceImpl::Resume(grpc::CallbackServerContext* context,
                                                 const v1::ResumeRequest* request,
                                                 v1::JobStatus* response) {
  return Answer(context, "Resume",
                [&] { return Copy(coordinator_.Resume(request->job_id()), response); });
}

grpc::ServerUnaryReactor* JobServiceImpl::Report(grpc::CallbackServerContext* context,
                                                 const v1::ReportRequest* request,
                                                 v1::ReportResponse* response) {
  return Answer(context, "Report", [&]() -> absl::Status {
    auto results = coordinator_.Report(request->job_id());
    if (results.ok()) *response->mutable_results() = *std::move(results);
    return results.status();
  });
}

// One Watch call. Lives until OnDone, and as long as a tick still looks at it.
class JobServiceImpl::Watcher : public grpc::ServerWriteReactor<v1::JobStatus> {
 public:
  Watcher(JobServiceImpl& service, std::string job_id)
      : service_(service), job_id_(std::move(job_id)) {}

  // Writes the status if it is another one than last time and nothing is being written.
  void Show() {
    std::lock_guard lock(mu_);
    if (writing_ || finished_) return;
    auto status = service_.coordinator_.Get(job_id_);
    if (!status.ok()) {
      finished_ = true;
      return Finish(ToGrpcStatus(status.status()));
    }
    if (job_id_.empty()) job_id_ = status->job_id();  // the newest now, and it stays that one
    std::string bytes = status->SerializeAsString();
    if (bytes == shown_) return;
    shown_ = std::move(bytes);
    status_ = *std::move(status);
    if (HasEnded(status_.state())) {
      finished_ = true;
      return StartWriteAndFinish(&status_, grpc::WriteOptions(), grpc::Status::OK);
    }
    writing_ = true;
    StartWrite(&status_);
  }

 private:
  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mu_);
    writing_ = false;
    if (!ok || cancelled_) End();
  }
  void OnCancel() override {
    std::lock_guard lock(mu_);
    cancelled_ = true;
    if (!writing_) End();
  }
  void End() {
    if (finished_) return;
    finished_ = true;
    Finish(grpc::Status::CANCELLED);
  }
  void OnDone() override { service_.Remove(this); }

  JobServiceImpl& service_;
  std::mutex mu_;  // guards what follows
  std::string job_id_;
  v1::JobStatus status_;  // being written
  std::string shown_;
  bool writing_ = false, cancelled_ = false, finished_ = false;
};

grpc::ServerWriteReactor<v1::JobStatus>* JobServiceImpl::Watch(grpc::CallbackServerContext*,
                                                               const v1::WatchRequest* request) {
  auto watcher = std::make_shared<Watcher>(*this, request->job_id());
  {
    std::lock_guard lock(mu_);
    watchers_.insert(watcher);
  }
  watcher->Show();
  return watcher.get();
}

void JobServiceImpl::Remove(Watcher* watcher) {
  std::lock_guard lock(mu_);
  std::erase_if(watchers_, [&](const auto& kept) { return kept.get() == watcher; });
}

void JobServiceImpl::Tick() {
  std::vector<std::shared_ptr<Watcher>> watchers;
  {
    std::lock_guard lock(mu_);
    watchers.assign(watchers_.begin(), watchers_.end());
  }
  for (const auto& watcher : watchers) watcher->Show();
}

grpc::ServerBidiReactor<v1::ActorMessage, v1::CoordinatorToActor>* FleetServiceImpl::Act(
    grpc::CallbackServerContext* context) {
  using Stream = BidiServer<v1::ActorMessage, v1::CoordinatorToActor>;
  return Stream::Accept(context, [this](std::shared_ptr<Stream> stream) -> Stream::Handlers {
    auto link =
        std::make_shared<StreamLink<v1::ActorMessage, v1::CoordinatorToActor>>(std::move(stream));
    return {.on_read =
                [this, link](v1::ActorMessage message) {
                  const Timer timer(metrics_, "Act");
                  coordinator_.OnActor(link, message);
                },
            .on_half_close = nullptr,
            .on_done = [this, link] { coordinator_.OnActorGone(link.get()); }};
  });
}

grpc::ServerBidiReactor<v1::LearnerMessage, v1::CoordinatorToLearner>* FleetServiceImpl::Learn(
    grpc::CallbackServerContext* context) {
  using Stream = BidiServer<v1::LearnerMessage, v1::CoordinatorToLearner>;
  return Stream::Accept(context, [this](std::shared_ptr<Stream> stream) -> Stream::Handlers {
    auto link = std::make_shared<StreamLink<v1::LearnerMessage, v1::CoordinatorToLearner>>(
        std::move(stream));
    return {.on_read =
                [this, link](v1::LearnerMessage message) {
                  const Timer timer(metrics_, "Learn");
                  coordinator_.OnLearner(link, message);
                },
            .on_half_close = nullptr,
            .on_done = [this, link] { coordinator_.OnLearnerGone(link.get()); }};
  });
}

CoordinatorServer::CoordinatorServer(Coordinator& coordinator, Metrics& metrics)
    : coordinator_(coordinator), jobs_(coordinator, metrics), fleet_(coordinator, metrics) {}

absl::StatusOr<std::unique_ptr<CoordinatorServer>> CoordinatorServer::Start(
    Coordinator& coordinator, Metrics& metrics, const std::string& address) {
  std::unique_ptr<CoordinatorServer> server(new CoordinatorServer(coordinator, metrics));
  auto rpc = RpcServer::Start({&server->jobs_, &server->fleet_}, address);
  if (!rpc.ok()) return rpc.status();
  server->server_ = *std::move(rpc);
  server->ticker_ = std::thread([raw = server.get()] { raw->TickUntilStopped(); });
  return server;
}

CoordinatorServer::~CoordinatorServer() {
  {
    std::lock_guard lock(mu_);
    stop_ = true;
  }
  stop_changed_.notify_all();
  if (ticker_.joinable()) ticker_.join();
  if (server_ != nullptr) server_->Shutdown(kShutdownGrace);
}

void CoordinatorServer::TickUntilStopped() {
  std::unique_lock lock(mu_);
  while (!stop_changed_.wait_for(lock, kTick, [&] { return stop_; })) {
    lock.unlock();
    coordinator_.Tick();
    jobs_.Tick();
    lock.lock();
  }
}

}  // namespace sojourn::coordinator
