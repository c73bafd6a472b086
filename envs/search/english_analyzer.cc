#include "envs/search/english_analyzer.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "envs/search/porter_stemmer.h"

namespace sojourn::envs::search {
namespace {

constexpr int kMaxWordCharacters = 255;

enum class Kind : uint8_t {
  kOther,
  kLetter,
  kDigit,
  kKatakana,
  kConnector,  // _ and the like: ExtendNumLet
  kMidLetter,  // joins letters: the colon
  kMidNumber,  // joins digits: , ;
  kMidEither,  // joins letters or digits: . '
  kExtend,     // belongs to the character before it
  kJoiner,     // zero width joiner: an extender that also joins emoji
  kSingle,     // ideographs, hiragana: words by themselves
  kComplex,    // South-East Asian scripts, which need a dictionary: one word as long as they last
  kEmoji,      // with stars, notes and the like
  kRegional,   // two make a flag
};

struct Range {
  int32_t first, last;
};

// From Unicode 14's properties Script (Han, Hiragana), Line_Break (SA) and Word_Break. Emoji are
// the extended pictographics.
constexpr Range kSingles[] = {
    {0x2e80, 0x2e99}, {0x2e9b, 0x2ef3}, {0x2f00, 0x2fd5},   {0x3005, 0x3005},   {0x3007, 0x3007},
    {0x3021, 0x3029}, {0x3038, 0x303b}, {0x3041, 0x3096},   {0x309d, 0x309f},   {0x3400, 0x4dbf},
    {0x4e00, 0x9fff}, {0xf900, 0xfad9}, {0x1b001, 0x1b11f}, {0x1b150, 0x1b152}, {0x20000, 0x3134a}};
constexpr Range kKatakana[] = {{0x3031, 0x3035}, {0x309b, 0x309c}, {0x30a0, 0x30fa},
                               {0x30fc, 0x30ff}, {0x31f0, 0x31ff}, {0x32d0, 0x32fe},
                               {0x3300, 0x3357}, {0xff66, 0xff9d}};
constexpr Range kComplex[] = {{0xe01, 0xe3a},   {0xe40, 0xe4e},   {0xe81, 0xecd},
                              {0xedc, 0xedf},   {0x1000, 0x103f}, {0x1050, 0x108f},
                              {0x109a, 0x109f}, {0x1780, 0x17d3}, {0x1950, 0x19c9},
                              {0x1a20, 0x1aad}, {0xa9e0, 0xa9fe}, {0xaa60, 0xaadf}};
constexpr Range kMidLetters[] = {{0xb7, 0xb7},     {0x387, 0x387},   {0x5f4, 0x5f4},
                                 {0x2027, 0x2027}, {0xfe13, 0xfe13}, {0xfe55, 0xfe55},
                                 {0xff1a, 0xff1a}};
constexpr Range kMidNumbers[] = {{0x37e, 0x37e},   {0x589, 0x589},   {0x60c, 0x60d},
                                 {0x66c, 0x66c},   {0x7f8, 0x7f8},   {0x2044, 0x2044},
                                 {0xfe10, 0xfe10}, {0xfe14, 0xfe14}, {0xfe50, 0xfe50},
                                 {0xfe54, 0xfe54}, {0xff0c, 0xff0c}, {0xff1b, 0xff1b}};
constexpr Range kMidEither[] = {
    {0x2018, 0x2019}, {0x2024, 0x2024}, {0xfe52, 0xfe52}, {0xff07, 0xff07}, {0xff0e, 0xff0e}};
constexpr Range kConnectors[] = {{0x202f, 0x202f}, {0x203f, 0x2040}, {0x2054, 0x2054},
                                 {0xfe33, 0xfe34}, {0xfe4d, 0xfe4f}, {0xff3f, 0xff3f}};
constexpr Range kSymbolLetters[] = {
    {0x2c2, 0x2c5}, {0x2d2, 0x2d7}, {0x2de, 0x2df},   {0x2e5, 0x2ff},   {0x55a, 0x55c},
    {0x55e, 0x55e}, {0x5f3, 0x5f3}, {0x24b6, 0x24e9}, {0xa708, 0xa721}, {0xa789, 0xa78a}};
template <size_t n>
bool In(const Range (&ranges)[n], int32_t c) {
  const Range* const after =
      std::upper_bound(std::begin(ranges), std::end(ranges), c,
                       [](int32_t value, const Range& range) { return value < range.first; });
  return after != std::begin(ranges) && c <= (after - 1)->last;
}

Kind KindOfOther(int32_t c) {
  if (c == 0x200d) return Kind::kJoiner;
  if (In(kSingles, c)) return Kind::kSingle;
  if (In(kKatakana, c)) return Kind::kKatakana;
  if (In(kComplex, c)) return Kind::kComplex;
  if (In(kMidLetters, c)) return Kind::kMidLetter;
  if (In(kMidNumbers, c)) return Kind::kMidNumber;
  if (In(kMidEither, c)) return Kind::kMidEither;
  if (In(kConnectors, c)) return Kind::kConnector;
  if (In(kSymbolLetters, c)) return Kind::kLetter;
  if (c >= 0x1f1e6 && c <= 0x1f1ff) return Kind::kRegional;
  if (c >= 0x1f3fb && c <= 0x1f3ff) return Kind::kExtend;  // skin colors
  const utf8proc_property_t* const property = utf8proc_get_property(c);
  if (property->boundclass == UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC) return Kind::kEmoji;
  switch (property->category) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_NL:
      return c == 0x3006 ? Kind::kOther : Kind::kLetter;
    case UTF8PROC_CATEGORY_ND:
      return Kind::kDigit;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      return Kind::kExtend;
    case UTF8PROC_CATEGORY_CF:
      return c == 0x200b ? Kind::kOther : Kind::kExtend;
    default:
      return Kind::kOther;
  }
}

const std::array<Kind, 128>& AsciiKinds() {
  static const std::array<Kind, 128> kinds = [] {
    std::array<Kind, 128> table{};
    for (int c = 0; c < 128; ++c) {
      if (absl::ascii_isalpha(c)) table[c] = Kind::kLetter;
      if (absl::ascii_isdigit(c)) table[c] = Kind::kDigit;
    }
    table['_'] = Kind::kConnector;
    table[':'] = Kind::kMidLetter;
    table[','] = table[';'] = Kind::kMidNumber;
    table['.'] = table['\''] = Kind::kMidEither;
    return table;
  }();
  return kinds;
}

struct Character {
  Kind kind = Kind::kOther;
  size_t bytes = 0;  // 0: the text has ended
};

Character Read(std::string_view text, size_t at) {
  if (at >= text.size()) return {};
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80) return {AsciiKinds()[first], 1};
  utf8proc_int32_t c = 0;
  const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
                                      static_cast<utf8proc_ssize_t>(text.size() - at), &c);
  if (bytes <= 0) return {Kind::kOther, 1};
  return {KindOfOther(c), static_cast<size_t>(bytes)};
}

