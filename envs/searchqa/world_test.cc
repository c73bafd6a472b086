#include "envs/searchqa/world.h"

#include <map>
#include <set>

#include "absl/strings/match.h"
#include "envs/searchqa/passage_index.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::searchqa {
namespace {

TEST(WorldTest, MixingIsOneToOne) {
  for (const int bits : {2, 6, 10}) {
    std::set<uint64_t> seen;
    for (uint64_t i = 0; i < uint64_t{1} << bits; ++i) seen.insert(MixBits(RandomKey(5), i, bits));
    EXPECT_EQ(seen.size(), uint64_t{1} << bits);
    EXPECT_LT(*seen.rbegin(), uint64_t{1} << bits);
  }
}

TEST(WorldTest, TheSeedAloneDecides) {
  const World a(3, Split::kTrain, 500), b(3, Split::kTrain, 500), other(4, Split::kTrain, 500);
  EXPECT_EQ(a.Passage(77), b.Passage(77));
  EXPECT_EQ(a.MakeQuestion(2, 9), b.MakeQuestion(2, 9));
  EXPECT_NE(a.Passage(77), other.Passage(77));
}

std::set<std::string> Titles(const World& world) {
  std::set<std::string> titles;
  for (uint32_t i = 0; i < world.passages(); ++i) titles.emplace(Title(world.Passage(i)));
  return titles;
}

TEST(WorldTest, TheSplitsShareNoNameAndNoQuestion) {
  const World train(0, Split::kTrain, 4000), test(0, Split::kTest, 4000);
  const std::set<std::string> titles = Titles(train);
  EXPECT_GE(titles.size(), 4000 * 0.74);  // three quarters are of one entity each
  for (const std::string& title : Titles(test)) EXPECT_FALSE(titles.contains(title)) << title;
  for (int hops = 1; hops <= kMostHops; ++hops) {
    std::set<std::string> questions;
    for (int i = 0; i < 1000; ++i) questions.insert(train.MakeQuestion(hops, i).text);
    EXPECT_EQ(questions.size(), 1000) << hops;
    for (int i = 0; i < 1000; ++i) {
      EXPECT_FALSE(questions.contains(test.MakeQuestion(hops, i).text));
    }
  }
}

TEST(WorldTest, EveryStepsPassageTellsItsFact) {
  const World world(1, Split::kTest, 400);
  std::map<std::string, std::string> by_title;
  for (uint32_t i = 0; i < world.passages(); ++i) {
    const std::string passage = world.Passage(i);
    by_title.emplace(Title(passage), passage);  // the first one is the entity's own
  }
  for (int hops = 1; hops <= kMostHops; ++hops) {
    ASSERT_GT(world.QuestionCount(hops), 500);
    for (int i = 0; i < 500; ++i) {
      const Question question = world.MakeQuestion(hops, i);
      ASSERT_EQ(question.steps.size(), hops) << question.text;
      EXPECT_TRUE(absl::StrContains(question.text, question.steps[0].title));
      EXPECT_EQ(question.steps.back().found, question.answers.front());
      for (const Question::Step& step : question.steps) {
        EXPECT_TRUE(absl::StrContains(by_title[step.title], step.found))
            << question.text << ": " << by_title[step.title] << " / " << step.found;
      }
      // Nothing of a later step stands in the question.
      for (size_t s = 1; s < question.steps.size(); ++s) {
        EXPECT_FALSE(absl::StrContains(question.text, question.steps[s].title)) << question.text;
      }
    }
  }
}

TEST(WorldTest, TakesAnyNumberOfPassages) {
  for (const uint32_t passages : {kFewestPassages, 2'000'000u, kMostPassages}) {
    const World world(0, Split::kTrain, passages);
    for (const uint32_t number : {0u, passages / 2, passages - 1}) {
      EXPECT_FALSE(TextBelow(world.Passage(number)).empty());
    }
    for (int hops = 1; hops <= kMostHops; ++hops) {
      EXPECT_FALSE(world.MakeQuestion(hops, world.QuestionCount(hops) - 1).text.empty());
    }
  }
}

}  // namespace
}  // namespace sojourn::envs::searchqa
