#include "envs/remote/remote.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/write.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/bidi_stream.h"
#include "common/metrics.h"
#include "common/rpc.h"
#include "envs/beast.h"
#include "envs/remote/replies.h"
#include "envs/remote/wild_server.h"
#include "envs/serve/doors.h"
#include "sojourn/v1/environment.grpc.pb.h"

namespace sojourn::envs {
namespace {

using remote::WildServer;
using ::testing::HasSubstr;

std::unique_ptr<Environment> Remote(Options options) {
  options.try_emplace("train", "0-99");
  auto environment = Make("remote", options);
  EXPECT_TRUE(environment.ok()) << environment.status();
  return *std::move(environment);
}

// ---- our own servers -----------------------------------------------------------------------------

class OwnServersTest : public ::testing::Test {
 protected:
  OwnServersTest() {
    auto doors = serve::Doors::Create(
        {.options = {{"searchqa", Small("searchqa")}}, .max_instances = 8}, metrics_);
    EXPECT_TRUE(doors.ok()) << doors.status();
    doors_ = *std::move(doors);
    auto web = serve::WebServer::Start(*doors_, "127.0.0.1:0", {}, metrics_);
    EXPECT_TRUE(web.ok()) << web.status();
    web_ = *std::move(web);
    auto rpc = RpcServer::Start({&doors_->service()}, "127.0.0.1:0");
    EXPECT_TRUE(rpc.ok()) << rpc.status();
    rpc_ = *std::move(rpc);
  }

  static Options Small(const std::string& name) {
    return name == "searchqa" ? Options{{"passages", "200"}} : Options();
  }

  std::string Http(std::string_view path) const {
    return absl::StrCat("http://127.0.0.1:", web_->port(), path);
  }
  std::string Grpc() const { return absl::StrCat("http://127.0.0.1:", rpc_->port()); }

  // The native expert's actions, and one that is none, give the same turns in both. `exact`: the
  // contract tells invalid actions and progress too.
  static void PlaysAlike(const Environment& away, const TaskId& task, const std::string& name,
                         const TaskId& native_task, bool exact) {
    const auto native_environment = Make(name, Small(name));
    ASSERT_TRUE(native_environment.ok());
    const auto home = (*native_environment)->NewInstance(), far = away.NewInstance();
    auto mine = home->Reset(native_task), its = far->Reset(task);
    ASSERT_TRUE(mine.ok()) << mine.status();
    for (int turn = 0; turn < 20; ++turn) {
      ASSERT_TRUE(its.ok()) << its.status();
      EXPECT_EQ(mine->observation, its->observation);
      EXPECT_DOUBLE_EQ(mine->reward, its->reward);
      EXPECT_EQ(mine->done, its->done);
      EXPECT_EQ(mine->success, its->success);
      EXPECT_EQ(mine->progress, its->progress);
      if (exact) {
        EXPECT_EQ(mine->invalid_action, its->invalid_action);
      }
      if (mine->done) return;
      if (exact) {
        EXPECT_EQ(home->ValidActions(), far->ValidActions());
      }
      std::string action = "no such action";
      if (turn != 0) {
        const auto advice = home->Expert();
        ASSERT_TRUE(advice.ok()) << advice.status();
        action = advice->action;
      }
      mine = home->Step(action);
      its = far->Step(action);
      ASSERT_TRUE(mine.ok()) << mine.status();
    }
    FAIL() << "the expert does not come to an end";
  }

