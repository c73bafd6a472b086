#include "envs/searchqa/question.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::searchqa {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Question Parse(std::string_view line) {
  const auto question = ParseQuestion(line);
  EXPECT_TRUE(question.ok()) << question.status();
  return question.ok() ? *question : Question();
}

TEST(QuestionTest, NqOpen) {
  const Question question =
      Parse(R"({"question": " how many seasons ", "answer": ["eight", "8"]})");
  EXPECT_EQ(question.text, "how many seasons");
  EXPECT_THAT(question.answers, ElementsAre("eight", "8"));
  EXPECT_EQ(question.hops, 1);
  EXPECT_THAT(question.steps, IsEmpty());
}

TEST(QuestionTest, HotpotQaHasTwoHopsAndStepsToItsPassages) {
  const Question question = Parse(
      R"json({"_id": "5a8b", "question": "q", "answer": "yes", "type": "bridge", "level": "hard",
          "supporting_facts": [["Ed Wood (film)", 0], ["Scott Derrickson", 1], ["Ed Wood (film)", 2]],
          "context": [["Ed Wood (film)", ["a", "b"]]]})json");
  EXPECT_THAT(question.answers, ElementsAre("yes"));
  EXPECT_EQ(question.hops, 2);
  ASSERT_EQ(question.steps.size(), 2);
  EXPECT_EQ(question.steps[0].title, "Ed Wood (film)");
  EXPECT_EQ(question.steps[1].query, "Scott Derrickson");
}

TEST(QuestionTest, OtherFormsOfHopsAndAnswers) {
  EXPECT_EQ(Parse(R"({"id": "3hop1__1_2_3", "question": "q", "answer": "a"})").hops, 3);
  EXPECT_EQ(Parse(R"({"id": "4hop1__1_2", "question": "q", "answer": "a"})").hops, 3);
  EXPECT_EQ(Parse(R"({"type": "comparison", "question": "q", "answers": ["a"]})").hops, 2);
  EXPECT_EQ(Parse(R"({"hops": 99, "question": "q", "golden_answers": ["a"]})").hops, 3);
  EXPECT_EQ(Parse(R"({"hops": "x", "question": "q", "golden_answers": ["a", 5]})").answers.size(),
            1);
}

TEST(QuestionTest, FlashRagKeepsTheWayInTheMetadata) {
  const Question hotpot = Parse(
      R"({"id": "train_0", "question": "q", "golden_answers": ["yes"], "metadata": {"type": "bridge",
          "supporting_facts": {"title": ["A", "B", "A"], "sent_id": [0, 1, 2]}}})");
  EXPECT_EQ(hotpot.hops, 2);
  ASSERT_EQ(hotpot.steps.size(), 2);
  EXPECT_EQ(hotpot.steps[1].title, "B");
  const Question musique = Parse(
      R"({"id": "dev_0", "question": "q", "golden_answers": ["a"], "metadata":
          {"question_decomposition": [{}, {}, {}], "answer_aliases": ["b"]}})");
  EXPECT_EQ(musique.hops, 3);
  EXPECT_THAT(musique.answers, ElementsAre("a", "b"));
  EXPECT_EQ(Parse(R"({"question": "q", "golden_answers": ["a"], "metadata": {"type": "x"}})").hops,
            1);
}

TEST(QuestionTest, IsWrittenAndReadAgain) {
  const Question question{.text = "Who \"wrote\" it?",
                          .answers = {"A", "B\n"},
                          .hops = 2,
                          .steps = {{"q", "t", "f", "why"}, {"q2", "t2", "", ""}},
                          .conclusion = "It is A."};
  EXPECT_EQ(Parse(QuestionLine(question)), question);
}

TEST(QuestionTest, FaultyLinesAreNamedAndTheOthersStay) {
  const std::string path = ::testing::TempDir() + "/faulty-questions.jsonl";
  ASSERT_TRUE(
      WriteFileAtomically(
          path,
          absl::StrCat(
              R"({"question": "q", "answer": ["a"]})", "\n", R"({"question": "q"})", "\n",
              R"({"answer": ["a"]})", "\n\nnonsense\n", R"({"question": "q", "answer": [1]})", "\n",
              R"({"question": "q", "answer": "a", "supporting_facts": [5, [], [7]], "steps": 3})",
              "\n", R"({"question": "q", "answer": "a", "steps": [3, {"query": 4}]})", "\n",
              std::string(20000, '['), "\n"))
          .ok());
  std::vector<Question> questions;
  Faults faults;
  ASSERT_TRUE(ReadQuestions(path, &questions, &faults).ok());
  EXPECT_EQ(questions.size(), 3);
  EXPECT_EQ(faults.count, 5);
  EXPECT_THAT(faults.first[0], HasSubstr(absl::StrCat(path, ":2: has no \"answer\"")));
  EXPECT_THAT(faults.first[2], HasSubstr(":5: not JSON"));
  EXPECT_THAT(faults.first[4], HasSubstr("nested deeper"));
  std::filesystem::remove(path);
}

TEST(QuestionTest, TheSharedQuestionsLoad) {
  const std::string path = "../shared/data/searchqa/nq_open_dev_a.jsonl";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  std::vector<Question> questions;
  Faults faults;
  ASSERT_TRUE(ReadQuestions(path, &questions, &faults).ok());
  EXPECT_EQ(questions.size(), 1805);
  EXPECT_EQ(faults.count, 0);
}

}  // namespace
}  // namespace sojourn::envs::searchqa
