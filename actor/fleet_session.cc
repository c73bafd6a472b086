#include "actor/fleet_session.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/logging.h"
#include "common/rpc.h"

namespace sojourn::actor {
namespace {

constexpr absl::Duration kWelcomeTimeout = absl::Seconds(10);

}  // namespace

FleetSession::FleetSession(const std::string& coordinator, RandomKey jitter, Handlers handlers)
    : coordinator_(coordinator),
      handlers_(std::move(handlers)),
      stub_(v1::FleetService::NewStub(MakeChannel(coordinator))),
      trouble_("has not been reached yet"),
      trouble_since_(absl::Now()),
      backoff_(jitter, {absl::Milliseconds(100), absl::Seconds(2), 2}),
      thread_([this] { Run(); }) {}

FleetSession::~FleetSession() {
  {
    std::lock_guard lock(mu_);
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

absl::Status FleetSession::Send(v1::ActorMessage message) {
  std::shared_ptr<Client> stream;
  {
    std::lock_guard lock(mu_);
    if (welcomed_) stream = stream_;
  }
  if (stream == nullptr) return absl::UnavailableError("no stream to the coordinator");
  return stream->Write(std::move(message));
}

void FleetSession::Reconnect() {
  std::lock_guard lock(mu_);
  if (!welcomed_) return;
  reconnect_ = true;
  changed_.notify_all();
}

std::pair<std::string, absl::Duration> FleetSession::waiting_for() const {
  std::lock_guard lock(mu_);
  if (welcomed_) return {"", absl::ZeroDuration()};
  return {absl::StrCat("coordinator ", coordinator_, ", which ", trouble_),
          absl::Now() - trouble_since_};
}

void FleetSession::OnMessage(v1::CoordinatorToActor message) {
  if (message.has_welcome()) {
    std::lock_guard lock(mu_);
    welcomed_ = true;
    trouble_ = "broke the stream";
    backoff_.Reset();
    if (message.welcome().lease_ms() > 0)
      beat_ = absl::Milliseconds(std::max(1u, message.welcome().lease_ms() / 4));
    changed_.notify_all();
  }
  handlers_.message(std::move(message));
}

void FleetSession::Run() {
  std::unique_lock lock(mu_);
  const auto wait = [&](absl::Duration time, auto until) {
    return changed_.wait_for(lock, absl::ToChronoMilliseconds(time), until);
  };
  std::string logged;  // one line for the same trouble again and again
  while (!stopping_) {
    ended_ = false;
    lock.unlock();
    Client::Handlers handlers;
    handlers.on_read = [this](v1::CoordinatorToActor message) { OnMessage(std::move(message)); };
    handlers.on_done = [this](const absl::Status& status) {
      std::lock_guard done_lock(mu_);
      if (welcomed_) trouble_since_ = absl::Now();
      if (!absl::IsCancelled(status))
        trouble_ = status.ok() ? "closed the stream" : "broke the stream: " + status.ToString();
      welcomed_ = false;
      ended_ = true;
      changed_.notify_all();
    };
    auto stream = std::make_shared<Client>(
        [this](grpc::ClientContext* context, Client::Reactor* reactor) {
          stub_->async()->Act(context, reactor);
        },
        std::move(handlers), BidiOptions{.max_queued = 1 << 16});
    v1::ActorMessage hello;
    *hello.mutable_hello() = handlers_.hello();
    lock.lock();
    stream_ = stream;  // before hello: the welcome may come at once
    lock.unlock();
    (void)stream->Write(std::move(hello));  // a stream that is over says so in on_done
    lock.lock();

    if (!wait(kWelcomeTimeout, [&] { return stopping_ || ended_ || welcomed_; })) {
      trouble_ =
          absl::StrCat("did not answer hello within ", absl::FormatDuration(kWelcomeTimeout));
    } else if (welcomed_) {
      logged.clear();
      spdlog::info("joined the fleet of coordinator {}", coordinator_);
      while (!wait(beat_, [&] { return stopping_ || ended_ || reconnect_; })) {
        lock.unlock();
        v1::ActorMessage beat;
        *beat.mutable_heartbeat() = handlers_.heartbeat();
        (void)stream->Write(std::move(beat));
        lock.lock();
      }
    }
    const bool stopping = stopping_;
    if (reconnect_) trouble_ = "was left to join anew";
    reconnect_ = false;
    stream_ = nullptr;
    lock.unlock();
    if (stopping) {  // what is queued is written first
      stream->Finish();
      stream->WaitDone(absl::Seconds(1));
    }
    stream->Cancel();
    stream->WaitDone(absl::InfiniteDuration());  // a cancelled call always ends
    stream.reset();
    lock.lock();
    welcomed_ = false;
    if (stopping_) return;
    if (trouble_ != logged) spdlog::warn("coordinator {} {}; trying again", coordinator_, trouble_);
    logged = trouble_;
    wait(backoff_.Next(), [&] { return stopping_; });
  }
}

}  // namespace sojourn::actor
