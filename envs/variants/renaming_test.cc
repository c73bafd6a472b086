#include "envs/variants/renaming.h"

#include <cstdio>
#include <random>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::variants {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

Renaming Make(const std::vector<Interface::Word>& words, bool made_up = false, uint64_t seed = 0) {
  Renaming renaming;
  renaming.Reserve(words);
  renaming.Add(words, made_up, Random(RandomKey(seed)));
  return renaming;
}

TEST(RenamingTest, WordsChangePlacesWithTheirOthers) {
  const Renaming renaming = Make({{"get", {"fetch"}}});
  EXPECT_EQ(renaming.Apply("get 2 oak log"), "fetch 2 oak log");
  EXPECT_EQ(renaming.Apply("fetch 2 oak log"), "get 2 oak log");
  EXPECT_EQ(renaming.Apply("Get it, get_it; gets target get"),
            "Fetch it, fetch_it; gets target fetch");
}

TEST(RenamingTest, OfSeveralPhrasesTheLongestIsTaken) {
  const Renaming renaming = Make({{"toggle", {"flip"}},
                                  {"go through", {"cross"}},
                                  {"toggle and go through", {"flip and enter"}}});
  EXPECT_EQ(renaming.Apply("toggle and go through red door 1"), "flip and enter red door 1");
  EXPECT_EQ(renaming.Apply("flip and enter red door 1"), "toggle and go through red door 1");
  EXPECT_EQ(renaming.Apply("toggle and go, go through, toggle"), "flip and go, cross, flip");
}

TEST(RenamingTest, FormsChangeWithTheirWord) {
  const Renaming renaming = Make({{"craft|crafted|crafting", {"make|made|making"}}});
  EXPECT_EQ(renaming.Apply("Crafting: craft a minecraft:x, crafted"),
            "Making: make a minecraft:x, made");
  EXPECT_THAT(Make({{"get|got", {}}}).Apply("get got"), MatchesRegex("([a-z]+) [a-z]+ed"));
}

TEST(RenamingTest, MadeUpWordsKeepPluralsAndAreAllDifferent) {
  std::vector<Interface::Word> words = {{"log", {}}, {"logs", {}}};
  for (int i = 0; i < 2000; ++i) words.push_back({absl::StrCat("x", i), {}});
  const Renaming renaming = Make(words);
  const std::string log = renaming.Apply("log");
  EXPECT_EQ(renaming.Apply("logs"), log + "s");
  std::set<std::string> others;
  for (const Interface::Word& word : words) others.insert(renaming.Apply(word.text));
  EXPECT_EQ(others.size(), words.size());
}

TEST(RenamingTest, AlternativesThatAreTakenAreNotChosen) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Renaming renaming;
    renaming.Reserve({{"chest", {}}, {"box", {}}, {"key", {}}});
    renaming.Add({{"box", {"chest", "crate"}}, {"key", {"crate"}}}, false, Random(RandomKey(seed)));
    EXPECT_EQ(renaming.Apply("box"), "crate");
    EXPECT_THAT(renaming.Apply("key"), Not(AnyOf("crate", "chest", "key")));
  }
}

TEST(RenamingTest, TwiceGivesTheTextAgainWhateverItSays) {
  const uint64_t seed = std::random_device{}();
  std::printf("seed %lu\n", static_cast<unsigned long>(seed));
  Random random{RandomKey(seed)};
  const std::vector<std::string> pieces = {"get",  "got",  "Get", "fetch", "oak", "oaks", "_",
                                           " ",    "  ",   ", ",  "\n",    "a",   "é",    "1",
                                           "take", "Zorx", ".",   "-",     "<",   "/"};
  for (int round = 0; round < 2000; ++round) {
    const Renaming renaming = Make(
        {{"get|got", {"fetch|fetched", "take|took"}}, {"oak", {}}, {"oaks", {}}}, false, round);
    std::string text;
    for (int i = 0; i < 12; ++i) text += pieces[random.Below(pieces.size())];
    EXPECT_EQ(renaming.Apply(renaming.Apply(text)), text);
  }
}

}  // namespace
}  // namespace sojourn::envs::variants
