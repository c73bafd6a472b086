#include "envs/alfworld/game_file.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/files.h"
#include "envs/alfworld/play.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::alfworld {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kPath[] = "envs/alfworld/testdata/pick_heat/game.tw-pddl";

std::string Text() { return ReadFile(kPath).value(); }

std::string ErrorOf(const json& file) {
  return std::string(GameReader().Parse(file.dump()).status().message());
}

TEST(GameFile, IsReadAndItsWalkthroughWins) {
  GameReader reader;
  const auto file = reader.Read(kPath);
  ASSERT_TRUE(file.ok()) << file.status();
  Play play(file->game);
  EXPECT_THAT(play.Intro(), HasSubstr("\n\nYour task is to: "));
  ASSERT_FALSE(file->walkthrough.empty());
  for (const std::string& command : file->walkthrough) {
    EXPECT_FALSE(play.won());
    EXPECT_TRUE(play.Step(command).understood) << command;
  }
  EXPECT_TRUE(play.won());
}

// What files of before 2024 say, and what they have not.
TEST(GameFile, DecidesTheWording) {
  json file = json::parse(Text());
  auto grammar = file["grammar"].get<std::string>();
  grammar = absl::StrReplaceAll(
      grammar.substr(0, grammar.find("action help")),
      {{"You arrive at {r.name}.", "You arrive at {lend.name}."},
       {"move {o} to {r}", "put {o} in/on {r}"},
       {"You move the {o.name} to the {r.name}.", "You put the {o.name} in/on the {r.name}."}});
  file["grammar"] = grammar;
  EXPECT_THAT(ErrorOf(file), HasSubstr("grammar: there is no action help"));
  file["pddl_domain"] =
      absl::StrReplaceAll(file["pddl_domain"].get<std::string>(),
                          {{"(:action help :parameters (?a - agent)\n    :precondition ()\n    "
                            ":effect (checked ?a))",
                            ""}});
  const auto read = GameReader().Parse(file.dump());
  ASSERT_TRUE(read.ok()) << read.status();
  Play play(read->game);
  EXPECT_FALSE(play.Step("help").understood);
  for (const std::string& command : read->walkthrough) {
    const std::string old =
        command.starts_with("move")
            ? absl::StrReplaceAll(command, {{"move ", "put "}, {" to ", " in/on "}})
            : command;
    const Play::Reply reply = play.Step(old);
    EXPECT_TRUE(reply.understood) << old;
    if (old.starts_with("go to")) {
      EXPECT_THAT(reply.text, StartsWith("You arrive at loc "));
    }
    if (old.starts_with("put")) {
      EXPECT_THAT(reply.text, HasSubstr(" in/on the "));
    }
  }
  EXPECT_TRUE(play.won());
}

TEST(GameFile, NamesThePartAndTheLineOfWhatIsWrong) {
  const json whole = json::parse(Text());
  const auto with = [&](const char* part, std::string_view what, std::string_view other) {
    json file = whole;
    file[part] = absl::StrReplaceAll(file[part].get<std::string>(),
                                     {{std::string(what), std::string(other)}});
    return file;
  };
  EXPECT_THAT(ErrorOf(with("pddl_domain", "(holdsAny ?a)", "(holdsany ?a")),
              StartsWith("pddl_domain: line "));
  EXPECT_THAT(ErrorOf(with("pddl_problem", "(:goal", "(:aim")), StartsWith("pddl_problem: line "));
  EXPECT_THAT(ErrorOf(with("pddl_problem", "agent1 - agent", "agent1 - object")),
              HasSubstr("of type object, not agent"));
  EXPECT_THAT(ErrorOf(with("grammar", "action look", "action stare")), StartsWith("grammar: "));
  json file = whole;
  file["grammar"] = 3;
  EXPECT_THAT(ErrorOf(file), HasSubstr("no text \"grammar\""));
  file.erase("pddl_domain");
  EXPECT_THAT(ErrorOf(file), HasSubstr("no text \"pddl_domain\""));
  EXPECT_THAT(ErrorOf(json::array()), HasSubstr("no JSON object"));
  EXPECT_THAT(std::string(GameReader().Read("nowhere/game.tw-pddl").status().message()),
              HasSubstr("nowhere"));
}

TEST(GameFile, CutShortIsAnError) {
  const std::string text = Text();
  GameReader reader;
  for (size_t size = 0; size < text.size() - 3; size += 501) {
    EXPECT_FALSE(reader.Parse(text.substr(0, size)).ok()) << size;
  }
  const json whole = json::parse(text);
  for (const char* part : {"pddl_domain", "pddl_problem"}) {
    const auto value = whole[part].get<std::string>();
    for (size_t size = 0; size < value.size() - 3; size += 97) {
      json file = whole;
      file[part] = value.substr(0, size);
      EXPECT_FALSE(reader.Parse(file.dump()).ok()) << part << " " << size;
    }
  }
}

}  // namespace
}  // namespace sojourn::envs::alfworld
