#include "envs/searchqa/answer.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace sojourn::envs::searchqa {
namespace {

std::string KindName(Move::Kind kind) {
  return kind == Move::kSearch ? "search" : kind == Move::kAnswer ? "answer" : "none";
}

// testdata/make_answers.py asked AgentGym's own functions.
TEST(AnswerTest, ReadsAndNormalizesAsAgentGym) {
  std::ifstream file("envs/searchqa/testdata/answers.jsonl");
  int lines = 0;
  for (std::string text; std::getline(file, text); ++lines) {
    const nlohmann::json line = nlohmann::json::parse(text);
    if (line.contains("answer")) {
      EXPECT_EQ(NormalizeAnswer(line["answer"].get<std::string>()), line["normalized"]) << text;
    } else {
      const auto response = line["response"].get<std::string>();
      const Move move = ReadMove(response);
      EXPECT_EQ(KindName(move.kind), line["kind"].is_null() ? "none" : line["kind"]) << text;
      EXPECT_EQ(move.text, line["text"]) << text;
    }
  }
  EXPECT_GT(lines, 400);
}

TEST(AnswerTest, AnyOfTheAnswersIsRight) {
  EXPECT_TRUE(IsExactMatch("the  Rihanna.", {"Beyonce", "Rihanna"}));
  EXPECT_FALSE(IsExactMatch("Rihanna Fenty", {"Rihanna"}));
  EXPECT_FALSE(IsExactMatch("x", {}));
}

TEST(AnswerTest, TakesBytesThatAreNotUtf8AndEndlessTexts) {
  EXPECT_EQ(NormalizeAnswer("\xff the \xc3"), "\xff \xc3");
  std::string nested;
  for (int i = 0; i < 200000; ++i) nested += i % 2 ? "<answer>" : "<search>";
  EXPECT_EQ(ReadMove(nested).kind, Move::kNone);
  nested += "</answer>";
  EXPECT_EQ(ReadMove(nested).kind, Move::kAnswer);
  EXPECT_EQ(NormalizeAnswer(std::string(1 << 20, 'a')).size(), 1 << 20);
}

}  // namespace
}  // namespace sojourn::envs::searchqa
