#include "envs/alfworld/grammar.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "envs/alfworld/wording.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::alfworld {
namespace {

using ::testing::HasSubstr;

constexpr Rules kRules{.has_help = true};

std::string With(std::string_view what, std::string_view other) {
  std::string text = GrammarText("Your task is to: rest.");
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), other);
}

std::string ErrorOf(const std::string& text) {
  return std::string(Grammar::Parse(text, kRules).status().message());
}

// An agent 0 at location 3 of receptacle 1, which holds the objects 2 and 4.
class GrammarTest : public ::testing::Test {
 protected:
  GrammarTest() {
    fixed_[static_cast<int>(Predicate::kReceptacleAtLocation)].Add(1, 3);
    state_.Make(Predicate::kAtLocation, 0, 3);
    for (const Entity object : {2, 4}) {
      state_.Make(Predicate::kInReceptacle, object, 1);
      state_.Make(Predicate::kObjectAtLocation, object, 3);
    }
  }

  // The answer to "examine desk 1" when that is the rule for it.
  std::string Tell(std::string_view rule) {
    const auto grammar = Grammar::Parse(
        With("feedback :: \"#contents#\"", absl::StrCat("feedback :: \"", std::string(rule), "\"")),
        kRules);
    if (!grammar.ok()) return std::string(grammar.status().message());
    return (*grammar)->Feedback(Verb::kExamineReceptacle, {0, 1},
                                {World(&fixed_, &state_), names_, task_});
  }

  std::array<Relation, kPredicates> fixed_;
  State state_;
  const std::vector<std::string> names_ = {"agent1 ", "desk 1", "mug 2", "loc 1", "pen 1"};
  const std::string task_ = "Your task is to: rest.";
};

TEST_F(GrammarTest, TellsListsWithCommas) {
  constexpr std::string_view kInside =
      "[{o.indefinite + ' ' + o.name | inreceptacle(o:object, r:receptacle)}]";
  EXPECT_EQ(Tell(kInside), "a mug 2, and a pen 1");
  EXPECT_EQ(Tell("{o.name | inreceptacle(o:object, r:receptacle)}"), "mug 2pen 1");
  state_.Unmake(Predicate::kInReceptacle, 4, 1);
  EXPECT_EQ(Tell(kInside), "a mug 2");
  state_.Unmake(Predicate::kInReceptacle, 2, 1);
  EXPECT_EQ(Tell(kInside), "nothing");
}

TEST_F(GrammarTest, DifferentVariablesAreDifferentThings) {
  EXPECT_EQ(
      Tell(
          "{p.name | inreceptacle(o:object, r:receptacle) & inreceptacle(p:object, r:receptacle)}"),
      "pen 1mug 2");
  // A variable of another type is another variable, and nothing but r is a receptacle here.
  EXPECT_EQ(Tell("{r.name | inreceptacle(o:object, r:object)}."), ".");
}

TEST_F(GrammarTest, NegativeFactsAreThoseThatActionsMade) {
  EXPECT_EQ(Tell("{o.name | not_inreceptacle(o:object, r:receptacle)}"), "");
  state_.Unmake(Predicate::kInReceptacle, 2, 1);
  EXPECT_EQ(Tell("{o.name | not_inreceptacle(o:object, r:receptacle)}"), "mug 2");
  state_.Make(Predicate::kInReceptacle, 2, 1);
  EXPECT_EQ(Tell("{o.name | not_inreceptacle(o:object, r:receptacle)}"), "");
}

TEST_F(GrammarTest, ReadsTextAsTextWorldDoes) {
  EXPECT_EQ(Tell("\n  {r.name}\t and more"), "desk 1 and more");
  EXPECT_EQ(Tell("{r} is {r.definite} {r.name or r.id}"), "desk 1 is the desk 1");
  EXPECT_EQ(Tell("this; not that"), "this");
  EXPECT_EQ(Tell("this } not that"), "this ");
  EXPECT_EQ(Tell("a [list"), "a ");
  EXPECT_EQ(Tell("number #1"), "number ");
  EXPECT_EQ(Tell("//a comment\nand #task#"), "and Your task is to: rest.");
}

TEST_F(GrammarTest, WhatCannotBeToldIsRefusedWhenItIsRead) {
  EXPECT_THAT(Tell("#nope#"), HasSubstr("there is no rule \"nope\""));
  EXPECT_THAT(Tell("{o.name}"), HasSubstr("nothing is called \"o\" here"));
  EXPECT_THAT(Tell("{r.colour}"), HasSubstr("nothing is known but name"));
  EXPECT_THAT(Tell("{r.name.upper()}"), HasSubstr("nothing is known but name"));
  EXPECT_THAT(Tell("{print(r)}"), HasSubstr("is not understood"));
  EXPECT_THAT(Tell("{r.name | isred(r:receptacle)}"),
              HasSubstr("nothing is known of the predicate \"isred\""));
  EXPECT_THAT(Tell("{r.name | opened(r:receptacle, a:agent)}"), HasSubstr("takes 1 arguments"));
  EXPECT_THAT(Tell("{r.name | opened(r)}"), HasSubstr("is no name:type"));
  EXPECT_THAT(Tell("{r.name | opened}"), HasSubstr("expected predicate(x:type)"));
  EXPECT_THAT(ErrorOf(With("\"rhs\": \"#room#\"", "\"rhs\": \"#around#\"")),
              HasSubstr("without end"));
  EXPECT_THAT(ErrorOf(With("{\"rhs\": \"#room#\"}",
                           "{\"condition\": \"opened(r:receptacle)\", \"rhs\": \"\"}")),
              HasSubstr("its last alternative has a condition"));
}

TEST(Grammar, SaysWhereItIsBroken) {
  EXPECT_THAT(ErrorOf("nonsense"), HasSubstr("line 1: expected \"grammar\" or \"action\""));
  EXPECT_THAT(ErrorOf("\n# a comment\naction look"), HasSubstr("line 3: expected: action NAME {"));
  EXPECT_THAT(ErrorOf(With("action look {", "action lok {")), HasSubstr("there is no action look"));
  EXPECT_THAT(ErrorOf(With("\"around\": [", "\"around\": {")), HasSubstr("no JSON object"));
  EXPECT_THAT(ErrorOf(With("\"inside\": [", "\"inside\": 3, \"more\": [")),
              HasSubstr("rule \"inside\": no list"));
  EXPECT_THAT(ErrorOf(With("\"rhs\": \"nothing\"", "\"lhs\": \"nothing\"")),
              HasSubstr("expected alternatives"));
  const std::string text = GrammarText("");
  for (size_t size = 0; size < text.size(); size += 37) {
    EXPECT_FALSE(Grammar::Parse(text.substr(0, size), kRules).ok()) << size;
  }
}

TEST(Grammar, TheTaskIsTakenOut) {
  const auto split = Grammar::SplitTask(GrammarText("Your task is to: \"rest\"; or not."));
  ASSERT_TRUE(split.ok()) << split.status();
  EXPECT_EQ(split->first, GrammarText(""));
  EXPECT_EQ(split->second, "Your task is to: rest");  // it ends where TextWorld's parser stops
  EXPECT_FALSE(Grammar::SplitTask("{\"tasks\": 3}").ok());
  EXPECT_FALSE(Grammar::SplitTask("\"task\": [{\"rhs\": \"never ends").ok());
  EXPECT_THAT(std::string(Grammar::SplitTask(GrammarText("#intro#")).status().message()),
              HasSubstr("not plain text"));
}

}  // namespace
}  // namespace sojourn::envs::alfworld
