// `sojourn eval` as a user meets it: real processes on this machine, the repository's model, and endpoints.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/child_process.h"
#include "common/files.h"
#include "tests/small_gguf.h"

namespace sojourn {
namespace {

namespace fs = std::filesystem;
using cli::ChildProcess;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kModel[] = "models/base";

class EvalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "sojourn_eval_test.XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  ChildProcess Start(std::vector<std::string> arguments, const std::string& log, int output = -1) {
    const auto program = cli::SiblingProgram("sojourn");
    EXPECT_TRUE(program.ok()) << program.status();
    arguments.insert(arguments.begin(), *program);
    auto child = ChildProcess::Start(
        {.command = arguments, .environment = {}, .log_path = (folder_ / log).string(), .output = output});
    EXPECT_TRUE(child.ok()) << child.status();
    return *std::move(child);
  }
  std::string Text(const std::string& file) { return ReadFile((folder_ / file).string()).value_or(""); }

  // `sojourn eval` with these arguments: what it prints as JSON; null when it fails, with the reason in
  // errors().
  nlohmann::json Eval(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "eval");
    for (const char* more : {"--json", "--threads", "1", "--slots", "16"}) arguments.push_back(more);
    fs::remove(folder_ / "errors");
    const std::string path = (folder_ / "output").string();
    const int output = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ChildProcess process = Start(arguments, "errors", output);
    close(output);
    const auto end = process.WaitOrKill(absl::Now() + absl::Minutes(3));
    return end.clean ? nlohmann::json::parse(Text("output")) : nlohmann::json();
  }
  std::string errors() { return Text("errors"); }

  fs::path folder_;
};

// The most likely token every time, also in the sampled episodes: seeds do not matter.
const std::vector<std::string> kGreedily = {"--env", "babyai:5,19", "--env", "textcraft:1,recipes=fresh,counts=1",
                                            "--max-turns", "3", "--tasks", "3", "--split", "both",
                                            "--samples", "2", "--top-p", "0.000001",
                                            "--max-context-tokens", "1024", "--instructions"};

