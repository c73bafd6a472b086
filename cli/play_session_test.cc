#include "cli/play_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <vector>

namespace sojourn::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const envs::TaskId kTask{envs::Split::kTrain, 1, 0};

struct Game {
  Game() : environment(*envs::Make("textcraft")), instance(environment->NewInstance()) {}

  Outcome Play(Player& player, int max_turns, const envs::TaskId& task = kTask) {
    const auto outcome =
        PlayEpisode(environment->spec(), *instance, task, player, max_turns,
                    [this](const Exchange& exchange) { exchanges.push_back(exchange); });
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return *outcome;
  }

  // What a person sees who types `input`.
  std::string PlayPerson(const std::string& input, bool json = false) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    EXPECT_EQ(write(ends[1], input.data(), input.size()), static_cast<ssize_t>(input.size()));
    close(ends[1]);
    FILE* out = std::tmpfile();
    outcome = Play(*NewPerson(ends[0], out, json, ""), 0);
    close(ends[0]);
    std::string text(static_cast<size_t>(std::ftell(out)), '\0');
    std::rewind(out);
    EXPECT_EQ(std::fread(text.data(), 1, text.size(), out), text.size());
    std::fclose(out);
    return text;
  }

  std::unique_ptr<envs::Environment> environment;
  std::unique_ptr<envs::Instance> instance;
  std::vector<Exchange> exchanges;
  Outcome outcome;
};

TEST(PlaySession, TheExpertSolvesTasks) {
  Game game;
  const Outcome outcome = game.Play(*NewExpert(), 100, {envs::Split::kTest, 3, 1});
  EXPECT_TRUE(outcome.success);
  EXPECT_EQ(outcome.reward, 1);
  ASSERT_EQ(game.exchanges.size(), outcome.turns + 1);
  EXPECT_EQ(game.exchanges[0].response, "");
  EXPECT_THAT(game.exchanges[1].response, HasSubstr("\nAction: "));
}

TEST(PlaySession, TheLimitOfTurnsEndsAnEpisode) {
  Game game;
  EXPECT_EQ(game.Play(*NewExpert(), 1, {envs::Split::kTrain, 3, 0}).turns, 1);
}

TEST(PlaySession, ARandomPlayerDependsOnItsSeedAlone) {
  const auto responses = [](uint64_t seed) {
    Game game;
    game.Play(*NewRandomPlayer(seed), 6, {envs::Split::kTrain, 3, 0});
    std::vector<std::string> all;
    for (const Exchange& exchange : game.exchanges) all.push_back(exchange.response);
    return all;
  };
  EXPECT_EQ(responses(1), responses(1));
  EXPECT_THAT(responses(1), Not(responses(2)));
}

TEST(PlaySession, APersonAsksAnswersAndQuits) {
  Game game;
  const std::string seen = game.PlayPerson("?\n!\n\n  inventory \nq\nget 1 string\n");
  EXPECT_THAT(seen, HasSubstr("  inventory\n"));  // a valid action
  EXPECT_THAT(seen, HasSubstr("  get 1 "));       // and the advice
  EXPECT_TRUE(game.outcome.quit);
  EXPECT_EQ(game.outcome.turns, 1);
  EXPECT_EQ(game.exchanges.back().result.observation, "Inventory: You are not carrying anything.");
}

TEST(PlaySession, APersonMayAnswerInTheReActForm) {
  Game game;
  game.PlayPerson("Thought: what do I have?\n\nAction:\ninventory\nAction: inventory\n");
  EXPECT_EQ(game.outcome.turns, 2);
  EXPECT_TRUE(game.outcome.quit);  // at the end of the input
  EXPECT_EQ(game.exchanges[1].response, "Thought: what do I have?\n\nAction:\ninventory\n");
  EXPECT_EQ(game.exchanges[1].result.observation, game.exchanges[2].result.observation);
}

TEST(PlaySession, APersonsQuestionsAreAnsweredInJson) {
  Game game;
  const std::string seen = game.PlayPerson("?\n!\n", /*json=*/true);
  EXPECT_THAT(seen, HasSubstr("{\"valid_actions\":["));
  EXPECT_THAT(seen, HasSubstr("{\"advice\":{\"action\":\"get 1 "));
}

TEST(PlaySession, AResponseThatTheClientWouldNotSendTakesATurn) {
  Game game;
  auto responder = Responder::Start(
      {"/bin/sh", "-c",
       "while read -r line; do printf '%s\\n' '{\"response\": \"Action: a\\nAction: b\"}'; done"});
  ASSERT_TRUE(responder.ok()) << responder.status();
  const Outcome outcome = game.Play(*NewModelPlayer(*std::move(responder), absl::Seconds(20), true), 2);
  EXPECT_EQ(outcome.turns, 2);
  EXPECT_TRUE(game.exchanges[1].result.invalid_action);
  EXPECT_THAT(game.exchanges[1].result.observation, HasSubstr("Only one 'Action' is allowed"));
}

}  // namespace
}  // namespace sojourn::cli
