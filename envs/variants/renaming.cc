#include "envs/variants/renaming.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sojourn::envs::variants {
namespace {

bool IsWordByte(char c) { return absl::ascii_isalnum(c) || static_cast<unsigned char>(c) >= 0x80; }

size_t WordEnd(std::string_view text, size_t begin) {
  while (begin < text.size() && IsWordByte(text[begin])) ++begin;
  return begin;
}

std::string Capitalized(std::string text) {
  if (!text.empty()) text[0] = absl::ascii_toupper(text[0]);
  return text;
}

// The forms of a made-up word, after those of the word that it stands for: "vorlim", "vorlimed" for
// "get|got".
std::vector<std::string> MadeUpForms(const std::string& made,
                                     const std::vector<std::string>& forms) {
  std::vector<std::string> others = {made};
  for (size_t i = 1; i < forms.size(); ++i) {
    const bool adds = absl::StartsWith(forms[i], forms[0]);
    others.push_back(absl::StrCat(made, adds ? forms[i].substr(forms[0].size()) : "ed"));
  }
  return others;
}

}  // namespace

std::string MakeUpWord(Random& random) {
  constexpr const char* kOnsets[] = {"b", "d", "f", "g",  "k",  "l",  "m",  "n",  "p",  "r",  "s",
                                     "t", "v", "z", "br", "dr", "gl", "kr", "pl", "tr", "sk", "sn"};
  constexpr const char* kVowels[] = {"a", "e", "i", "o", "u"};
  constexpr const char* kCodas[] = {"b", "g", "k", "l", "m", "n", "p", "r", "x"};
  const auto pick = [&](const auto& from) { return from[random.Below(std::size(from))]; };
  std::string word;
  for (int syllable = 0; syllable < 2; ++syllable) {
    absl::StrAppend(&word, pick(kOnsets), pick(kVowels), pick(kCodas));
  }
  return word;
}

void Renaming::Reserve(const std::vector<Interface::Word>& words) {
  for (const Interface::Word& word : words) {
    for (const std::string_view form : absl::StrSplit(word.text, '|'))
      taken_.insert(std::string(form));
  }
}

void Renaming::Add(const std::vector<Interface::Word>& words, bool made_up, Random random) {
  const auto are_free = [&](const std::vector<std::string>& others) {
    return std::none_of(others.begin(), others.end(),
                        [&](const std::string& other) { return IsTaken(other); });
  };
  absl::flat_hash_map<std::string, std::string> made;  // what stands for a word without forms
  for (const Interface::Word& word : words) {
    const std::vector<std::string> forms = absl::StrSplit(word.text, '|');
    std::vector<std::string> chosen;
    std::vector<std::string> choices;
    if (!made_up) choices = word.others;
    random.Shuffle(choices);
    for (const std::string& choice : choices) {
      const std::vector<std::string> others = absl::StrSplit(choice, '|');
      if (chosen.empty() && others.size() == forms.size() && are_free(others)) chosen = others;
    }
    if (chosen.empty() && forms.size() == 1 && forms[0].size() > 1 && forms[0].back() == 's') {
      const auto singular = made.find(forms[0].substr(0, forms[0].size() - 1));
      if (singular != made.end() && are_free({singular->second + "s"}))
        chosen = {singular->second + "s"};
    }
    while (chosen.empty()) {
      const std::vector<std::string> others = MadeUpForms(MakeUpWord(random), forms);
      if (are_free(others)) chosen = others;
    }
    if (forms.size() == 1) made[forms[0]] = chosen[0];
    for (size_t f = 0; f < forms.size(); ++f) {
      taken_.insert(chosen[f]);
      Exchange(forms[f], chosen[f]);
    }
  }
}

void Renaming::Exchange(const std::string& a, const std::string& b) {
  AddPhrase(a, b);
  AddPhrase(b, a);
  if (absl::ascii_islower(a[0]) && absl::ascii_islower(b[0])) {
    AddPhrase(Capitalized(a), Capitalized(b));
    AddPhrase(Capitalized(b), Capitalized(a));
  }
}

void Renaming::AddPhrase(std::string text, std::string other) {
  std::vector<Phrase>& phrases = phrases_[text.substr(0, WordEnd(text, 0))];
  const auto before = std::find_if(phrases.begin(), phrases.end(),
                                   [&](const Phrase& p) { return p.text.size() < text.size(); });
  phrases.insert(before, {std::move(text), std::move(other)});
}

std::string Renaming::Apply(std::string_view text) const {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (size_t at = 0; at < text.size();) {
    if (!IsWordByte(text[at])) {
      out += text[at++];
      continue;
    }
    size_t end = WordEnd(text, at);
    std::string_view replacement = text.substr(at, end - at);
    if (const auto found = phrases_.find(replacement); found != phrases_.end()) {
      for (const Phrase& phrase : found->second) {
        const size_t phrase_end = at + phrase.text.size();
        if (text.substr(at, phrase.text.size()) != phrase.text) continue;
        if (phrase_end < text.size() && IsWordByte(text[phrase_end])) continue;
        replacement = phrase.other;
        end = phrase_end;
        break;
      }
    }
    out += replacement;
    at = end;
  }
  return out;
}

}  // namespace sojourn::envs::variants
