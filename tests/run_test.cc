// `sojourn run` as a user meets it: real processes on this machine, from a configuration to a report.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "cli/child_process.h"
#include "common/files.h"

namespace sojourn {
namespace {

namespace fs = std::filesystem;
using cli::ChildProcess;
using ::testing::HasSubstr;

class RunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "sojourn_run_test.XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  ChildProcess Start(std::vector<std::string> arguments) {
    const auto program = cli::SiblingProgram("sojourn");
    EXPECT_TRUE(program.ok()) << program.status();
    arguments.insert(arguments.begin(), *program);
    auto child = ChildProcess::Start({.command = arguments, .environment = {}, .log_path = Log()});
    EXPECT_TRUE(child.ok()) << child.status();
    return *std::move(child);
  }
  ChildProcess::End Finish(std::vector<std::string> arguments) {
    return Start(std::move(arguments)).WaitOrKill(absl::Now() + absl::Minutes(5));
  }
  std::string Log() const { return (folder_ / "log").string(); }
  std::string LogText() const { return ReadFile(Log()).value_or("(no log)"); }
  fs::path Run() const { return folder_ / "bit-equal"; }
  nlohmann::json Report() const { return nlohmann::json::parse(ReadFile((Run() / "report.json").string()).value_or("null")); }
  std::vector<std::string> Lines(const fs::path& path) const {
    return absl::StrSplit(ReadFile(path.string()).value_or(""), '\n', absl::SkipEmpty());
  }
  // Waits until the run has made this many updates.
  void WaitForUpdates(size_t count) {
    const absl::Time deadline = absl::Now() + absl::Minutes(3);
    while (absl::Now() < deadline && Lines(Run() / "metrics.jsonl").size() < count) absl::SleepFor(absl::Milliseconds(50));
    ASSERT_GE(Lines(Run() / "metrics.jsonl").size(), count) << LogText();
  }
  std::vector<std::string> RunCommand() { return {"run", "configs/bit-equal.yaml", "--runs", folder_.string()}; }

  fs::path folder_;
};

TEST_F(RunTest, AJobEndsWithItsReportAndGoesOnAfterCtrlC) {
  ChildProcess first = Start(RunCommand());
  WaitForUpdates(3);
  kill(first.pid(), SIGINT);
  const auto interrupted = first.WaitOrKill(absl::Now() + absl::Seconds(60));
  EXPECT_EQ(interrupted.how, "exited with status 130") << LogText();
  EXPECT_THAT(LogText(), HasSubstr("the same command goes on from here"));

  const auto end = Finish(RunCommand());
  ASSERT_TRUE(end.clean) << end.how << "\n" << LogText();

  const nlohmann::json report = Report();
  ASSERT_EQ(report["arms"].size(), 1);
  const nlohmann::json& arm = report["arms"][0];
  EXPECT_EQ(arm["name"], "sequential");
  EXPECT_EQ(arm["trained"], nlohmann::json({"babyai", "textcraft"}));
  EXPECT_EQ(arm["final_weights_sha256"].get<std::string>().size(), 64);
  std::vector<std::string> rows;
  for (const auto& row : arm["matrix"]) {
    rows.push_back(row["row"]);
    ASSERT_EQ(row["cells"].size(), 2);
    for (const auto& cell : row["cells"]) {
      EXPECT_EQ(cell["episodes"], 4);
      EXPECT_GE(cell["success"].get<double>(), cell["ci95"][0].get<double>());
      EXPECT_LE(cell["success"].get<double>(), cell["ci95"][1].get<double>());
      EXPECT_GT(cell["turns"].get<double>(), 0);
    }
  }
  EXPECT_THAT(rows, ::testing::ElementsAre("random", "before", "after 1: babyai", "after 2: textcraft, babyai"));

  // Twelve updates, each once, although the run was stopped in the middle.
  std::vector<int> updates;
  for (const std::string& line : Lines(Run() / "metrics.jsonl")) updates.push_back(nlohmann::json::parse(line)["update"]);
  std::vector<int> expected(12);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(updates, expected);
  EXPECT_THAT(ReadFile((Run() / "report.html").string()).value_or(""), HasSubstr("<!doctype html>"));
  EXPECT_FALSE(fs::is_empty(Run() / "tensorboard"));
  EXPECT_TRUE(fs::exists(Run() / arm["final_model"].get<std::string>() / "model.safetensors"));

  // A finished run is shown again, not run again.
  const absl::Time before = absl::Now();
  EXPECT_TRUE(Finish(RunCommand()).clean);
  EXPECT_LT(absl::Now() - before, absl::Seconds(20));
  EXPECT_EQ(Report()["arms"][0]["final_weights_sha256"], arm["final_weights_sha256"]);
}

TEST_F(RunTest, AFolderContinuesOnlyItsOwnConfiguration) {
  fs::create_directories(Run());
  ASSERT_TRUE(WriteFileAtomically((Run() / "config.yaml").string(), "name: \"another\"\n").ok());
  EXPECT_FALSE(Finish(RunCommand()).clean);
  EXPECT_THAT(LogText(), HasSubstr("holds a run of another configuration"));
}

TEST_F(RunTest, WrongInputsAreExplained) {
  EXPECT_FALSE(Finish({"run", "no-such-file.yaml"}).clean);
  EXPECT_THAT(LogText(), HasSubstr("no-such-file.yaml: cannot open: No such file"));
  EXPECT_FALSE(Finish({"jobs", "--coordinator", "127.0.0.1:1"}).clean);
  EXPECT_THAT(LogText(), HasSubstr("no coordinator answers at 127.0.0.1:1"));
  EXPECT_FALSE(Finish({"run"}).clean);
  EXPECT_THAT(LogText(), HasSubstr("CONFIG is required"));
}

}  // namespace
}  // namespace sojourn
