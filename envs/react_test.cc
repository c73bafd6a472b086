#include "envs/react.h"

#include "gtest/gtest.h"

namespace sojourn::envs {
namespace {

TEST(ReActTest, AFormattedResponseIsReadBack) {
  const std::string response = FormatReAct("for oak planks using 1 oak logs", "get 1 oak logs");
  EXPECT_EQ(response, "Thought: for oak planks using 1 oak logs\nAction: get 1 oak logs");
  EXPECT_EQ(*ParseAction(response), "get 1 oak logs");
}

TEST(ReActTest, TheActionIsTheFirstLineThatIsNotBlank) {
  EXPECT_EQ(*ParseAction("Thought:\nI see.\n\nAction:\n \n turn left\nmore"), "turn left");
  EXPECT_EQ(*ParseAction("Action:\u2028turn left"), "turn left");
  EXPECT_EQ(*ParseAction("Action:\n\n"), "");
  EXPECT_EQ(*ParseAction("turn left"), "");
  EXPECT_EQ(*ParseAction("action: turn left"), "");
}

TEST(ReActTest, SeveralActionLinesAreAnError) {
  EXPECT_EQ(ParseAction("Action: a\nAction: b").status().message(),
            "Error: Only one 'Action' is allowed per response. Please adjust your response.");
  EXPECT_EQ(*ParseAction("Action: a Action: b"), "a Action b");
  EXPECT_EQ(*ParseAction("Action:\nAction: b"), "Action b");
}

TEST(ReActTest, OnlyLettersDigitsCommasAndSpacesStay) {
  EXPECT_EQ(CleanAction(" craft  1 oak_sign\tusing 2 `a`,1 h\u00e9llo. "),
            "craft 1 oaksignusing 2 a,1 hllo");
  EXPECT_EQ(CleanAction("- ."), "");
}

}  // namespace
}  // namespace sojourn::envs
