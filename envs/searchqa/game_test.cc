#include "envs/searchqa/game.h"

#include "absl/strings/str_cat.h"
#include "envs/searchqa/index_builder.h"
#include "envs/searchqa/players.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::searchqa {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::SizeIs;

Game NewGame(const std::vector<std::string>& passages, Question question, int results = 3) {
  const auto builder = IndexBuilder::InMemory();
  for (const std::string& passage : passages) EXPECT_TRUE(builder->Add(passage).ok());
  Game game(results);
  game.Reset(*builder->FinishInMemory(), std::move(question));
  return game;
}

Game Cathedral(int results = 3) {
  return NewGame({"\"Pavia Cathedral\"\nIt was begun in 1488.",
                  "\"Pavia\"\nA town.\nOn the Ticino.", "Milan\nA city near Pavia."},
                 {.text = "When was Pavia Cathedral begun?", .answers = {"1488", "in 1488"}},
                 results);
}

std::string Observe(Game& game, std::string_view response) {
  const auto reply = game.Step(response);
  EXPECT_TRUE(reply.ok()) << reply.status();
  return reply->observation;
}

TEST(GameTest, TheFirstObservationIsAgentGyms) {
  EXPECT_THAT(
      Cathedral().Observation(),
      AllOf(HasSubstr("You must reason inside <think>...</think> first."),
            EndsWith(
                "Follow this process every time.\n\n Question: When was Pavia Cathedral begun?")));
}

TEST(GameTest, ASearchShowsPassagesWithTheirTitleLines) {
  Game game = Cathedral();
  EXPECT_EQ(Observe(game, "<think>so</think>\n<search> the Pavia cathedral </search> and more"),
            "<information>Doc 1(Title: \"Pavia Cathedral\") It was begun in 1488.\n"
            "Doc 2(Title: Milan) A city near Pavia.\n"
            "Doc 3(Title: \"Pavia\") A town.\nOn the Ticino.</information>");
  EXPECT_EQ(Observe(game, "<search>Nothing</search>"), "<information></information>");
  Game one = Cathedral(1);
  EXPECT_EQ(Observe(one, "<search>ticino</search>"),
            "<information>Doc 1(Title: \"Pavia\") A town.\nOn the Ticino.</information>");
}

TEST(GameTest, AWrongAnswerDoesNotEndIt) {
  Game game = Cathedral();
  auto reply = game.Step("<answer>1489</answer>");
  EXPECT_FALSE(reply->correct);
  EXPECT_TRUE(reply->understood);
  EXPECT_EQ(reply->observation, "Sorry, your answer is incorrect. Please try again.");
  reply = game.Step("<answer>1488.</answer>");
  EXPECT_TRUE(reply->correct);
  EXPECT_EQ(reply->observation, "Congratulations! You have answered the question correctly.");
}

TEST(GameTest, OtherResponsesAreToldSo) {
  Game game = Cathedral();
  for (const std::string& response : {std::string(), std::string("1488"),
                                      std::string("<search>open"), std::string(1 << 20, '<')}) {
    const auto reply = game.Step(response);
    EXPECT_FALSE(reply->understood);
    EXPECT_THAT(reply->observation, HasSubstr("Your previous action is invalid."));
  }
}

TEST(GameTest, HugePassagesAreCutAtACharacter) {
  std::string text = "\"x\"\n";
  while (text.size() < 3 * kMostShownBytes) text += "\u00e9 ";
  Game game = NewGame({text}, {.text = "q", .answers = {"a"}});
  const std::string observation = Observe(game, "<search>x</search>");
  EXPECT_LT(observation.size(), kMostShownBytes + 100);
  EXPECT_THAT(observation, EndsWith("\u00e9</information>"));
}

TEST(GameTest, MemoryIsBoundedHoweverLongItGoesOn) {
  Game game = Cathedral();
  for (int i = 0; i < 5000; ++i) Observe(game, absl::StrCat("<search>pavia ", i, "</search>"));
  EXPECT_THAT(game.shown(), SizeIs(3));
  EXPECT_FALSE(game.HasSearched("pavia 4999"));
}

TEST(PlayersTest, NamesAreWordsWithCapitals) {
  EXPECT_THAT(FindNames("Who wrote The Silent Harbour of Bodaza? It first appeared in 1923, in "
                        "Oslo. Its author is Ada Kirelon, of the (North) sea of."),
              ElementsAre("The Silent Harbour of Bodaza", "1923", "Oslo", "Ada Kirelon", "North"));
}

TEST(PlayersTest, TheExpertOfRealDataSearchesAndAnswers) {
  Game game = Cathedral();
  Instance::Advice advice = ExpertAdvice(game);
  EXPECT_EQ(advice.action, "<search>When was Pavia Cathedral begun?</search>");
  Observe(game, advice.action);
  EXPECT_EQ(ExpertAdvice(game).action, "<answer>1488</answer>");
}

TEST(PlayersTest, TheExpertFollowsTheStepsItCanFind) {
  Game game = NewGame(
      {"\"A\"\nabout b", "\"B\"\nabout c"},
      {.text = "q",
       .answers = {"c"},
       .hops = 2,
       .steps = {{"A", "A", "b", "I need A."}, {"nowhere", "Gone", "", ""}, {"B", "B", "c", ""}}});
  std::vector<std::string> actions;
  for (int turn = 0; turn < 5; ++turn) {
    actions.push_back(ExpertAdvice(game).action);
    Observe(game, actions.back());
  }
  EXPECT_THAT(actions,
              ElementsAre("<search>A</search>", "<search>nowhere</search>", "<search>Gone</search>",
                          "<search>B</search>", "<answer>c</answer>"));
}

TEST(PlayersTest, TheGoalBlindAnswersWithTheFirstFactAndGoesOn) {
  Game game = NewGame({"\"Pavia\"\nPavia is a town. Wool is sold. It lies on the Ticino.",
                       "\"Ticino\"\nIts length is known since 1850. It rises in Switzerland."},
                      {.text = "In which country is Pavia?", .answers = {"Italy"}});
  std::vector<std::string> actions;
  for (int turn = 0; turn < 6; ++turn) {
    actions.push_back(GoalBlindAdvice(game).action);
    Observe(game, actions.back());
  }
  EXPECT_THAT(actions, ElementsAre("<search>Pavia</search>", "<answer>Ticino</answer>",
                                   "<search>Ticino</search>", "<answer>1850</answer>",
                                   "<search>Switzerland</search>",
                                   "<search>In which country is Pavia?</search>"));  // the expert
}

TEST(PlayersTest, ValidActionsGrowWithWhatIsSeen) {
  Game game = Cathedral();
  EXPECT_THAT(ValidActions(game),
              ElementsAre("<search>When was Pavia Cathedral begun?</search>",
                          "<search>Pavia Cathedral</search>", "<answer>Pavia Cathedral</answer>"));
  Observe(game, "<search>pavia</search>");
  EXPECT_THAT(ValidActions(game),
              AllOf(Contains("<answer>1488</answer>"), Contains("<search>Ticino</search>")));
}

}  // namespace
}  // namespace sojourn::envs::searchqa