std::vector<std::string> With(std::vector<std::string> arguments, const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST_F(EvalTest, AnEndpointsModelPlaysAsTheSameModelPlaysHere) {
  ChildProcess server = Start({"serve-model", kModel, "--listen", "127.0.0.1:0", "--name", "tiny", "--slots", "8"}, "serve");
  std::string url;
  for (const absl::Time deadline = absl::Now() + absl::Seconds(60); url.empty();) {
    ASSERT_LT(absl::Now(), deadline) << Text("serve");
    ASSERT_FALSE(server.Poll().has_value()) << Text("serve");
    const std::string log = Text("serve");
    const size_t at = log.find("http://127.0.0.1:"), end = log.find("/v1", at == log.npos ? 0 : at);
    if (end != log.npos) url = log.substr(at, end - at);
    absl::SleepFor(absl::Milliseconds(10));
  }
  const nlohmann::json here = Eval(With({kModel}, kGreedily));
  ASSERT_FALSE(here.is_null()) << errors();
  const nlohmann::json tokens = Eval(With({"--endpoint", url, "--tokenizer", kModel}, kGreedily));
  ASSERT_FALSE(tokens.is_null()) << errors();
  EXPECT_EQ(tokens["model"], "tiny");
  ASSERT_EQ(tokens["rows"].size(), 1);
  ASSERT_EQ(tokens["rows"][0]["cells"].size(), 6) << "three columns of two splits";
  // Turns, tokens, transcripts, everything.
  EXPECT_EQ(tokens["rows"], here["rows"]);
  const nlohmann::json messages = Eval(With({"tiny", "--endpoint", url}, kGreedily));
  ASSERT_FALSE(messages.is_null()) << errors();
  for (size_t i = 0; i < 6; ++i) {
    const nlohmann::json& cell = messages["rows"][0]["cells"][i];
    EXPECT_EQ(cell["episodes"], 6);
    EXPECT_GT(cell["tokens"], 0);
    EXPECT_EQ(cell["samples"][0]["turns"][0]["observation"],
              here["rows"][0]["cells"][i]["samples"][0]["turns"][0]["observation"]);
  }
}

TEST_F(EvalTest, AnEndpointThatFailsEndsTheJobWithItsNameAndReason) {
  httplib::Server broken;
  broken.Get("/v1/models", [](const httplib::Request&, httplib::Response& response) {
    response.set_content(R"({"data": [{"id": "tiny", "max_model_len": 1024}]})", "application/json");
  });
  broken.Post("/v1/chat/completions", [](const httplib::Request&, httplib::Response& response) {
    response.status = 500;
    response.set_content(R"({"error": {"message": "out of memory"}})", "application/json");
  });
  const std::string url = absl::StrCat("http://127.0.0.1:", broken.bind_to_any_port("127.0.0.1"));
  std::thread serving([&] { broken.listen_after_bind(); });
  EXPECT_TRUE(Eval({"--endpoint", url, "--env", "babyai:5", "--tasks", "4", "--patience", "0.5"}).is_null());
  EXPECT_THAT(errors(), AllOf(HasSubstr("the job failed: evaluation group"),
                              HasSubstr(absl::StrCat("endpoint ", url, "/v1/chat/completions: HTTP status 500: out of memory"))));
  broken.stop();
  serving.join();
}

TEST_F(EvalTest, AGgufFileIsMeasuredAndTrainedAndSoIsWhatItBecame) {
  const std::string gguf = (folder_ / "small.gguf").string();
  const absl::Status written = WriteSmallGguf(kModel, gguf);
  ASSERT_TRUE(written.ok()) << written;
  const std::vector<std::string> columns = {"--env", "babyai:5", "--max-turns", "2", "--tasks", "3",
                                            "--max-context-tokens", "640", "--random"};
  const nlohmann::json report = Eval(With({"--model", gguf}, columns));
  ASSERT_FALSE(report.is_null()) << errors();
  ASSERT_EQ(report["rows"].size(), 2) << "random actions, and the model";
  // Its tokenizer splits texts in another way than the model was taught: it speaks, but not well.
  EXPECT_THAT(report["rows"][1]["cells"][0]["samples"].dump(), HasSubstr("Thought:"));

  ASSERT_TRUE(WriteFileAtomically((folder_ / "job.yaml").string(), R"(
name: trained
policy: {model: small.gguf, max_context_tokens: 640}
rollout: {group_size: 2, groups_per_update: 1, max_turn_tokens: 16}
environments: [{type: babyai}]
arms: [{name: only, stages: [{mixture: [{environment: babyai, min_difficulty: 5, max_turns: 2}], advance: {updates: 1}}]}]
evaluation: {tasks: 1, random_row: false, cells: [{environment: babyai, difficulty: 5, max_turns: 1}]}
)").ok());
  const auto end = Start({"run", (folder_ / "job.yaml").string(), "--runs", folder_.string()}, "run")
                       .WaitOrKill(absl::Now() + absl::Minutes(3));
  ASSERT_TRUE(end.clean) << Text("run");
  const nlohmann::json after = Eval(With({(folder_ / "trained").string()}, columns));
  ASSERT_FALSE(after.is_null()) << errors();
  EXPECT_EQ(after["model"], (folder_ / "trained/arms/only/models/stage-1").string());
  EXPECT_EQ(after["rows"][0], report["rows"][0]) << "random actions know no model";
}

TEST_F(EvalTest, WrongInputsAreExplained) {
  const auto fault = [&](std::vector<std::string> arguments) {
    EXPECT_TRUE(Eval(std::move(arguments)).is_null());
    return errors();
  };
  EXPECT_THAT(fault({"models/none", "--env", "babyai:5"}), HasSubstr("models/none: there is no such file or folder"));
  EXPECT_THAT(fault({kModel, "--env", "babyay:5"}), HasSubstr("did you mean \"babyai\"?"));
  EXPECT_THAT(fault({kModel, "--env", "babyai:5", "--tasks", "0"}), HasSubstr("--tasks"));
  EXPECT_THAT(fault({kModel, "--env", "babyai:5", "--tokenizer", kModel}), HasSubstr("--endpoint"));
  EXPECT_THAT(fault({"--env", "babyai:5"}), HasSubstr("no model; give a model directory"));
  EXPECT_THAT(fault({"--env", "babyai:5", "--endpoint", "http://127.0.0.1:1"}),
              HasSubstr("endpoint http://127.0.0.1:1/v1/models: cannot connect"));
  EXPECT_THAT(fault({"--env", "babyai:5", "--endpoint", "http://127.0.0.1:1", "--api-key-variable", "SOJOURN_NO_KEY"}),
              HasSubstr("the environment has no SOJOURN_NO_KEY"));
}

}  // namespace
}  // namespace sojourn
