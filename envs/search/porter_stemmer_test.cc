#include "envs/search/porter_stemmer.h"

#include "gtest/gtest.h"

namespace sojourn::envs::search {
namespace {

std::string Stem(std::string word) {
  PorterStem(&word);
  return word;
}

// The examples of Porter's paper, each through all steps.
TEST(PorterStemmerTest, ThePapersExamples) {
  const std::pair<const char*, const char*> examples[] = {{"caresses", "caress"},
                                                          {"ponies", "poni"},
                                                          {"cats", "cat"},
                                                          {"feed", "feed"},
                                                          {"agreed", "agre"},
                                                          {"plastered", "plaster"},
                                                          {"bled", "bled"},
                                                          {"motoring", "motor"},
                                                          {"sing", "sing"},
                                                          {"conflated", "conflat"},
                                                          {"troubled", "troubl"},
                                                          {"sized", "size"},
                                                          {"hopping", "hop"},
                                                          {"tanned", "tan"},
                                                          {"falling", "fall"},
                                                          {"hissing", "hiss"},
                                                          {"fizzed", "fizz"},
                                                          {"failing", "fail"},
                                                          {"filing", "file"},
                                                          {"happy", "happi"},
                                                          {"sky", "sky"},
                                                          {"relational", "relat"},
                                                          {"conditional", "condit"},
                                                          {"valenci", "valenc"},
                                                          {"digitizer", "digit"},
                                                          {"radicalli", "radic"},
                                                          {"differentli", "differ"},
                                                          {"vileli", "vile"},
                                                          {"analogousli", "analog"},
                                                          {"vietnamization", "vietnam"},
                                                          {"predication", "predic"},
                                                          {"operator", "oper"},
                                                          {"feudalism", "feudal"},
                                                          {"decisiveness", "decis"},
                                                          {"hopefulness", "hope"},
                                                          {"formaliti", "formal"},
                                                          {"sensitiviti", "sensit"},
                                                          {"sensibiliti", "sensibl"},
                                                          {"triplicate", "triplic"},
                                                          {"formative", "form"},
                                                          {"formalize", "formal"},
                                                          {"electriciti", "electr"},
                                                          {"goodness", "good"},
                                                          {"revival", "reviv"},
                                                          {"allowance", "allow"},
                                                          {"inference", "infer"},
                                                          {"airliner", "airlin"},
                                                          {"gyroscopic", "gyroscop"},
                                                          {"adjustable", "adjust"},
                                                          {"defensible", "defens"},
                                                          {"irritant", "irrit"},
                                                          {"replacement", "replac"},
                                                          {"adjustment", "adjust"},
                                                          {"dependent", "depend"},
                                                          {"adoption", "adopt"},
                                                          {"homologou", "homolog"},
                                                          {"communism", "commun"},
                                                          {"activate", "activ"},
                                                          {"angulariti", "angular"},
                                                          {"homologous", "homolog"},
                                                          {"effective", "effect"},
                                                          {"bowdlerize", "bowdler"},
                                                          {"probate", "probat"},
                                                          {"rate", "rate"},
                                                          {"cease", "ceas"},
                                                          {"controll", "control"},
                                                          {"roll", "roll"},
                                                          {"generalizations", "gener"},
                                                          {"oscillators", "oscil"}};
  for (const auto& [word, stem] : examples) EXPECT_EQ(Stem(word), stem) << word;
}

TEST(PorterStemmerTest, HasTheTwoDepartures) {
  EXPECT_EQ(Stem("possibly"), "possibl");
  EXPECT_EQ(Stem("apologi"), "apolog");
}

TEST(PorterStemmerTest, ShortWordsAndWordsOfOtherScriptsStay) {
  for (const char* word :
       {"", "s", "as", "is", "\u00e9s", "3.5mm", "\u5b57", "\u043a\u043e\u0442"}) {
    EXPECT_EQ(Stem(word), word);
  }
  EXPECT_EQ(Stem("caf\u00e9s"), "caf\u00e9");
  EXPECT_EQ(Stem("jalape\u00f1os"), "jalape\u00f1o");
  EXPECT_EQ(Stem("a\u1000\u1000ing"), "a\u1000");  // a doubled character, not two equal bytes
  EXPECT_EQ(Stem("sss"), "sss");
  EXPECT_EQ(Stem("eeding"), "eed");
}

}  // namespace
}  // namespace sojourn::envs::search
