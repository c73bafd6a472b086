#include "envs/webshop/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envs/webshop/generator.h"
#include "envs/webshop/shop.h"

namespace sojourn::envs::webshop {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ParseShopAction, ReadsANameAndWhatStandsInBrackets) {
  EXPECT_EQ(ParseShopAction("search[red shoes]").name, "search");
  EXPECT_EQ(ParseShopAction("search[red shoes]").argument, "red shoes");
  EXPECT_EQ(ParseShopAction("click[a] and more").argument, "a");
  EXPECT_FALSE(ParseShopAction("search[]").has_argument);
  EXPECT_FALSE(ParseShopAction("[a]").has_argument);
}

TEST(Session, LeadsFromASearchToAPurchase) {
  const auto shop = Shop::Make(MakeProducts(0, 100), GoalKind::kSynthetic);
  Session session(shop->catalogue, RandomKey(0));
  const Goal goal = shop->goal(0);
  const Product& product = shop->catalogue->products()[goal.product];
  session.Begin(goal);
  EXPECT_EQ(session.Observation(),
            "WebShop [SEP] Instruction: [SEP] " + goal.instruction_text + " [SEP] Search");
  EXPECT_TRUE(session.Step("search[" + product.title + "]")->acted);
  EXPECT_THAT(session.Observation(), HasSubstr("Back to Search [SEP] Page 1 (Total results: "));
  EXPECT_THAT(session.Observation(),
              HasSubstr(product.asin + " [SEP] " + product.title + " [SEP] " + product.price_tag));
  EXPECT_TRUE(session.Step("click[" + product.asin + "]")->acted);
  EXPECT_TRUE(session.Step("click[features]")->acted);
  EXPECT_THAT(session.Observation(), HasSubstr("< Prev [SEP] " + product.features[0]));
  EXPECT_TRUE(session.Step("click[< prev]")->acted);
  const auto reply = session.Step("click[buy now]");  // without the options
  EXPECT_TRUE(reply->done);
  EXPECT_EQ(session.score()->options_met, 0);
  EXPECT_EQ(session.score()->attributes_met, session.score()->attributes);
  EXPECT_EQ(reply->reward,
            (session.score()->attributes + 1.0) / (session.score()->attributes + goal.options.size() + 1));
  EXPECT_THAT(session.Observation(), StartsWith("Thank you for shopping with us!"));
}

}  // namespace
}  // namespace sojourn::envs::webshop