  Metrics metrics_;
  std::unique_ptr<serve::Doors> doors_;
  std::unique_ptr<serve::WebServer> web_;
  std::unique_ptr<RpcServer> rpc_;
};

TEST_F(OwnServersTest, AgentGymsContractGivesTheNativeEpisode) {
  // BabyAI's data_idx counts levels first: seed 3 of level 1 is 120. Native: train index 3.
  const auto babyai = Remote({{"contract", "agentgym"},
                              {"kind", "babyai"},
                              {"url", Http("/babyai")},
                              {"train", "0-1799/40"}});
  PlaysAlike(*babyai, {Split::kTrain, 1, 3}, "babyai", {Split::kTrain, 1, 3}, false);
  const auto searchqa =
      Remote({{"contract", "agentgym"}, {"kind", "searchqa"}, {"url", Http("/searchqa/")}});
  PlaysAlike(*searchqa, {Split::kTrain, 1, 5}, "searchqa", {Split::kTest, 1, 5}, false);
  EXPECT_EQ(searchqa->spec().instructions, (*FindSpec("searchqa"))->instructions);
}

TEST_F(OwnServersTest, OpenEnvsContractGivesTheNativeEpisode) {
  for (const char* name : {"babyai", "textcraft"}) {
    const auto away =
        Remote({{"contract", "openenv"}, {"url", Http(absl::StrCat("/openenv/", name))},
                {"train", "2:0-99"}});
    PlaysAlike(*away, {Split::kTrain, 2, 7}, name, {Split::kTrain, 2, 7}, true);
  }
}

TEST_F(OwnServersTest, AWebSocketThatEndedBetweenEpisodesIsOpenedAgain) {
  const auto away = Remote({{"contract", "openenv"}, {"url", Http("/openenv/textcraft")}});
  const auto instance = away->NewInstance();
  ASSERT_TRUE(instance->Reset({Split::kTrain, 1, 1}).ok());
  const int port = web_->port();
  web_.reset();
  auto web = serve::WebServer::Start(*doors_, absl::StrCat("127.0.0.1:", port), {}, metrics_);
  ASSERT_TRUE(web.ok()) << web.status();
  web_ = *std::move(web);
  const auto turn = instance->Reset({Split::kTrain, 1, 2});
  EXPECT_TRUE(turn.ok()) << turn.status();
}

TEST_F(OwnServersTest, AServerMayBeNamed) {
  const std::string url = absl::StrCat("http://localhost:", web_->port(), "/openenv/textcraft");
  const auto away = Remote({{"contract", "openenv"}, {"url", url}});
  const auto turn = away->NewInstance()->Reset({Split::kTrain, 1, 1});
  EXPECT_TRUE(turn.ok()) << turn.status();
}

TEST_F(OwnServersTest, GrpcGivesTheNativeEpisode) {
  for (const char* name : {"babyai", "textcraft", "searchqa"}) {
    const auto away = Remote(
        {{"contract", "grpc"}, {"kind", name}, {"url", Grpc()}, {"test", "2:0-50"}});
    PlaysAlike(*away, {Split::kTest, 2, 4}, name, {Split::kTest, 2, 4}, true);
  }
}

TEST_F(OwnServersTest, ManySeatsPlayAtOnceAndThereAreNoMoreThanAllowed) {
  const auto away = Remote({{"contract", "grpc"}, {"kind", "textcraft"}, {"url", Grpc()}});
  std::vector<std::unique_ptr<Instance>> instances;
  for (int i = 0; i < 8; ++i) instances.push_back(away->NewInstance());
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 20; ++round) {
        EXPECT_TRUE(instances[i]->Reset({Split::kTrain, 1, i}).ok());
        EXPECT_TRUE(instances[i]->Step("inventory").ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto refused = away->NewInstance()->Reset({Split::kTrain, 1, 0});
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status())) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("all 8 instances are taken"));
  EXPECT_THAT(metrics_.Text(), HasSubstr("sojourn_envs_instances 8"));
}

TEST_F(OwnServersTest, ATaskThatTheServerDoesNotHaveIsRefused) {
  const auto away = Remote({{"contract", "grpc"}, {"kind", "textcraft"}, {"url", Grpc()},
                            {"train", "9:0-3"}});
  const auto refused = away->NewInstance()->Reset({Split::kTrain, 9, 0});
  EXPECT_TRUE(absl::IsAborted(refused.status())) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("the server says"));
}

// ---- servers that do not do their duty -----------------------------------------------------------