bool IsExtender(Kind kind) { return kind == Kind::kExtend || kind == Kind::kJoiner; }

// Goes through one word from its first character.
class Scan {
 public:
  Scan(std::string_view text, size_t begin, Character first) : text_(text), end_(begin) {
    Take(first);
  }

  size_t end() const { return end_; }

  Character Peek() const { return Read(text_, end_); }

  // Takes a character and what extends it.
  void Take(Character character) {
    end_ += character.bytes;
    ++characters_;
    joined_ = false;
    for (Character next = Peek(); IsExtender(next.kind) && characters_ < kMaxWordCharacters;
         next = Peek()) {
      joined_ = next.kind == Kind::kJoiner;
      end_ += next.bytes;
      ++characters_;
    }
  }

  bool TakeIf(Kind kind) {
    const Character next = Peek();
    if (next.kind != kind || next.bytes == 0 || characters_ >= kMaxWordCharacters) return false;
    Take(next);
    return true;
  }

  // Letters, digits, katakana and what joins them. Whether there was one of those.
  bool TakeRun(Kind previous) {
    bool is_word = previous != Kind::kConnector;
    while (characters_ < kMaxWordCharacters) {
      const Character next = Peek();
      if (next.bytes == 0) break;
      const bool previous_joins = previous == Kind::kLetter || previous == Kind::kDigit;
      const bool next_joins = next.kind == Kind::kLetter || next.kind == Kind::kDigit;
      if (next.kind == Kind::kConnector ||
          (previous == Kind::kConnector && (next_joins || next.kind == Kind::kKatakana)) ||
          (previous_joins && next_joins) ||
          (previous == Kind::kKatakana && next.kind == Kind::kKatakana)) {
        Take(next);
        is_word = is_word || next.kind != Kind::kConnector;
        previous = next.kind;
        continue;
      }
      const bool is_middle =
          next.kind == Kind::kMidEither ||
          next.kind == (previous == Kind::kDigit ? Kind::kMidNumber : Kind::kMidLetter);
      if (!previous_joins || !is_middle) break;
      Scan ahead = *this;
      ahead.Take(next);
      if (!ahead.TakeIf(previous)) break;  // the middle joins two letters or two digits
      *this = ahead;
    }
    return is_word;
  }

