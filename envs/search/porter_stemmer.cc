#include "envs/search/porter_stemmer.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace sojourn::envs::search {
namespace {

using Rules = std::initializer_list<std::pair<std::string_view, std::string_view>>;

// A word on its way; offsets are the paper's: the stem is what stands before the ending at hand.
// One byte is one character (see PorterStem).
class Stemming {
 public:
  explicit Stemming(std::string& word) : word_(word) {}

  void Run() {
    Plurals();
    PastAndGerund();
    if (Ends("y") && HasVowel(stem_)) word_.back() = 'i';
    DoubleSuffixes();
    ReplaceFirst({{"icate", "ic"},
                  {"ative", ""},
                  {"alize", "al"},
                  {"iciti", "ic"},
                  {"ical", "ic"},
                  {"ful", ""},
                  {"ness", ""}});
    DropLastSuffix();
    FinalE();
  }

 private:
  bool IsConsonant(size_t i) const {
    switch (word_[i]) {
      case 'a':
      case 'e':
      case 'i':
      case 'o':
      case 'u':
        return false;
      case 'y':
        return i == 0 || !IsConsonant(i - 1);
      default:
        return true;
    }
  }

  // m: how many times vowels are followed by consonants in the first `length` characters.
  int Measure(size_t length) const {
    int measure = 0;
    bool vowel_before = false;
    for (size_t i = 0; i < length; ++i) {
      const bool consonant = IsConsonant(i);
      measure += consonant && vowel_before;
      vowel_before = !consonant;
    }
    return measure;
  }

  bool HasVowel(size_t length) const {
    for (size_t i = 0; i < length; ++i) {
      if (!IsConsonant(i)) return true;
    }
    return false;
  }

  bool EndsInDoubleConsonant() const {
    const size_t size = word_.size();
    return size >= 2 && word_[size - 1] == word_[size - 2] && IsConsonant(size - 1);
  }

  // consonant, vowel, consonant that is not w, x or y, before `length`
  bool EndsInCvc(size_t length) const {
    if (length < 3 || !IsConsonant(length - 1) || IsConsonant(length - 2) ||
        !IsConsonant(length - 3)) {
      return false;
    }
    const char last = word_[length - 1];
    return last != 'w' && last != 'x' && last != 'y';
  }

  bool Ends(std::string_view suffix) {
    if (!word_.ends_with(suffix)) return false;
    stem_ = word_.size() - suffix.size();
    return true;
  }

  void SetTo(std::string_view ending) {
    word_.resize(stem_);
    word_ += ending;
  }

  void Plurals() {
    if (word_.back() != 's') return;
    if (Ends("sses") || Ends("ies")) {
      word_.resize(word_.size() - 2);
    } else if (word_[word_.size() - 2] != 's') {
      word_.pop_back();
    }
  }

  void PastAndGerund() {
    if (Ends("eed")) {
      if (Measure(stem_) > 0) word_.pop_back();
      return;
    }
    if (!((Ends("ed") || Ends("ing")) && HasVowel(stem_))) return;
    word_.resize(stem_);
    if (Ends("at") || Ends("bl") || Ends("iz")) {
      word_ += 'e';
    } else if (EndsInDoubleConsonant()) {
      const char last = word_.back();
      if (last != 'l' && last != 's' && last != 'z') word_.pop_back();
    } else if (Measure(word_.size()) == 1 && EndsInCvc(word_.size())) {
      word_ += 'e';
    }
  }

  // The first rule whose ending fits decides, whether its condition holds or not.
  void ReplaceFirst(Rules rules) {
    for (const auto& [suffix, ending] : rules) {
      if (!Ends(suffix)) continue;
      if (Measure(stem_) > 0) SetTo(ending);
      return;
    }
  }

  void DoubleSuffixes() {
    ReplaceFirst({{"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"},   {"anci", "ance"},
                  {"izer", "ize"},    {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"},
                  {"eli", "e"},       {"ousli", "ous"},   {"ization", "ize"}, {"ation", "ate"},
                  {"ator", "ate"},    {"alism", "al"},    {"iveness", "ive"}, {"fulness", "ful"},
                  {"ousness", "ous"}, {"aliti", "al"},    {"iviti", "ive"},   {"biliti", "ble"},
                  {"logi", "log"}});
  }

  void DropLastSuffix() {
    constexpr std::string_view kSuffixes[] = {"al",  "ance",  "ence", "er",  "ic",  "able", "ible",
                                              "ant", "ement", "ment", "ent", "ion", "ou",   "ism",
                                              "ate", "iti",   "ous",  "ive", "ize"};
    for (const std::string_view suffix : kSuffixes) {
      if (!Ends(suffix)) continue;
      if (suffix == "ion" && (stem_ == 0 || (word_[stem_ - 1] != 's' && word_[stem_ - 1] != 't'))) {
        continue;
      }
      if (Measure(stem_) > 1) word_.resize(stem_);
      return;
    }
  }

  void FinalE() {
    if (word_.back() == 'e') {
      const size_t before = word_.size() - 1;
      const int measure = Measure(before);
      if (measure > 1 || (measure == 1 && !EndsInCvc(before))) word_.pop_back();
    }
    if (word_.back() == 'l' && EndsInDoubleConsonant() && Measure(word_.size()) > 1) {
      word_.pop_back();
    }
  }

  std::string& word_;
  size_t stem_ = 0;  // length before the ending that was found last
};

bool IsAscii(char c) { return static_cast<unsigned char>(c) < 0x80; }

}  // namespace

void PorterStem(std::string* word) {
  if (std::all_of(word->begin(), word->end(), IsAscii)) {
    if (word->size() > 2) Stemming(*word).Run();
    return;
  }
  // Each other character is stood in for by its own one byte, so that lengths and doubles are those
  // of characters. Endings consist of letters a-z, so stand-ins are dropped but never made; the
  // last of a doubled one may go.
  std::string stand_in;
  std::vector<std::string_view> characters;
  const std::string_view text = *word;
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
    const std::string_view character = text.substr(i, end - i);
    if (IsAscii(text[i])) {
      stand_in += text[i];
    } else {
      const size_t known =
          std::find(characters.begin(), characters.end(), character) - characters.begin();
      if (known == characters.size()) characters.push_back(character);
      if (known >= 0x80) return;  // no word: it has 128 different characters beyond ASCII
      stand_in += static_cast<char>(0x80 + known);
    }
    i = end;
  }
  if (stand_in.size() <= 2) return;
  Stemming(stand_in).Run();
  std::string stem;
  for (const char c : stand_in) {
    if (IsAscii(c)) {
      stem += c;
    } else {
      stem += characters[static_cast<unsigned char>(c) - 0x80];
    }
  }
  *word = std::move(stem);
}

}  // namespace sojourn::envs::search