// Create and reset are answered well, `step` as given.
WildServer::Answer StepAnswers(std::string step) {
  return [step = std::move(step)](const std::string& request) {
    if (absl::StrContains(request, "/create")) return WildServer::Http("{\"id\":0}");
    if (absl::StrContains(request, "/close")) return WildServer::Http("true");
    if (absl::StrContains(request, "/reset")) {
      return WildServer::Http("{\"id\":0,\"observation\":\"Goal\",\"done\":false,\"reward\":0}");
    }
    return step;
  };
}

absl::StatusOr<Turn> FirstStep(const std::string& answer) {
  WildServer server(StepAnswers(answer));
  const auto environment = Remote({{"contract", "agentgym"},
                                   {"kind", "textcraft"},
                                   {"url", server.url()},
                                   {"timeout_seconds", "1"},
                                   {"max_bytes", "5000"}});
  const auto instance = environment->NewInstance();
  const auto first = instance->Reset({Split::kTrain, 1, 0});
  EXPECT_TRUE(first.ok()) << first.status();
  return instance->Step("inventory");
}

TEST(WildServersTest, EveryMisbehaviourHasItsName) {
  using absl::StatusCode;
  const std::string huge = absl::StrCat("{\"observation\":\"", std::string(6000, 'x'), "\"}");
  const std::tuple<std::string, StatusCode, const char*> cases[] = {
      {"", StatusCode::kUnavailable, "answering"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", StatusCode::kDeadlineExceeded, "in time"},
      {"SSH-2.0-nothing\r\n\r\n", StatusCode::kDataLoss, "answering"},
      {WildServer::Http("<html>"), StatusCode::kDataLoss, "not JSON"},
      {WildServer::Http("\xff\xfe"), StatusCode::kDataLoss, "not JSON"},
      {WildServer::Http("[]"), StatusCode::kDataLoss, "an object"},
      {WildServer::Http("{\"observation\":7,\"reward\":0,\"done\":false}"), StatusCode::kDataLoss,
       "observation: expected a text"},
      {WildServer::Http("{\"observation\":\"a\",\"reward\":NaN,\"done\":false}"),
       StatusCode::kDataLoss, "not JSON"},
      {WildServer::Http("{\"observation\":\"a\",\"reward\":1e300,\"done\":false}"),
       StatusCode::kDataLoss, "reward"},
      {WildServer::Http("{\"observation\":\"a\",\"reward\":\"1\",\"done\":false}"),
       StatusCode::kDataLoss, "reward: expected a number"},
      {WildServer::Http("{\"observation\":\"a\",\"reward\":1,\"done\":\"no\"}"),
       StatusCode::kDataLoss, "done: expected true or false"},
      {WildServer::Http("{\"error\":\"The id 0 is not valid.\"}"), StatusCode::kAborted,
       "The id 0 is not valid."},
      {WildServer::Http("no", "500 Internal Server Error"), StatusCode::kAborted, "status 500"},
      {WildServer::Http("", "307 Temporary Redirect"), StatusCode::kAborted,
       "redirects are not followed"},
      {WildServer::Http("no", "503 Service Unavailable"), StatusCode::kUnavailable, "status 503"},
      {WildServer::Http(huge), StatusCode::kResourceExhausted, "max_bytes"},
  };
  for (const auto& [answer, code, words] : cases) {
    const absl::Time start = absl::Now();
    const auto turn = FirstStep(answer);
    EXPECT_EQ(turn.status().code(), code) << answer.substr(0, 100) << "\n" << turn.status();
    EXPECT_THAT(std::string(turn.status().message()), HasSubstr(words)) << answer.substr(0, 100);
    EXPECT_LT(absl::Now() - start, absl::Seconds(3)) << answer.substr(0, 100);
  }
}

TEST(WildServersTest, AnswersThatAreNestedWithoutEndAreRefused) {
  const std::string deep = std::string(300000, '[') + std::string(300000, ']');
  for (const char* member : {"id", "observation", "error", "done"}) {
    const std::string body = absl::StrCat("{\"", member, "\":", deep, "}");
    for (const remote::AgentGymForm& form : remote::AgentGymForms()) {
      EXPECT_TRUE(absl::IsDataLoss(ParseAgentGymId(form, body).status()));
      EXPECT_TRUE(absl::IsDataLoss(ParseAgentGymReset(form, body).status()));
      EXPECT_TRUE(absl::IsDataLoss(ParseAgentGymStep(form, body).status()));
    }
    const std::string message = absl::StrCat("{\"type\":\"observation\",\"data\":", body, "}");
    EXPECT_TRUE(absl::IsDataLoss(remote::ParseOpenEnv("text", message).status()));
  }
  const auto reply =
      ParseAgentGymStep(*remote::FindAgentGymForm("babyai"),
                        absl::StrCat("{\"observation\":\"\\nAvailable actions: ", deep,
                                     "\",\"reward\":0,\"done\":false}"));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_TRUE(reply->valid_actions.empty());
}

TEST(WildServersTest, NobodyWaitsLongToTakeLeaveOfASilentServer) {
  WildServer server([](const std::string& request) -> std::string {
    if (absl::StrContains(request, "/create")) return WildServer::Http("{\"id\":0}");
    if (absl::StrContains(request, "/close")) return std::string(WildServer::kSilence);
    return WildServer::Http("{\"observation\":\"Goal\",\"done\":false}");
  });
  const auto environment =
      Remote({{"contract", "agentgym"}, {"kind", "textcraft"}, {"url", server.url()}});
  std::vector<std::unique_ptr<Instance>> instances;
  for (int i = 0; i < 20; ++i) {
    instances.push_back(environment->NewInstance());
    ASSERT_TRUE(instances.back()->Reset({Split::kTrain, 1, i}).ok());
  }
  const absl::Time start = absl::Now();
  instances.clear();
  EXPECT_LT(absl::Now() - start, absl::Seconds(3));
}

// Takes a WebSocket, reads a message, answers with these bytes, and keeps the connection.
class HoldingServer {
 public:
  explicit HoldingServer(std::string bytes)
      : bytes_(std::move(bytes)), serving_([this] { Serve(); }) {}
  ~HoldingServer() {
    over_.set_value();
    serving_.join();
  }
  std::string url() { return absl::StrCat("http://127.0.0.1:", acceptor_.local_endpoint().port()); }

 private:
  void Serve() {
    websocket::stream<tcp::socket> stream(acceptor_.accept());
    beast::flat_buffer buffer;
    error_code error;
    stream.accept(error);
    stream.read(buffer, error);
    asio::write(stream.next_layer(), asio::buffer(bytes_), error);
    over_.get_future().wait();
  }

  const std::string bytes_;
  asio::io_context io_;
  tcp::acceptor acceptor_{io_, {asio::ip::make_address("127.0.0.1"), 0}};
  std::promise<void> over_;
  std::thread serving_;
};

TEST(WildServersTest, AWebSocketThatFailsIsNotWaitedFor) {
  using absl::StatusCode;
  const std::tuple<std::string, StatusCode, const char*> cases[] = {
      {std::string("\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xffx"), StatusCode::kResourceExhausted,
       "max_bytes"},
      {std::string("\x81\x02\xff\xfe"), StatusCode::kDataLoss, "answering"},
      {std::string("\x81\x81mask!"), StatusCode::kDataLoss, "answering"},
      {std::string("\x88\x02\x03\xe8"), StatusCode::kUnavailable, "closed"},
  };
  for (const auto& [bytes, code, words] : cases) {
    HoldingServer server(bytes);
    const auto environment = Remote({{"contract", "openenv"}, {"url", server.url()}});
    const absl::Time start = absl::Now();
    const auto turn = environment->NewInstance()->Reset({Split::kTrain, 1, 0});
    EXPECT_EQ(turn.status().code(), code) << turn.status();
    EXPECT_THAT(std::string(turn.status().message()), HasSubstr(words));
    EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  }
}

// A server over gRPC that writes `answers` for every request that is a reset or a step, and none
// for valid_actions before the request after it.
class WildService : public v1::EnvironmentService::CallbackService {
 public:
  explicit WildService(int answers) : answers_(answers) {}
  grpc::ServerBidiReactor<v1::EnvironmentRequest, v1::EnvironmentResponse>* Play(
      grpc::CallbackServerContext* context) override {
    using Stream = BidiServer<v1::EnvironmentRequest, v1::EnvironmentResponse>;
    return Stream::Accept(context, [this](std::shared_ptr<Stream> stream) {
      Stream::Handlers handlers;
      handlers.on_read = [this, stream, late = 0](v1::EnvironmentRequest request) mutable {
        if (request.has_valid_actions()) {
          ++late;
          return;
        }
        for (int i = std::exchange(late, 0); i > 0; --i) (void)stream->Write({});
        v1::EnvironmentResponse response;
        response.set_observation("here");
        for (int i = 0; i < answers_; ++i) (void)stream->Write(response);
      };
      return handlers;
    });
  }

 private:
  const int answers_;
};

TEST(WildServersTest, AStreamThatTellsMoreThanItWasAskedIsGivenUp) {
  WildService service(1000);
  auto rpc = RpcServer::Start({&service}, "127.0.0.1:0");
  ASSERT_TRUE(rpc.ok()) << rpc.status();
  const auto environment = Remote({{"contract", "grpc"},
                                   {"kind", "textcraft"},
                                   {"url", absl::StrCat("http://127.0.0.1:", (*rpc)->port())}});
  const auto instance = environment->NewInstance();
  absl::StatusOr<Turn> turn = instance->Reset({Split::kTrain, 1, 0});
  for (int i = 0; i < 1000 && turn.ok(); ++i) turn = instance->Step("inventory");
  EXPECT_TRUE(absl::IsDataLoss(turn.status())) << turn.status();
  EXPECT_THAT(std::string(turn.status().message()), HasSubstr("answers what it was not asked"));
}

TEST(WildServersTest, AnAnswerThatComesTooLateIsNotTakenForTheNextOne) {
  WildService service(1);
  auto rpc = RpcServer::Start({&service}, "127.0.0.1:0");
  ASSERT_TRUE(rpc.ok()) << rpc.status();
  const auto environment = Remote({{"contract", "grpc"},
                                   {"kind", "textcraft"},
                                   {"timeout_seconds", "1"},
                                   {"url", absl::StrCat("http://127.0.0.1:", (*rpc)->port())}});
  const auto instance = environment->NewInstance();
  ASSERT_TRUE(instance->Reset({Split::kTrain, 1, 0}).ok());
  EXPECT_TRUE(instance->ValidActions().empty());
  const auto turn = instance->Step("inventory");
  EXPECT_TRUE(absl::IsUnavailable(turn.status())) << turn.status();
  const auto again = instance->Reset({Split::kTrain, 1, 0});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->observation, "here");
}

