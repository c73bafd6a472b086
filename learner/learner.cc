#include "learner/learner.h"

#include <google/protobuf/util/message_differencer.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/logging.h"

namespace sojourn::learner {
namespace {

// The host under which others reach what listens on `host`.
std::string ReachableHost(const std::string& host) {
  if (host != "0.0.0.0" && host != "[::]") return host;
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

}  // namespace

absl::StatusOr<std::unique_ptr<Learner>> Learner::Start(const LearnerOptions& options,
                                                        Metrics& metrics) {
  const size_t colon = options.listen.rfind(':');
  if (colon == std::string::npos || colon == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot listen on \"", options.listen, "\"; expected HOST:PORT"));
  }
  const std::string host = options.listen.substr(0, colon);
  std::unique_ptr<Learner> learner(new Learner(options, metrics));
  auto server =
      RpcServer::Start({&learner->trajectories_, &learner->weights_service_}, options.listen);
  if (!server.ok()) return server.status();
  learner->server_ = *std::move(server);
  auto listener = TcpListener::Create(host + ":0");
  if (!listener.ok()) return listener.status();
  learner->listener_ = *std::move(listener);

  v1::LearnerHello hello;
  hello.set_rank(options.arm.rank);
  learner->address_ = absl::StrCat(ReachableHost(host), ":", learner->server_->port());
  hello.set_address(learner->address_);
  hello.set_collective_address(absl::StrCat(ReachableHost(host), ":", learner->listener_->port()));
  Learner* raw = learner.get();
  raw->metrics_.SetActivity("idle", "coordinator", "the coordinator's word on what to train");
  Session::Handlers handlers;
  handlers.train = [raw](v1::TrainArm train) { raw->OnTrain(std::move(train)); };
  handlers.save = [raw](v1::SaveCheckpoint save) { raw->OnSave(save); };
  handlers.stop = [raw](v1::StopTraining stop) { raw->OnStop(stop); };
  handlers.heartbeat = [raw] { return raw->Heartbeat(); };
  raw->session_ = std::make_unique<Session>(options.coordinator, hello, std::move(handlers));
  raw->thread_ = std::thread([raw] { raw->Run(); });
  return learner;
}

Learner::~Learner() { Stop(false); }

bool Learner::Stop(bool checkpoint, absl::Duration timeout) {
  if (!thread_.joinable()) return true;
  {
    std::unique_lock lock(mu_);
    stopping_ = true;
    next_.reset();
    if (run_) run_->Stop("the learner is stopping", checkpoint);
    changed_.notify_all();
    const auto ended = [&] { return ended_; };
    if (timeout == absl::InfiniteDuration()) {
      changed_.wait(lock, ended);
    } else if (!changed_.wait_for(lock, absl::ToChronoMilliseconds(timeout), ended)) {
      return false;
    }
  }
  thread_.join();
  session_.reset();
  weights_.Close();
  server_->Shutdown(absl::ZeroDuration());
  return true;
}

v1::Heartbeat Learner::Heartbeat() {
  v1::Heartbeat beat = metrics_.Heartbeat();
  std::lock_guard lock(mu_);
  if (run_) {
    for (v1::GroupName& name : run_->Missing()) *beat.add_missing() = std::move(name);
  }
  return beat;
}

void Learner::OnTrain(v1::TrainArm train) {
  std::lock_guard lock(mu_);
  if (stopping_) return;
  if (google::protobuf::util::MessageDifferencer::Equals(train, told_)) return;  // said before
  told_ = train;
  if (run_)
    run_->Stop(absl::StrCat("generation ", train.generation(), " replaces this one"),
               /*checkpoint=*/false);
  next_ = std::move(train);
  save_.reset();  // asked again when this generation is ready
  changed_.notify_all();
}

void Learner::OnSave(const v1::SaveCheckpoint& save) {
  std::lock_guard lock(mu_);
  if (run_ && !next_) {
    run_->Save(save);
  } else {
    save_ = save;
  }
}

void Learner::OnStop(const v1::StopTraining& stop) {
  std::lock_guard lock(mu_);
  if (next_ && next_->job_id() == stop.job_id()) next_.reset();
  if (run_ && job_id_ == stop.job_id())
    run_->Stop("the coordinator ended this training", /*checkpoint=*/true);
  changed_.notify_all();
}

void Learner::Run() {
  absl::Time ask_again = absl::InfiniteFuture();
  std::string why;
  std::unique_lock lock(mu_);
  while (true) {
    const auto wanted = [&] { return stopping_ || next_.has_value(); };
    if (ask_again == absl::InfiniteFuture()) {
      changed_.wait(lock, wanted);
    } else if (!changed_.wait_until(lock, absl::ToChronoTime(ask_again), wanted)) {
      ask_again = absl::InfiniteFuture();  // the session goes on by itself
      lock.unlock();
      session_->Reconnect(why);
      lock.lock();
      continue;
    }
    if (stopping_) break;
    const v1::TrainArm train = *std::exchange(next_, std::nullopt);
    run_ = std::make_unique<ArmRun>(
        train, options_.arm,
        ArmRun::Parts{*listener_, *session_, trajectories_, weights_, metrics_});
    job_id_ = train.job_id();
    if (save_) run_->Save(*std::exchange(save_, std::nullopt));
    ArmRun* const run = run_.get();
    lock.unlock();
    const absl::Status status = run->Run();
    lock.lock();
    std::unique_ptr<ArmRun> over = std::move(run_);  // others use it under the lock only
    lock.unlock();
    over.reset();
    ask_again = EndRun(train, status);
    why = status.ToString();
    lock.lock();
  }
  ended_ = true;
  changed_.notify_all();
}

absl::Time Learner::EndRun(const v1::TrainArm& train, const absl::Status& status) {
  if (status.ok()) {
    metrics_.SetActivity("idle", "coordinator", "the coordinator's word on what to train");
    return absl::InfiniteFuture();
  }
  spdlog::error("({}, arm {}) generation {} ended: {}", train.job_id(), train.arm(),
                train.generation(), status.ToString());
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kAlreadyExists: {
      metrics_.SetActivity("failed", "coordinator", "the coordinator's word on what to train");
      v1::LearnerFailed failed;
      failed.set_job_id(train.job_id());
      failed.set_error(std::string(status.message()));
      session_->Failed(failed);
      return absl::InfiniteFuture();
    }
    default:
      // If a peer is dead, the coordinator sees that too and forms a new generation; if only the
      // way to it is broken, nobody else will ask.
      metrics_.SetActivity("idle", "ranks", std::string(status.message()));
      return absl::Now() + std::max(absl::Milliseconds(train.lease_ms()), absl::Seconds(1));
  }
}

}  // namespace sojourn::learner
