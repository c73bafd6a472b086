// `sojourn difficulty`, `sojourn eval` with its file and with variants, and `sojourn data check`,
// as a user meets them.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "cli/child_process.h"
#include "common/files.h"
#include "envs/measured_tasks.h"

namespace sojourn {
namespace {

namespace fs = std::filesystem;
using cli::ChildProcess;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

class DifficultyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "sojourn_difficulty_test.XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string Path(const char* file) const { return (folder_ / file).string(); }
  std::string errors() const { return ReadFile(Path("errors")).value_or(""); }

  // Runs `sojourn ARGUMENTS`; what it prints.
  std::string Run(std::vector<std::string> arguments, bool succeeds = true) {
    const auto program = cli::SiblingProgram("sojourn");
    EXPECT_TRUE(program.ok()) << program.status();
    arguments.insert(arguments.begin(), *program);
    fs::remove(folder_ / "errors");
    const int output = open(Path("output").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    auto child = ChildProcess::Start(
        {.command = arguments, .environment = {}, .log_path = Path("errors"), .output = output});
    close(output);
    EXPECT_TRUE(child.ok()) << child.status();
    EXPECT_EQ(child->WaitOrKill(absl::Now() + absl::Minutes(3)).clean, succeeds) << errors();
    return ReadFile(Path("output")).value_or("");
  }

  fs::path folder_;
};

const std::vector<std::string> kQuick = {
    "--max-turns", "3", "--threads", "1", "--slots", "16", "--max-context-tokens", "1024"};

std::vector<std::string> With(std::vector<std::string> arguments,
                              const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST_F(DifficultyTest, AModelsEasyAndHardTasksCanBePlayed) {
  const std::string craft = "textcraft:1-2,recipes=fresh,distractors=1,counts=1",
                    out = Path("tasks.jsonl");
  const std::string table = Run(With({"difficulty", "models/base", "--env", craft, "--tasks", "12",
                                      "--samples", "4", "--out", out},
                                     kQuick));
  EXPECT_THAT(table, AllOf(HasSubstr("textcraft/1 (train)"), HasSubstr("tasks_by=" + out)));
  const auto file = envs::ParseTaskFile(ReadFile(out).value_or(""), out);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->tasks.size(), 48) << "two depths, two splits";
  EXPECT_EQ(file->settings.at("samples"), "4");
  EXPECT_EQ(file->settings.at("policy_sha256").size(), 64);
  EXPECT_EQ(file->tasks[0].max_turns, 3);
  for (const envs::MeasuredTask& task : file->tasks) EXPECT_EQ(task.episodes, 4);

  const json report = json::parse(
      Run(With({"eval", "models/base", "--env",
                "textcraft:all,recipes=fresh,distractors=1,counts=1,tasks_cut=0.25,tasks_by=" + out,
                "--tasks", "4", "--samples", "4", "--no-greedy", "--json"},
               kQuick)));
  const json& cells = report["rows"][0]["cells"];
  ASSERT_EQ(cells.size(), 2) << "easy and hard";
  EXPECT_EQ(cells[0]["difficulty"], envs::kEasy);
  EXPECT_EQ(cells[1]["difficulty"], envs::kHard);
  EXPECT_GT(cells[0]["success"], cells[1]["success"]);
}

TEST_F(DifficultyTest, TheExpertAndChanceNeedNoModel) {
  Run({"difficulty", "--expert", "--env", "babyai:1", "--split", "test", "--tasks", "5", "--out",
       Path("expert")});
  const auto expert = envs::ParseTaskFile(ReadFile(Path("expert")).value_or(""), "expert");
  ASSERT_TRUE(expert.ok()) << expert.status();
  ASSERT_EQ(expert->tasks.size(), 5);
  EXPECT_EQ(expert->tasks[0].rate(), 1);
  const std::vector<std::string> random = {
      "difficulty", "--random", "--env", "babyai:5", "--max-turns", "3", "--tasks", "20", "--out"};
  Run(With(random, {Path("one")}));
  Run(With(random, {Path("two")}));
  Run(With(random, {Path("other"), "--seed", "2"}));
  EXPECT_EQ(ReadFile(Path("one")).value(), ReadFile(Path("two")).value());
  EXPECT_NE(ReadFile(Path("one")).value(), ReadFile(Path("other")).value());
}

TEST_F(DifficultyTest, VariantsAreColumnsOfTheirOwn) {
  const std::vector<std::string> eval =
      With({"eval", "models/base", "--env", "babyai:1", "--tasks", "6", "--no-greedy", "--random",
            "--variant", "none", "--variant", "verbs+no-actions"},
           kQuick);
  const json report = json::parse(Run(With(eval, {"--json"})));
  const json &random = report["rows"][0]["cells"], &model = report["rows"][1]["cells"];
  ASSERT_EQ(model.size(), 2);
  EXPECT_EQ(model[1]["variant"], "verbs+no-actions");
  EXPECT_EQ(random[0]["success"], random[1]["success"]) << "chance knows no words";
  EXPECT_EQ(random[0]["turns"], random[1]["turns"]);
  EXPECT_THAT(model[1]["samples"][0]["turns"][0]["observation"].get<std::string>(),
              HasSubstr("The commands are: "));
  EXPECT_THAT(Run(eval), HasSubstr("babyai/1+verbs+no-actions"));
}

TEST_F(DifficultyTest, WrongInputsAreExplained) {
  const auto fault = [&](const std::vector<std::string>& arguments) {
    Run(arguments, /*succeeds=*/false);
    return errors();
  };
  EXPECT_THAT(fault({"difficulty", "models/base", "--env", "babyai:1"}), HasSubstr("--out"));
  EXPECT_THAT(fault({"difficulty", "--expert", "--env", "babyai:1,tasks_by=x", "--out", Path("x")}),
              HasSubstr("leave out tasks_by"));
  EXPECT_THAT(fault({"eval", "models/base", "--env", "babyai:1", "--variant", "verb"}),
              HasSubstr("did you mean \"verbs\"?"));
  EXPECT_THAT(
      fault({"eval", "models/base", "--env", absl::StrCat("babyai:1,tasks_by=", Path("none"))}),
      HasSubstr(Path("none")));
}

TEST_F(DifficultyTest, DataIsCheckedForEveryEnvironment) {
  const std::string data = Path("data");
  ASSERT_TRUE(
      WriteFileAtomically(data + "/train.jsonl", "{\"question\": \"Who?\", \"answer\": [\"me\"]}\n")
          .ok());
  ASSERT_TRUE(WriteFileAtomically(data + "/passages.jsonl",
                                  "{\"id\": 1, \"contents\": \"\\\"A\\\"\\nText.\"}\n")
                  .ok());
  EXPECT_THAT(Run({"data", "check", data}),
              AllOf(HasSubstr("searchqa"), HasSubstr("data=" + data)));
  ASSERT_TRUE(WriteFileAtomically(data + "/train.jsonl",
                                  "{\"question\": \"Who?\", \"answer\": [\"me\"]}\nnothing\n")
                  .ok());
  const json report = json::parse(Run({"data", "check", data, "--json"}, /*succeeds=*/false));
  EXPECT_THAT(report["searchqa"]["faults"].dump(), HasSubstr("train.jsonl:2"));
  EXPECT_EQ(report["searchqa"]["found"][0]["count"], 1);
  Run({"data", "check", Path("none")}, /*succeeds=*/false);
  EXPECT_THAT(errors(), HasSubstr("no such directory"));
}

}  // namespace
}  // namespace sojourn
