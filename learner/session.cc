#include "learner/session.h"

#include <utility>

#include "absl/time/clock.h"
#include "common/logging.h"
#include "common/random.h"
#include "common/retry.h"
#include "common/rpc.h"

namespace sojourn::learner {

Session::Session(const std::string& coordinator, const v1::LearnerHello& hello, Handlers handlers)
    : hello_(hello),
      handlers_(std::move(handlers)),
      stub_(v1::FleetService::NewStub(MakeChannel(coordinator))) {
  thread_ = std::thread([this] { Run(); });
}

Session::~Session() {
  {
    std::lock_guard lock(mu_);
    closing_ = true;
    if (stream_) stream_->Finish();
  }
  changed_.notify_all();
  thread_.join();
}

void Session::Run() {
  BackoffOptions pauses;
  pauses.longest = absl::Seconds(2);
  Backoff backoff(RandomKey(hello_.rank()).With("session").With(hello_.address()), pauses);
  std::unique_lock lock(mu_);
  while (!closing_) {
    broken_ = heard_ = false;
    lock.unlock();
    auto stream = std::make_unique<Stream>(
        [this](grpc::ClientContext* context, Stream::Reactor* reactor) {
          stub_->async()->Learn(context, reactor);
        },
        Stream::Handlers{
            [this](v1::CoordinatorToLearner message) { OnMessage(std::move(message)); },
            [this](const absl::Status& status) {
              std::lock_guard done_lock(mu_);
              if (!closing_)
                spdlog::warn("the stream to the coordinator ended: {}", status.ToString());
              broken_ = true;
              changed_.notify_all();
            }});
    lock.lock();
    stream_ = std::move(stream);
    v1::LearnerMessage hello;
    *hello.mutable_hello() = hello_;
    SendLocked(hello);
    SendHeldLocked();
    absl::Time next_beat = absl::Now();
    while (!closing_ && !broken_) {
      if (absl::Now() >= next_beat) {
        lock.unlock();
        v1::LearnerMessage beat;
        *beat.mutable_heartbeat() = handlers_.heartbeat();
        lock.lock();
        SendLocked(beat);
        next_beat = absl::Now() + lease_ / 3;
      }
      changed_.wait_until(lock, absl::ToChronoTime(next_beat), [&] { return closing_ || broken_; });
    }
    std::unique_ptr<Stream> old = std::move(stream_);
    if (heard_) backoff.Reset();
    const bool closing = closing_;
    lock.unlock();
    if (closing) {
      old->Finish();
      old->WaitDone(absl::Milliseconds(500));
    }
    old.reset();  // waits for its handlers, which take the lock
    lock.lock();
    const absl::Time again = absl::Now() + backoff.Next();
    changed_.wait_until(lock, absl::ToChronoTime(again), [&] { return closing_; });
  }
}

void Session::OnMessage(v1::CoordinatorToLearner message) {
  {
    std::lock_guard lock(mu_);
    heard_ = true;
    if (message.has_update_ack()) {
      const v1::UpdateAck& ack = message.update_ack();
      if (ack.job_id() == job_id_ && ack.arm() == arm_) unacknowledged_.erase(ack.update());
      changed_.notify_all();
      return;
    }
    failed_.reset();
  }
  if (message.has_train()) {
    SetLease(absl::Milliseconds(message.train().lease_ms()));
    handlers_.train(std::move(*message.mutable_train()));
  } else if (message.has_save()) {
    handlers_.save(std::move(*message.mutable_save()));
  } else if (message.has_stop()) {
    handlers_.stop(std::move(*message.mutable_stop()));
  }
}

void Session::SendLocked(const v1::LearnerMessage& message) {
  if (stream_ == nullptr || broken_) return;
  const absl::Status status = stream_->Write(message);
  if (status.ok()) return;
  spdlog::warn("cannot send to the coordinator: {}", status.ToString());
  stream_->Cancel();  // what is held is sent again over the next one
}

void Session::SendHeldLocked() {
  for (const auto& [update, report] : unacknowledged_) {
    v1::LearnerMessage message;
    *message.mutable_update() = report;
    SendLocked(message);
  }
  if (failed_) {
    v1::LearnerMessage message;
    *message.mutable_failed() = *failed_;
    SendLocked(message);
  }
}

void Session::StartArm(const std::string& job_id, uint32_t arm,
                       const std::vector<v1::RankUpdate>& unacknowledged) {
  std::lock_guard lock(mu_);
  if (job_id != job_id_ || arm != arm_) unacknowledged_.clear();
  job_id_ = job_id;
  arm_ = arm;
  for (const v1::RankUpdate& update : unacknowledged) {
    if (!unacknowledged_.emplace(update.update(), update).second) continue;
    v1::LearnerMessage message;
    *message.mutable_update() = update;
    SendLocked(message);
  }
}

void Session::Report(const v1::RankUpdate& update) {
  v1::LearnerMessage message;
  *message.mutable_update() = update;
  std::lock_guard lock(mu_);
  unacknowledged_[update.update()] = update;
  SendLocked(message);
}

std::vector<v1::RankUpdate> Session::Unacknowledged() const {
  std::lock_guard lock(mu_);
  std::vector<v1::RankUpdate> updates;
  for (const auto& [number, update] : unacknowledged_) updates.push_back(update);
  return updates;
}

bool Session::WaitAcknowledged(absl::Duration timeout) {
  std::unique_lock lock(mu_);
  return changed_.wait_for(lock, absl::ToChronoMilliseconds(timeout),
                           [&] { return unacknowledged_.empty(); });
}

void Session::Ready(const v1::LearnerReady& ready) {
  v1::LearnerMessage message;
  *message.mutable_ready() = ready;
  std::lock_guard lock(mu_);
  SendLocked(message);
}

void Session::Saved(const v1::CheckpointSaved& saved) {
  v1::LearnerMessage message;
  *message.mutable_checkpoint() = saved;
  std::lock_guard lock(mu_);
  SendLocked(message);
}

void Session::Failed(const v1::LearnerFailed& failed) {
  v1::LearnerMessage message;
  *message.mutable_failed() = failed;
  std::lock_guard lock(mu_);
  failed_ = failed;
  SendLocked(message);
}

void Session::SetLease(absl::Duration lease) {
  std::lock_guard lock(mu_);
  if (lease > absl::ZeroDuration()) lease_ = lease;
}

void Session::Reconnect(const std::string& why) {
  spdlog::info("coming to the coordinator anew: {}", why);
  std::lock_guard lock(mu_);
  if (stream_) stream_->Cancel();
}

}  // namespace sojourn::learner