  void TakeEmoji() {
    while (joined_ && TakeIf(Kind::kEmoji)) {
    }
  }

 private:
  std::string_view text_;
  size_t end_;
  int characters_ = 0;
  bool joined_ = false;  // a zero width joiner was the last character taken
};

}  // namespace

std::string_view WordReader::Next() {
  size_t at = 0;
  while (at < rest_.size()) {
    const Character first = Read(rest_, at);
    if (first.kind == Kind::kOther || IsExtender(first.kind) || first.kind == Kind::kMidLetter ||
        first.kind == Kind::kMidNumber || first.kind == Kind::kMidEither) {
      at += first.bytes;
      continue;
    }
    Scan scan(rest_, at, first);
    bool is_word = true;
    switch (first.kind) {
      case Kind::kSingle:
        break;
      case Kind::kComplex:
        while (scan.TakeIf(Kind::kComplex)) {
        }
        break;
      case Kind::kEmoji:
        scan.TakeEmoji();
        break;
      case Kind::kRegional:
        scan.TakeIf(Kind::kRegional);
        break;
      default:
        is_word = scan.TakeRun(first.kind);
    }
    const std::string_view word = rest_.substr(at, scan.end() - at);
    at = scan.end();
    if (is_word) {
      rest_.remove_prefix(at);
      return word;
    }
  }
  rest_ = {};
  return {};
}

namespace {

// Without a final 's (or with a typographic apostrophe).
std::string_view WithoutPossessive(std::string_view word) {
  if (word.size() < 2 || (word.back() != 's' && word.back() != 'S')) return word;
  for (const std::string_view apostrophe : {"'", "\u2019", "\uff07"}) {
    const std::string_view before = word.substr(0, word.size() - 1);
    if (before.ends_with(apostrophe)) return before.substr(0, before.size() - apostrophe.size());
  }
  return word;
}

// Each character by itself, as Java's Character.toLowerCase.
void LowerCase(std::string_view word, std::string* lower) {
  lower->clear();
  for (size_t i = 0; i < word.size();) {
    const auto first = static_cast<unsigned char>(word[i]);
    if (first < 0x80) {
      *lower += absl::ascii_tolower(first);
      ++i;
      continue;
    }
    utf8proc_int32_t c = 0;
    const auto bytes = std::max<utf8proc_ssize_t>(
        1, utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(word.data()) + i,
                            static_cast<utf8proc_ssize_t>(word.size() - i), &c));
    utf8proc_uint8_t encoded[4];
    const auto written = utf8proc_encode_char(utf8proc_tolower(c), encoded);
    lower->append(reinterpret_cast<const char*>(encoded), written);
    i += bytes;
  }
}

// Lucene's EnglishAnalyzer.ENGLISH_STOP_WORDS_SET.
bool IsStopWord(std::string_view word) {
  static const auto* const words = new absl::flat_hash_set<std::string_view>{
      "a",   "an",    "and",  "are",   "as",    "at",   "be",   "but", "by",  "for",  "if",
      "in",  "into",  "is",   "it",    "no",    "not",  "of",   "on",  "or",  "such", "that",
      "the", "their", "then", "there", "these", "they", "this", "to",  "was", "will", "with"};
  return word.size() <= 5 && words->contains(word);
}

}  // namespace

std::string_view EnglishAnalyzer::Next() {
  for (std::string_view word = words_.Next(); !word.empty(); word = words_.Next()) {
    LowerCase(WithoutPossessive(word), &term_);
    if (IsStopWord(term_)) continue;
    PorterStem(&term_);
    if (!term_.empty()) return term_;
  }
  return {};
}

std::vector<std::string> EnglishTerms(std::string_view text) {
  std::vector<std::string> terms;
  EnglishAnalyzer analyzer(text);
  for (std::string_view term = analyzer.Next(); !term.empty(); term = analyzer.Next()) {
    terms.emplace_back(term);
  }
  return terms;
}

}  // namespace sojourn::envs::search
