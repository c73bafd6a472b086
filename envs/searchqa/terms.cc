#include "envs/searchqa/terms.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace sojourn::envs::searchqa {
namespace {

constexpr char kSeparator = 0, kOther = 1;

// The lower case of ASCII letters and digits; all else of ASCII separates.
constexpr std::array<char, 256> MakeTable() {
  std::array<char, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[c] = static_cast<char>(c);
  for (int c = 'a'; c <= 'z'; ++c) {
    table[c] = static_cast<char>(c);
    table[c - 'a' + 'A'] = static_cast<char>(c);
  }
  for (int c = 128; c < 256; ++c) table[c] = kOther;
  return table;
}
constexpr std::array<char, 256> kTable = MakeTable();

bool IsWordCategory(utf8proc_category_t category) {
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
         (category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_NO);
}

void StripPlural(std::string& term) {
  if (term.size() <= 3 || term.back() != 's') return;
  const auto ends = [&](std::string_view suffix) { return absl::EndsWith(term, suffix); };
  if (ends("ies") && !ends("eies") && !ends("aies")) {
    term.replace(term.size() - 3, 3, "y");
  } else if (!ends("us") && !ends("ss") && !ends("aes") && !ends("ees") && !ends("oes")) {
    term.pop_back();
  }
}

}  // namespace

bool TermReader::AppendOther() {
  utf8proc_int32_t code = 0;
  const utf8proc_ssize_t bytes = utf8proc_iterate(
      reinterpret_cast<const utf8proc_uint8_t*>(rest_.data()), rest_.size(), &code);
  rest_.remove_prefix(std::max<utf8proc_ssize_t>(bytes, 1));
  if (bytes <= 0 || !IsWordCategory(utf8proc_category(code))) return false;
  std::array<utf8proc_int32_t, 32> folded;
  int boundary = 0;
  const utf8proc_ssize_t count = utf8proc_decompose_char(
      code, folded.data(), folded.size(),
      static_cast<utf8proc_option_t>(UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD |
                                     UTF8PROC_STRIPMARK),
      &boundary);
  for (utf8proc_ssize_t i = 0; i < std::min<utf8proc_ssize_t>(count, folded.size()); ++i) {
    utf8proc_uint8_t encoded[4];
    const utf8proc_ssize_t length = utf8proc_encode_char(folded[i], encoded);
    term_.append(reinterpret_cast<const char*>(encoded), length);
  }
  return true;
}

std::string_view TermReader::Next() {
  term_.clear();
  while (!rest_.empty()) {
    const char folded = kTable[static_cast<unsigned char>(rest_.front())];
    bool separates = false;
    if (folded == kOther) {
      separates = !AppendOther();
    } else {
      rest_.remove_prefix(1);
      separates = folded == kSeparator;
      if (!separates) term_ += folded;
    }
    if (separates && !term_.empty()) break;
  }
  if (term_.size() > kMaxTermBytes) term_.resize(kMaxTermBytes);
  StripPlural(term_);
  return term_;
}

bool IsStopWord(std::string_view term) {
  static const auto* const words = new absl::flat_hash_set<absl::string_view>{
      "a",     "an",   "and",  "are",  "as",   "at",   "be",    "been",  "but",   "by",    "can",
      "did",   "do",   "does", "for",  "from", "had",  "has",   "have",  "he",    "her",   "his",
      "how",   "i",    "in",   "into", "is",   "it",   "its",   "no",    "not",   "of",    "on",
      "or",    "s",    "she",  "such", "that", "the",  "their", "them",  "then",  "there", "these",
      "they",  "this", "to",   "was",  "were", "what", "when",  "where", "which", "who",   "whom",
      "whose", "why",  "will", "with", "you",  "it",   "thi"};
  return words->contains(absl::string_view(term.data(), term.size()));
}

}  // namespace sojourn::envs::searchqa
