// The words of a text as the passage index knows them.
#ifndef SOJOURN_ENVS_SEARCHQA_TERMS_H_
#define SOJOURN_ENVS_SEARCHQA_TERMS_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace sojourn::envs::searchqa {

inline constexpr size_t kMaxTermBytes = 48;

// Goes through a text's terms: runs of letters and digits of any script, in lower case, without
// accents, and without the English plural's ending (Harman's S stemmer, "How effective is
// suffixing?", 1991). Of a longer run the first kMaxTermBytes count. Bytes that are not UTF-8
// separate.
class TermReader {
 public:
  explicit TermReader(std::string_view text) : rest_(text) {}

  // The next term; empty when there is none. Valid until the next call.
  std::string_view Next();

 private:
  bool AppendOther();  // one character that is not ASCII, folded; false when it separates

  std::string_view rest_;
  std::string term_;
};

// Common English words, which a query leaves out when it has others.
bool IsStopWord(std::string_view term);

}  // namespace sojourn::envs::searchqa

#endif  // SOJOURN_ENVS_SEARCHQA_TERMS_H_
