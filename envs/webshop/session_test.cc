#include "envs/webshop/session.h"

#include "absl/strings/str_cat.h"
#include "envs/webshop/generator.h"
#include "envs/webshop/shop.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::webshop {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

Product Shirt(int number) {
  Product shirt;
  shirt.asin = absl::StrCat("B00000000", number);
  shirt.title = absl::StrCat("Plain Shirt No ", number);
  shirt.description = "A shirt.";
  shirt.features = {"machine wash", "soft"};
  shirt.category = "fashion";
  shirt.query = "men's shirts";
  shirt.product_category = "Clothing \u203a Men \u203a Shirts";
  shirt.attributes = {"machine wash"};
  shirt.options = {{"color", {"blue", "dark red"}}, {"size", {"small", "large"}}};
  shirt.price_tag = "$20.00";
  shirt.price = 20;
  return shirt;
}

// A shop with 12 shirts and a customer who wants the last, in dark red and large.
class SessionTest : public testing::Test {
 protected:
  SessionTest() {
    std::vector<Product> products;
    for (int i = 0; i < 10; ++i) products.push_back(Shirt(i));
    products.push_back(Shirt(0));
    products.back().asin = "B0000000AA";
    products.back().title = "Velvet Shirt";
    products.push_back(Shirt(0));
    products.back().asin = "B0000000AB";
    catalogue_ = Catalogue::Make(std::move(products));
    session_ = std::make_unique<Session>(catalogue_, RandomKey(1));
    session_->Begin({.product = 10,
                     .instruction_text = "Find me machine wash shirts",
                     .attributes = {"machine wash"},
                     .options = {{"color", "dark red"}, {"size", "large"}},
                     .price_upper = 30});
  }

  Session::Reply Step(std::string_view action) {
    const auto reply = session_->Step(action);
    EXPECT_TRUE(reply.ok()) << action << ": " << reply.status();
    return reply.value_or(Session::Reply());
  }
  std::string See() const { return session_->Observation(); }

  std::shared_ptr<const Catalogue> catalogue_;
  std::unique_ptr<Session> session_;
};

TEST_F(SessionTest, BeginsWithTheInstructionAndASearchBar) {
  EXPECT_EQ(See(), "WebShop [SEP] Instruction: [SEP] Find me machine wash shirts [SEP] Search");
  EXPECT_TRUE(session_->GetAvailableActions().has_search_bar);
  EXPECT_THAT(session_->GetAvailableActions().clickables, ElementsAre("search"));
}

TEST_F(SessionTest, ResultsComeTenAPage) {
  EXPECT_TRUE(Step("search[shirt]").acted);
  EXPECT_THAT(See(), HasSubstr("Back to Search [SEP] Page 1 (Total results: 12) [SEP] Next >"));
  EXPECT_EQ(session_->page().products.size(), 10);
  EXPECT_FALSE(session_->GetAvailableActions().has_search_bar);
  Step("click[next >]");
  EXPECT_THAT(See(), HasSubstr("Page 2 (Total results: 12) [SEP] < Prev"));
  EXPECT_EQ(session_->page().products.size(), 2);
  Step("click[< prev]");
  EXPECT_THAT(See(), HasSubstr("Page 1 "));
  Step("search[nothing of this kind]");
  EXPECT_THAT(See(), HasSubstr("Page 1 "));  // there is no search bar here
}

TEST_F(SessionTest, BuyingWhatWasAskedForIsWorthOne) {
  Step("search[velvet]");
  Step("click[b0000000aa]");
  EXPECT_THAT(See(), HasSubstr("color [SEP] blue [SEP] dark red [SEP] size [SEP] small [SEP] large [SEP] Velvet Shirt "
                               "[SEP] Price: $20.00"));
  Step("click[dark red]");
  Step("click[large]");
  const Session::Reply reply = Step("click[buy now]");
  EXPECT_TRUE(reply.done);
  EXPECT_EQ(reply.reward, 1);
  EXPECT_THAT(See(), StartsWith("Thank you for shopping with us!"));
}

TEST_F(SessionTest, APurchaseIsWorthTheShareOfWhatItMeets) {
  Step("search[velvet]");
  Step("click[b0000000aa]");
  Step("click[dark red]");
  Step("click[small]");
  const Session::Reply reply = Step("click[buy now]");
  // One attribute, one of two options, the price: 3 of 4.
  EXPECT_DOUBLE_EQ(reply.reward, 0.75);
  EXPECT_EQ(session_->score()->options_met, 1);
  EXPECT_TRUE(session_->score()->price_met);
}

TEST_F(SessionTest, PagesOfAProductLeadBackToIt) {
  Step("search[velvet]");
  Step("click[b0000000aa]");
  Step("click[large]");
  const std::string item = See();
  for (const char* page : {"description", "features", "reviews"}) {
    EXPECT_TRUE(Step(absl::StrCat("click[", page, "]")).acted) << page;
    EXPECT_NE(See(), item);
    Step("click[< prev]");
    EXPECT_EQ(See(), item) << page;
  }
  EXPECT_THAT(session_->chosen(), ElementsAre(Option("size", "large")));
}

TEST_F(SessionTest, WhatIsNotOnThePageDoesNothing) {
  Step("search[velvet]");
  const std::string results = See();
  for (const char* action : {"click[buy now]", "click[nothing]", "click[B0000000ZZ]", "look around", "", "click",
                             "search", "[velvet]", "buy[it]"}) {
    const Session::Reply reply = Step(action);
    EXPECT_FALSE(reply.acted) << action;
    EXPECT_EQ(reply.reward, 0) << action;
    EXPECT_EQ(See(), results) << action;
  }
}

TEST_F(SessionTest, AFailedResetLeavesAPageOnWhichOnlyTheSearchWorks) {
  Step("search[velvet]");
  const std::string results = See();
  session_->Lose(session_->goal());
  EXPECT_EQ(See(), results);
  EXPECT_THAT(session_->GetAvailableActions().clickables, Not(Contains("buy now")));
  EXPECT_TRUE(Step("click[back to search]").acted);
  EXPECT_THAT(See(), StartsWith("WebShop [SEP] Instruction:"));
}

TEST(ParseShopAction, ReadsANameAndWhatStandsInBrackets) {
  EXPECT_EQ(ParseShopAction("search[red shoes]").name, "search");
  EXPECT_EQ(ParseShopAction("search[red shoes]").argument, "red shoes");
  EXPECT_EQ(ParseShopAction("click[a] and more").argument, "a");
  EXPECT_FALSE(ParseShopAction("search[]").has_argument);
  EXPECT_FALSE(ParseShopAction("[a]").has_argument);
}

TEST(MadeUpShop, LeadsFromASearchToAPurchase) {
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
