#include "envs/textcraft/listing.h"

#include <algorithm>
#include <set>

#include "gtest/gtest.h"

namespace sojourn::envs::textcraft {
namespace {

class ListingTest : public ::testing::Test {
 protected:
  std::vector<int> Draw(std::string_view goal, int distractors, uint64_t seed) {
    Random random{RandomKey(seed)};
    return DrawListing(*book_, book_->Find(goal), distractors, random);
  }
  std::shared_ptr<const RecipeBook> book_ = *RecipeBook::Minecraft();
};

TEST_F(ListingTest, ShowsTheWholeTreeAndTheDistractorsAskedFor) {
  const std::vector<int> tree = book_->Tree(book_->Find("oak_sign"));
  const size_t others = book_->Distractors(book_->Find("oak_sign")).size();
  for (const int distractors : {0, 3, 10, 1000}) {
    const std::vector<int> listing = Draw("oak_sign", distractors, 1);
    EXPECT_EQ(listing.size(), tree.size() + std::min<size_t>(distractors, others));
    EXPECT_EQ(std::set<int>(listing.begin(), listing.end()).size(), listing.size());
    for (const int recipe : tree) {
      EXPECT_NE(std::find(listing.begin(), listing.end(), recipe), listing.end());
    }
  }
}

TEST_F(ListingTest, TheSeedAloneDecides) {
  EXPECT_EQ(Draw("oak_sign", 10, 1), Draw("oak_sign", 10, 1));
  EXPECT_NE(Draw("oak_sign", 10, 1), Draw("oak_sign", 10, 2));
}

}  // namespace
}  // namespace sojourn::envs::textcraft
