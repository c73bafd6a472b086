#include "envs/textcraft/recipe_book.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::textcraft {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::shared_ptr<const RecipeBook> Read(std::string_view table) {
  auto book = RecipeBook::Parse(table);
  EXPECT_TRUE(book.ok()) << book.status();
  return *book;
}

std::vector<std::string> Texts(const RecipeBook& book, const std::vector<int>& recipes) {
  std::vector<std::string> texts;
  for (const int recipe : recipes) texts.push_back(book.recipes()[recipe].text);
  return texts;
}

std::vector<std::string> Goals(const RecipeBook& book) {
  std::vector<std::string> goals;
  for (const int goal : book.goals()) goals.push_back(book.names()[goal].id);
  return goals;
}

TEST(RecipeBookTest, MinecraftHasTheStudysGoals) {
  const auto book = RecipeBook::Minecraft();
  ASSERT_TRUE(book.ok()) << book.status();
  EXPECT_EQ((*book)->recipes().size(), 613);
  std::map<int, int> goals_by_depth;
  for (const int goal : (*book)->goals()) ++goals_by_depth[(*book)->names()[goal].depth];
  EXPECT_EQ(goals_by_depth, (std::map<int, int>{{1, 125}, {2, 291}, {3, 117}, {4, 11}}));
  EXPECT_EQ(Goals(**book)[0], "acacia_planks");
}

TEST(RecipeBookTest, RecipesReadAsCommands) {
  const auto book = Read("3 oak_sign (sign) = 6 oak_planks, 1 stick\n");
  EXPECT_EQ(book->recipes()[0].text, "craft 3 oak sign using 6 oak planks, 1 stick");
}

TEST(RecipeBookTest, BlocksAreNotTakenApart) {
  const auto book = Read("9 coal = 1 coal_block\n1 coal_block = 9 coal\n");
  EXPECT_THAT(Goals(*book), ElementsAre("coal_block"));
  EXPECT_TRUE(book->IsGettable(book->Find("coal")));
}

TEST(RecipeBookTest, TheLaterRecipeOfACircleIsDropped) {
  const auto book = Read("9 nugget = 1 ingot\n1 ingot = 9 nugget\n1 ring = 2 ingot\n");
  EXPECT_THAT(Goals(*book), ElementsAre("nugget", "ring"));
}

TEST(RecipeBookTest, AGroupIsATagWithMembers) {
  const auto book = Read(
      "4 oak_planks (planks) = 1 #oak_logs\n"
      "4 birch_planks (planks) = 1 birch_log\n"
      "4 stick (sticks) = 2 #planks\n");
  const Name& planks = book->names()[book->Find("planks")];
  EXPECT_TRUE(planks.is_tag);
  EXPECT_THAT(planks.members, ElementsAre(book->Find("oak_planks"), book->Find("birch_planks")));
  EXPECT_EQ(book->names()[book->Find("stick")].depth, 2);
  EXPECT_FALSE(book->IsGettable(book->Find("planks")));
}

TEST(RecipeBookTest, ATagWithoutCraftableMembersIsAnItem) {
  const auto book = Read("4 oak_planks = 1 #oak_logs\n");
  EXPECT_TRUE(book->IsGettable(book->Find("oak_logs")));
  EXPECT_FALSE(book->recipes()[0].inputs[0].is_tag);
}

TEST(RecipeBookTest, TheTreeHoldsAllWaysAndDistractorsShareAnIngredient) {
  const auto book = Read(
      "1 dye = 1 ink\n1 dye = 1 rose\n1 wool = 4 string\n1 black_wool = 1 dye, 1 wool\n"
      "1 bow = 3 string, 3 stick\n1 book = 1 paper\n1 black_bed = 3 black_wool\n");
  const std::vector<int> tree = book->Tree(book->Find("black_wool"));
  EXPECT_THAT(Texts(*book, tree),
              ::testing::UnorderedElementsAre("craft 1 black wool using 1 dye, 1 wool",
                                              "craft 1 dye using 1 ink", "craft 1 dye using 1 rose",
                                              "craft 1 wool using 4 string"));
  EXPECT_THAT(Texts(*book, book->Distractors(book->Find("black_wool"))),
              ElementsAre("craft 1 bow using 3 string, 3 stick"));
}

TEST(RecipeBookTest, SaysWhichLineOfATableIsWrong) {
  for (const std::string_view bad : {"oak_sign = 1 stick", "1 a = b", "1 a", "0 a = 1 b",
                                     "1 a (g = 1 b", "1 a = 1 b,", "1 a = -1 b"}) {
    const auto book = RecipeBook::Parse(absl::StrCat("# header\n", bad, "\n"));
    EXPECT_EQ(book.status().code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(book.status().message(), HasSubstr("line 2")) << bad;
  }
  EXPECT_THAT(RecipeBook::Parse("1 a = 1 b, 2 b\n").status().message(), HasSubstr("twice"));
  EXPECT_THAT(RecipeBook::Parse("1 a (t) = 1 #u\n1 b (u) = 1 #t\n").status().message(),
              HasSubstr("from itself"));
}

}  // namespace
}  // namespace sojourn::envs::textcraft
