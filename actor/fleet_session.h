// An actor's stream to the coordinator: hello, heartbeats, and coming back after a break.
#ifndef SOJOURN_ACTOR_FLEET_SESSION_H_
#define SOJOURN_ACTOR_FLEET_SESSION_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/bidi_stream.h"
#include "common/retry.h"
#include "sojourn/v1/fleet.grpc.pb.h"

namespace sojourn::actor {

// Thread-safe. Its thread beats at a quarter of the lease and opens streams.
class FleetSession {
 public:
  struct Handlers {
    std::function<v1::ActorHello()> hello;  // on the session's thread, for each stream
    std::function<void(v1::CoordinatorToActor)> message;  // on gRPC's threads; must not block
    std::function<v1::Heartbeat()> heartbeat;             // on the session's thread
  };
  FleetSession(const std::string& coordinator, RandomKey jitter, Handlers handlers);
  ~FleetSession();  // ends the stream

  // Unavailable when there is no stream, or it is not welcomed yet: what must not be lost is sent
  // again after the next welcome.
  absl::Status Send(v1::ActorMessage message);

  // Leaves and joins again: the next hello says what is still held, the rest goes to others.
  void Reconnect();

  // Why there is no welcomed stream at present, and since when; empty: there is one.
  std::pair<std::string, absl::Duration> waiting_for() const;

 private:
  using Client = BidiClient<v1::ActorMessage, v1::CoordinatorToActor>;

  void Run();
  void OnMessage(v1::CoordinatorToActor message);

  const std::string coordinator_;
  const Handlers handlers_;
  std::unique_ptr<v1::FleetService::Stub> stub_;

  mutable std::mutex mu_;  // guards what follows
  std::condition_variable changed_;
  bool stopping_ = false, ended_ = false, welcomed_ = false, reconnect_ = false;
  std::shared_ptr<Client> stream_;
  std::string trouble_;
  absl::Time trouble_since_;
  absl::Duration beat_ = absl::Seconds(1);
  Backoff backoff_;
  std::thread thread_;
};

}  // namespace sojourn::actor

#endif  // SOJOURN_ACTOR_FLEET_SESSION_H_