TEST(WildServersTest, AServerThatIsNotThereIsUnavailable) {
  std::string url;
  {
    WildServer gone([](const std::string&) { return ""; });
    url = gone.url();
  }
  for (const char* contract : {"agentgym", "openenv", "grpc"}) {
    const auto environment = Remote({{"contract", contract}, {"kind", "textcraft"}, {"url", url}});
    const auto turn = environment->NewInstance()->Reset({Split::kTrain, 1, 0});
    EXPECT_TRUE(absl::IsUnavailable(turn.status())) << contract << ": " << turn.status();
    EXPECT_THAT(std::string(turn.status().message()), HasSubstr(contract));
  }
}

TEST(WildServersTest, SilenceEndsAtTheDeadlineAndCancelEndsItSooner) {
  WildServer server([](const std::string&) { return std::string(WildServer::kSilence); });
  for (const char* contract : {"agentgym", "openenv", "grpc"}) {
    const auto environment = Remote({{"contract", contract}, {"kind", "textcraft"},
                                     {"url", server.url()}, {"timeout_seconds", "1"}});
    const absl::Time start = absl::Now();
    const auto turn = environment->NewInstance()->Reset({Split::kTrain, 1, 0});
    EXPECT_TRUE(absl::IsDeadlineExceeded(turn.status())) << contract << ": " << turn.status();
    EXPECT_LT(absl::Now() - start, absl::Seconds(3)) << contract;
  }
  const auto environment = Remote(
      {{"contract", "agentgym"}, {"kind", "textcraft"}, {"url", server.url()}});
  const auto instance = environment->NewInstance();
  const absl::Time start = absl::Now();
  std::thread other([&] { instance->Cancel(); });
  EXPECT_TRUE(absl::IsCancelled(instance->Reset({Split::kTrain, 1, 0}).status()));
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
  other.join();
}

