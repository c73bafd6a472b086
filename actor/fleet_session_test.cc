#include "actor/fleet_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/rpc.h"

namespace sojourn::actor {
namespace {

using ::testing::HasSubstr;

using Server = BidiServer<v1::ActorMessage, v1::CoordinatorToActor>;

class FakeCoordinator : public v1::FleetService::CallbackService {
 public:
  grpc::ServerBidiReactor<v1::ActorMessage, v1::CoordinatorToActor>* Act(
      grpc::CallbackServerContext* context) override {
    return Server::Accept(context, [this](std::shared_ptr<Server> stream) {
      Server::Handlers handlers;
      handlers.on_read = [this, stream](v1::ActorMessage message) {
        std::lock_guard lock(mu);
        if (message.has_hello()) {
          ++hellos;
          last = stream;
          v1::CoordinatorToActor welcome;
          welcome.mutable_welcome()->set_lease_ms(20);
          if (answer_hello) (void)stream->Write(welcome);
        }
        beats += message.has_heartbeat();
        credits += message.credits();
        changed.notify_all();
      };
      return handlers;
    });
  }
  bool Wait(const std::function<bool()>& condition) {
    std::unique_lock lock(mu);
    return changed.wait_for(lock, std::chrono::seconds(60), condition);
  }

  std::mutex mu;
  std::condition_variable changed;
  std::shared_ptr<Server> last;
  int hellos = 0, beats = 0;
  uint32_t credits = 0;
  bool answer_hello = true;
};

class FleetSessionTest : public ::testing::Test {
 protected:
  FleetSessionTest() : server_(*RpcServer::Start({&coordinator_}, "127.0.0.1:0")) {}
  ~FleetSessionTest() override { server_->Shutdown(absl::ZeroDuration()); }

  std::unique_ptr<FleetSession> Join() {
    FleetSession::Handlers handlers;
    handlers.hello = [] {
      v1::ActorHello hello;
      hello.set_actor("actor-0");
      return hello;
    };
    handlers.heartbeat = [] { return v1::Heartbeat(); };
    handlers.message = [](v1::CoordinatorToActor) {};
    return std::make_unique<FleetSession>(absl::StrCat("127.0.0.1:", server_->port()), RandomKey(1),
                                          std::move(handlers));
  }

  FakeCoordinator coordinator_;
  std::unique_ptr<RpcServer> server_;
};

TEST_F(FleetSessionTest, SaysHelloAndBeats) {
  const auto session = Join();
  EXPECT_TRUE(
      coordinator_.Wait([&] { return coordinator_.hellos == 1 && coordinator_.beats >= 3; }));
  EXPECT_EQ(session->waiting_for().first, "");
  v1::ActorMessage message;
  message.set_credits(5);
  EXPECT_TRUE(session->Send(message).ok());
  EXPECT_TRUE(coordinator_.Wait([&] { return coordinator_.credits == 5; }));
}

TEST_F(FleetSessionTest, ComesBackAfterABreak) {
  const auto session = Join();
  ASSERT_TRUE(coordinator_.Wait([&] { return coordinator_.beats >= 1; }));
  coordinator_.last->Finish(absl::UnavailableError("restarting"));
  EXPECT_TRUE(coordinator_.Wait([&] { return coordinator_.hellos == 2; }));
  coordinator_.last->Cancel();
  EXPECT_TRUE(coordinator_.Wait([&] { return coordinator_.hellos == 3; }));
}

TEST_F(FleetSessionTest, ReconnectsWhenAsked) {
  const auto session = Join();
  ASSERT_TRUE(coordinator_.Wait([&] { return coordinator_.beats >= 1; }));
  session->Reconnect();
  EXPECT_TRUE(coordinator_.Wait([&] { return coordinator_.hellos == 2; }));
}

TEST_F(FleetSessionTest, WithoutAWelcomeItSaysWhomItWaitsFor) {
  coordinator_.answer_hello = false;
  const auto session = Join();
  ASSERT_TRUE(coordinator_.Wait([&] { return coordinator_.hellos == 1; }));
  EXPECT_THAT(session->waiting_for().first, HasSubstr("coordinator 127.0.0.1:"));
  EXPECT_TRUE(absl::IsUnavailable(session->Send({})));
}

TEST_F(FleetSessionTest, EndsAtOnceWithoutACoordinator) {
  server_->Shutdown(absl::ZeroDuration());
  const auto session = Join();
  EXPECT_TRUE(absl::IsUnavailable(session->Send({})));
}

}  // namespace
}  // namespace sojourn::actor
