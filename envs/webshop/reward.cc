#include "envs/webshop/reward.h"

#include <algorithm>
#include <set>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "envs/python_text.h"
#include "envs/webshop/fuzzy.h"
#include "envs/webshop/python_strings.h"

namespace sojourn::envs::webshop {
namespace {

constexpr char kCategorySeparator[] = "\u203a";

std::set<std::string> CategoryParts(std::string_view category) {
  std::set<std::string> parts;
  for (const absl::string_view part :
       absl::StrSplit(absl::string_view(category.data(), category.size()), kCategorySeparator)) {
    parts.emplace(StripSpace(std::string_view(part.data(), part.size())));
  }
  return parts;
}

template <typename Strings>
int CountCommon(const Strings& a, const Strings& b) {
  return static_cast<int>(
      std::count_if(a.begin(), a.end(), [&](const std::string& part) { return b.contains(part); }));
}

void ScoreType(const Product& purchased, const Product& wanted, Score& score) {
  score.query_match = purchased.query == wanted.query;
  score.category_match = CountCommon(CategoryParts(purchased.product_category),
                                     CategoryParts(wanted.product_category)) >= 2;
  const std::vector<std::string> bought = TitleNouns(purchased.title);
  const std::vector<std::string> desired = TitleNouns(wanted.title);
  const int common =
      CountCommon(std::set(bought.begin(), bought.end()), std::set(desired.begin(), desired.end()));
  score.title_score =
      desired.empty() ? 0.2 : static_cast<double>(common) / static_cast<double>(desired.size());
  score.type = score.query_match || score.category_match || score.title_score > 0.2 ? 1 : 0.5;
  if (score.title_score < 0.1) score.type = 0.1;
  if (score.title_score == 0) score.type = 0;
}

int CountAttributes(const Product& purchased, const std::vector<std::string>& wanted) {
  int met = 0;
  std::optional<std::string> title, features, description;  // in lower case, when they are needed
  const auto contains = [](std::optional<std::string>& lower, const auto& text,
                           const std::string& part) {
    if (!lower) lower = Lower(text());
    return lower->find(part) != std::string::npos;
  };
  for (const std::string& attribute : wanted) {
    met += std::any_of(purchased.attributes.begin(), purchased.attributes.end(),
                       [&](const std::string& own) { return IsAlike(own, attribute); }) ||
           contains(
               title, [&] { return purchased.title; }, attribute) ||
           contains(
               features, [&] { return absl::StrJoin(purchased.features, " "); }, attribute) ||
           contains(
               description, [&] { return purchased.description; }, attribute);
  }
  return met;
}

}  // namespace

bool MeetsOption(std::string_view value, const Option& wanted, bool is_named) {
  const std::string_view chosen = NormalizeColor(value);
  if (!is_named) return IsAlike(chosen, NormalizeColor(wanted.second));
  // The original compares with a Python pair: as it is printed, unless a part of it is a color.
  for (const std::string& part : {wanted.first, wanted.second}) {
    if (!IsColor(part)) continue;
    const bool both = IsColor(wanted.first) && IsColor(wanted.second);
    return IsAlike(chosen, both ? std::min(wanted.first, wanted.second) : part);
  }
  return IsAlike(chosen,
                 absl::StrCat("(", PythonRepr(wanted.first), ", ", PythonRepr(wanted.second), ")"));
}

double RewardOf(const Score& score, double type) {
  const double met = score.attributes_met + score.options_met + (score.price_met ? 1 : 0);
  return met / (score.attributes + score.options + 1) * type;
}

Score ScorePurchase(const Catalogue& catalogue, const Product& purchased,
                    const std::vector<Option>& chosen, const Goal& goal) {
  Score score;
  ScoreType(purchased, catalogue.products()[goal.product], score);
  score.attributes = static_cast<int>(goal.attributes.size());
  score.attributes_met = CountAttributes(purchased, goal.attributes);
  score.options = static_cast<int>(goal.options.size());
  for (const Option& wanted : goal.options) {
    score.options_met += std::any_of(chosen.begin(), chosen.end(), [&](const Option& option) {
      return MeetsOption(option.second, wanted, goal.options_are_named);
    });
  }
  score.price_met = purchased.price <= goal.price_upper;
  score.reward = RewardOf(score, score.type);
  return score;
}

std::vector<std::string> TitleNouns(std::string_view title) {
  static const auto* const function_words = new absl::flat_hash_set<std::string_view>{
      "a",    "an",   "the",  "and",   "or",    "but",     "nor",  "of",   "for",  "to",
      "in",   "on",   "at",   "by",    "with",  "without", "from", "into", "onto", "up",
      "down", "off",  "out",  "over",  "under", "as",      "is",   "are",  "be",   "it",
      "its",  "this", "that", "these", "those", "your",    "you",  "my",   "our",  "their",
      "his",  "her",  "i",    "we",    "they",  "all",     "any",  "each", "more", "most",
      "not",  "no",   "can",  "will",  "very",  "than",    "so",   "if",   "per",  "s"};
  std::vector<std::string> nouns;
  std::string word;
  const auto finish = [&] {
    for (const std::string_view ending : {"'s", "\u2019s"}) {
      if (word.ends_with(ending)) word.resize(word.size() - ending.size());
    }
    while (word.ends_with('\'')) word.pop_back();
    const bool has_letter = std::any_of(word.begin(), word.end(), [](char c) {
      return absl::ascii_isalpha(static_cast<unsigned char>(c)) ||
             static_cast<unsigned char>(c) >= 0x80;
    });
    if (has_letter && !absl::ascii_isdigit(static_cast<unsigned char>(word[0])) &&
        !function_words->contains(word)) {
      nouns.push_back(word);
    }
    word.clear();
  };
  for (const char c : Lower(title)) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || byte >= 0x80 || (c == '\'' && !word.empty())) {
      word += c;
    } else {
      finish();
    }
  }
  finish();
  return nouns;
}

}  // namespace sojourn::envs::webshop
