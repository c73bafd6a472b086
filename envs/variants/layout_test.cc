#include "envs/variants/layout.h"

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::variants {
namespace {

TEST(LayoutTest, ListsGetAnotherOrderAndKeepTheirElements) {
  Interface interface;
  interface.lists = {{.begin = "see ", .separator = ", ", .end = ".", .last = "and "},
                     {.begin = "Inventory: ", .separator = ") "}};
  std::set<std::string> seen;
  for (uint64_t key = 0; key < 100; ++key)
    seen.insert(ShuffleLists("You see a 1, b 2, and c 3. Ok.", interface, RandomKey(key)));
  EXPECT_EQ(seen, (std::set<std::string>{
                      "You see a 1, c 3, and b 2. Ok.", "You see b 2, a 1, and c 3. Ok.",
                      "You see b 2, c 3, and a 1. Ok.", "You see c 3, a 1, and b 2. Ok.",
                      "You see c 3, b 2, and a 1. Ok."}));
  EXPECT_EQ(ShuffleLists("Inventory: [a] (1) [b] (2) ", interface, RandomKey(1)),
            "Inventory: [b] (2) [a] (1) ");
  EXPECT_EQ(ShuffleLists("You see a 1. Inventory: none", interface, RandomKey(1)),
            "You see a 1. Inventory: none");
  EXPECT_EQ(ShuffleLists("You see no end", interface, RandomKey(1)), "You see no end");
}

TEST(LayoutTest, ElementsOfSeveralFieldsStayWhole) {
  Interface interface;
  interface.lists = {{.begin = "Next > ", .separator = " | ", .fields = 2}};
  EXPECT_EQ(ShuffleLists("Next > a | 1 | b | 2\nEnd", interface, RandomKey(1)),
            "Next > b | 2 | a | 1\nEnd");
  // A name that holds the separator: where it ends cannot be told.
  EXPECT_EQ(ShuffleLists("Next > a | a | 1 | b | 2", interface, RandomKey(1)),
            "Next > a | a | 1 | b | 2");
}

TEST(LayoutTest, ListsOfActionsAreLeftOutWithTheirLine) {
  Interface interface;
  interface.lists = {{.begin = "Available: [", .separator = ", ", .end = "]", .of_actions = true},
                     {.begin = "Seen: ", .separator = ", "}};
  EXPECT_EQ(WithoutActionLists("A room.\nAvailable: [a, b]", interface), "A room.");
  EXPECT_EQ(WithoutActionLists("A room.\nAvailable: [a, b]\nSeen: c", interface),
            "A room.\nSeen: c");
  EXPECT_EQ(WithoutActionLists("You may (Available: [a]) go", interface), "You may () go");
  EXPECT_EQ(WithoutActionLists("Available: [a", interface), "Available: [a");
}

TEST(LayoutTest, SentencesGetOtherWordsAroundWhatTheyTell) {
  Interface interface;
  interface.sentences = {{"There is a $1 #2 steps ahead.", {"#2 ahead: $1."}},
                         {"There is a $1.", {"$1!"}},
                         {"Got #1 $2", {"$2, #1"}}};
  const RandomKey key(0);
  EXPECT_EQ(Paraphrase("There is a red ball 1 3 steps ahead. There is a box.", interface, key),
            "3 ahead: red ball 1. box!");
  EXPECT_EQ(Paraphrase("There is a key. There is a ball 2 steps ahead.", interface, key),
            "key! 2 ahead: ball.");
  EXPECT_EQ(Paraphrase("Got 2 oak log\nGot two", interface, key), "oak log, 2\nGot two");
}

TEST(LayoutTest, PartsChangePlacesInTheSameWayInEveryText) {
  Interface interface;
  interface.parts = {"Goal: ", "You see ", "Actions: "};
  std::set<std::string> seen;
  for (uint64_t key = 0; key < 100; ++key) {
    const std::string first =
        Paraphrase("Goal: x\nYou see y. Actions: z", interface, RandomKey(key));
    seen.insert(first);
    const std::string later = Paraphrase("You see w. Actions: v", interface, RandomKey(key));
    EXPECT_EQ(first.find("You see") < first.find("Actions"),
              later.find("You see") < later.find("Actions"));
  }
  EXPECT_EQ(seen.size(), 5);  // all orders but the original's
  EXPECT_FALSE(seen.contains("Goal: x\nYou see y.\nActions: z"));
}

}  // namespace
}  // namespace sojourn::envs::variants