TEST(WildServersTest, AfterAFailureResetTakesANewSeat) {
  int creates = 0, steps = 0;
  WildServer server([&](const std::string& request) {
    if (absl::StrContains(request, "/create")) return WildServer::Http(absl::StrCat(creates++));
    if (absl::StrContains(request, "/step")) {
      return steps++ == 0 ? std::string()
                          : WildServer::Http(
                                "{\"observation\":\"b\",\"reward\":1,\"done\":true,\"info\":null}");
    }
    return WildServer::Http("\"question\"");
  });
  const auto environment =
      Remote({{"contract", "agentgym"}, {"kind", "searchqa"}, {"url", server.url()}});
  const auto instance = environment->NewInstance();
  ASSERT_TRUE(instance->Reset({Split::kTrain, 1, 0}).ok());
  EXPECT_TRUE(absl::IsUnavailable(instance->Step("x").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(instance->Step("x").status()));
  ASSERT_TRUE(instance->Reset({Split::kTrain, 1, 0}).ok());
  const auto turn = instance->Step("x");
  ASSERT_TRUE(turn.ok()) << turn.status();
  EXPECT_TRUE(turn->success);
  EXPECT_EQ(creates, 2);
}

// ---- options -------------------------------------------------------------------------------------

TEST(RemoteTest, ImpossibleOptionsAreNamed) {
  const std::pair<Options, const char*> cases[] = {
      {{}, "contract: \"\"; expected agentgym, openenv or grpc"},
      {{{"contract", "agentgym"}, {"kind", "chess"}}, "kind: \"chess\""},
      {{{"contract", "openenv"}}, "url: expected http://HOST:PORT, or a command"},
      {{{"contract", "openenv"}, {"url", "https://a"}}, "TLS needs a proxy"},
      {{{"contract", "openenv"}, {"url", "wss://a"}}, "TLS needs a proxy"},
      {{{"contract", "openenv"}, {"url", "http://a"}}, "train: no tasks"},
      {{{"contract", "openenv"}, {"url", "http://a"}, {"train", "5-1"}}, "before the first"},
      {{{"contract", "openenv"}, {"url", "http://a"}, {"train", "1"}, {"max_retries", "x"}},
       "max_retries: \"x\""},
      {{{"contract", "openenv"}, {"command", "server"}, {"train", "1"}}, "{port}"},
      {{{"contrct", "openenv"}}, "contract"},
  };
  for (const auto& [options, words] : cases) {
    const auto made = Make("remote", options);
    EXPECT_TRUE(absl::IsInvalidArgument(made.status())) << words;
    EXPECT_THAT(std::string(made.status().message()), HasSubstr(words));
  }
}

TEST(RemoteTest, TasksAreTheServersNumbers) {
  const auto environment = Remote({{"contract", "openenv"},
                                   {"url", "http://127.0.0.1:1"},
                                   {"train", "0-9, 20, 2:3-100/40"},
                                   {"test", "3:1-2"}});
  EXPECT_EQ(*environment->TaskCount(Split::kTrain, 1), 11);
  EXPECT_EQ(*environment->TaskCount(Split::kTrain, 2), 3);
  EXPECT_EQ(*environment->TaskCount(Split::kTrain, 3), 0);
  EXPECT_EQ(*environment->TaskCount(Split::kTest, 3), 2);
  EXPECT_TRUE(absl::IsInvalidArgument(environment->TaskCount(Split::kTest, 4).status()));
  EXPECT_TRUE(absl::IsOutOfRange(environment->NewInstance()->Reset({Split::kTrain, 2, 3}).status()));
}

TEST(RemoteTest, ACommandIsStartedWithTheFirstTaskAndFailsByName) {
  const auto environment = Remote({{"contract", "agentgym"},
                                   {"kind", "textcraft"},
                                   {"command", "exit 3 # {port}"},
                                   {"timeout_seconds", "5"}});
  const auto turn = environment->NewInstance()->Reset({Split::kTrain, 1, 0});
  EXPECT_TRUE(absl::IsUnavailable(turn.status())) << turn.status();
  EXPECT_THAT(std::string(turn.status().message()), HasSubstr("exited with status 3"));
}

// ---- servers that are started here
// ----------------------------------------------------------------

TEST(CommandTest, CancelEndsTheWaitForAServerThatDoesNotCome) {
  const auto environment = Remote(
      {{"contract", "openenv"}, {"command", "sleep 600 # {port}"}, {"timeout_seconds", "600"}});
  const auto instance = environment->NewInstance();
  std::thread other([&] { instance->Cancel(); });
  const absl::Time start = absl::Now();
  EXPECT_TRUE(absl::IsCancelled(instance->Reset({Split::kTrain, 1, 0}).status()));
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  other.join();
}

// This program plays both other parts: the server that a command starts, and the actor that is
// killed. They are told in the process's environment what to do.
constexpr char kPortVariable[] = "SOJOURN_TEST_PORT", kPidsVariable[] = "SOJOURN_TEST_PIDS";

std::string ThisTest(const char* name) {
  return absl::StrCat(std::filesystem::read_symlink("/proc/self/exe").string(),
                      " --gtest_also_run_disabled_tests --gtest_filter=CommandTest.", name);
}

// The command writes its processes' numbers to a file: a child's in the background, then the
// server's.
Options Started(const std::string& pids) {
  return {{"contract", "agentgym"},
          {"kind", "textcraft"},
          {"command", absl::StrCat("echo told to stderr >&2; sleep 600 & echo $! >", pids,
                                   "; echo $$ >>", pids, "; exec env ", kPortVariable, "={port} ",
                                   ThisTest("DISABLED_Serves"))}};
}

TEST(CommandTest, DISABLED_Serves) {
  const char* port = std::getenv(kPortVariable);
  if (port == nullptr) GTEST_SKIP() << "a part of other tests";
  Metrics metrics;
  auto doors = serve::Doors::Create({.environments = {"textcraft"}}, metrics);
  ASSERT_TRUE(doors.ok()) << doors.status();
  // Where AgentGym's own servers have their paths.
  class Root : public serve::WebHandler {
   public:
    explicit Root(serve::Doors& doors) : doors_(doors) {}
    serve::Response Handle(std::string_view method, std::string_view target,
                           std::string_view body) override {
      return doors_.Handle(method, absl::StrCat("/textcraft", target), body);
    }
    absl::StatusOr<std::unique_ptr<serve::Conversation>> Open(std::string_view) override {
      return absl::NotFoundError("");
    }

   private:
    serve::Doors& doors_;
  } root(**doors);
  const auto web = serve::WebServer::Start(root, absl::StrCat("127.0.0.1:", port), {}, metrics);
  ASSERT_TRUE(web.ok()) << web.status();
  pause();
}

TEST(CommandTest, DISABLED_PlaysUntilItIsKilled) {
  const char* pids = std::getenv(kPidsVariable);
  if (pids == nullptr) GTEST_SKIP() << "a part of other tests";
  const auto environment = Remote(Started(pids));
  const auto instance = environment->NewInstance();
  std::thread player([&] {  // its end is not the server's
    if (instance->Reset({Split::kTrain, 1, 0}).ok())
      std::ofstream(pids, std::ios::app) << "playing\n";
  });
  player.join();
  pause();
}

class CommandProcessesTest : public ::testing::Test {
 protected:
  CommandProcessesTest() : pids_(absl::StrCat(::testing::TempDir(), "sojourn_command_", getpid())) {
    std::filesystem::remove(pids_);
  }
  ~CommandProcessesTest() override { std::filesystem::remove(pids_); }

  std::vector<std::string> Lines() const {
    std::ifstream file(pids_);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }
  template <typename Condition>
  static bool Soon(const Condition& condition) {
    for (const absl::Time end = absl::Now() + absl::Seconds(20); absl::Now() < end;) {
      if (condition()) return true;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return false;
  }
  // Gone, or ended and not yet taken notice of by its new parent.
  static bool HasEnded(const std::string& pid) {
    std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
    std::string text((std::istreambuf_iterator<char>(file)), {});
    const size_t name = text.rfind(')');
    return name == text.npos || text[name + 2] == 'Z';
  }
  static bool HasChildren() {
    std::ifstream file(absl::StrCat("/proc/self/task/", gettid(), "/children"));
    return file.peek() != std::ifstream::traits_type::eof();
  }

  const std::string pids_;
};

TEST_F(CommandProcessesTest, TheCommandServesAndEndsWithTheEnvironment) {
  ::testing::internal::CaptureStderr();
  auto environment = Remote(Started(pids_));
  auto instance = environment->NewInstance();
  const auto first = instance->Reset({Split::kTrain, 1, 0});
  const std::string said = ::testing::internal::GetCapturedStderr();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(first->observation, HasSubstr("Goal: craft"));
  EXPECT_TRUE(instance->Step("inventory").ok());
  EXPECT_THAT(said, HasSubstr("told to stderr"));
  const auto pids = Lines();
  ASSERT_EQ(pids.size(), 2);
  for (const std::string& pid : pids) EXPECT_FALSE(HasEnded(pid));

  kill(std::stoi(pids[1]), SIGKILL);  // the server alone: it is started again
  EXPECT_FALSE(instance->Step("inventory").ok());
  EXPECT_TRUE(Soon([&] { return HasEnded(pids[1]); }));
  ASSERT_TRUE(Soon([&] { return instance->Reset({Split::kTrain, 1, 0}).ok(); }));
  EXPECT_TRUE(HasEnded(pids[0])) << "what the first one left behind";
  const auto later = Lines();
  EXPECT_NE(later, pids);

  instance.reset();
  environment.reset();
  for (const std::string& pid : later) EXPECT_TRUE(Soon([&] { return HasEnded(pid); }));
  EXPECT_FALSE(HasChildren()) << "nobody is left to be waited for";
}

TEST_F(CommandProcessesTest, TheCommandEndsWithAnActorThatIsKilled) {
  setenv(kPidsVariable, pids_.c_str(), 1);
  const std::string line = absl::StrCat("exec ", ThisTest("DISABLED_PlaysUntilItIsKilled"));
  const pid_t actor = fork();
  if (actor == 0) {
    execl("/bin/sh", "sh", "-c", line.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  unsetenv(kPidsVariable);
  EXPECT_TRUE(Soon([&] { return Lines().size() == 3; }));
  const auto pids = Lines();
  kill(actor, SIGKILL);
  waitpid(actor, nullptr, 0);
  ASSERT_EQ(pids.size(), 3);
  for (const std::string& pid : {pids[0], pids[1]}) {
    EXPECT_TRUE(Soon([&] { return HasEnded(pid); })) << pid;
  }
}

}  // namespace
}  // namespace sojourn::envs
