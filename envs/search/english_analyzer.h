// A text's words as Lucene's English analysis (and Anserini's, which WebShop searches with) knows
// them.
#ifndef SOJOURN_ENVS_SEARCH_ENGLISH_ANALYZER_H_
#define SOJOURN_ENVS_SEARCH_ENGLISH_ANALYZER_H_

#include <string>
#include <string_view>
#include <vector>

namespace sojourn::envs::search {

// Cuts a text at the word boundaries of Unicode's Standard Annex 29 into words that hold a letter,
// a digit, a kana, an ideograph or an emoji, as Lucene's StandardTokenizer does: ideographs and
// hiragana one by one; of a run longer than 255 characters, pieces of 255. Bytes that are not UTF-8
// separate.
//
// Characters are told apart by their Unicode category and a few ranges, so rare letters of other
// scripts may be cut otherwise.
class WordReader {
 public:
  explicit WordReader(std::string_view text) : rest_(text) {}

  // The next word, a part of the text; empty when there is none.
  std::string_view Next();

 private:
  std::string_view rest_;
};

// The terms of an English text: words without a possessive 's, in lower case, but for 33 stop
// words, stemmed by Porter.
class EnglishAnalyzer {
 public:
  explicit EnglishAnalyzer(std::string_view text) : words_(text) {}

  // The next term, valid until the next call; empty when there is none.
  std::string_view Next();

 private:
  WordReader words_;
  std::string term_;
};

std::vector<std::string> EnglishTerms(std::string_view text);

}  // namespace sojourn::envs::search

#endif  // SOJOURN_ENVS_SEARCH_ENGLISH_ANALYZER_H_
