// Words and phrases that change places with others, throughout a text.
#ifndef SOJOURN_ENVS_VARIANTS_RENAMING_H_
#define SOJOURN_ENVS_VARIANTS_RENAMING_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "common/random.h"
#include "envs/interface.h"

namespace sojourn::envs::variants {

// Exchanges each word with its other: what was called "get" is now called "fetch", and a "fetch",
// should there be one, is called "get". So nothing ever collides, applying it twice gives the text
// again, and the old words mean nothing any more. Words with a capital letter change likewise.
//
// Only whole words change: runs of letters and digits (all bytes above 127 count as letters). Of
// several phrases that begin at a word the longest is taken.
class Renaming {
 public:
  // No word will be given one of these to stand for it. First: also for all words that are added.
  void Reserve(const std::vector<Interface::Word>& words);

  // Chooses another word for each of `words`, whose forms may be separated by '|'
  // (Interface::Word): one of its alternatives or, with `made_up` or when none is free, a word of
  // syllables. "W" and "Ws" get words that differ so, too, where "W" stands before "Ws".
  void Add(const std::vector<Interface::Word>& words, bool made_up, Random random);

  std::string Apply(std::string_view text) const;
  bool empty() const { return phrases_.empty(); }

 private:
  struct Phrase {
    std::string text, other;
  };
  void Exchange(const std::string& a, const std::string& b);
  void AddPhrase(std::string text, std::string other);
  bool IsTaken(const std::string& phrase) const { return taken_.contains(phrase); }

  absl::flat_hash_map<std::string, std::vector<Phrase>> phrases_;  // by first word, longest first
  absl::flat_hash_set<std::string> taken_;  // reserved, or stands for another word
};

// A word that could be English but is not meant to be: two syllables, six to eight letters.
std::string MakeUpWord(Random& random);

}  // namespace sojourn::envs::variants

#endif  // SOJOURN_ENVS_VARIANTS_RENAMING_H_
