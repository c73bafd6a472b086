#include "envs/webshop/fuzzy.h"

#include <utf8proc.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "envs/webshop/python_strings.h"

namespace sojourn::envs::webshop {
namespace {

// In WebShop's order, which decides.
constexpr std::string_view kColors[] = {
    "alabaster",  "apricot",   "aqua",      "ash",     "asphalt",   "azure",     "banana",
    "beige",      "black",     "blue",      "blush",   "bordeaux",  "bronze",    "brown",
    "burgundy",   "camel",     "camo",      "caramel", "champagne", "charcoal",  "cheetah",
    "chestnut",   "chocolate", "christmas", "coffee",  "cognac",    "copper",    "coral",
    "cranberry",  "cream",     "crystal",   "dark",    "denim",     "eggplant",  "elephant",
    "espresso",   "fuchsia",   "gold",      "granite", "grape",     "graphite",  "grass",
    "gray",       "green",     "grey",      "heather", "indigo",    "ivory",     "ivy",
    "khaki",      "lavender",  "lemon",     "leopard", "light",     "lilac",     "lime",
    "magenta",    "maroon",    "mauve",     "merlot",  "midnight",  "mint",      "mocha",
    "multicolor", "mushroom",  "mustard",   "natural", "navy",      "nude",      "olive",
    "orange",     "peach",     "pewter",    "pink",    "plum",      "purple",    "rainbow",
    "red",        "rose",      "royal",     "rust",    "sand",      "sapphire",  "seashell",
    "silver",     "skull",     "slate",     "steel",   "stone",     "stonewash", "sunflower",
    "tan",        "taupe",     "teal",      "tiger",   "turquoise", "violet",    "walnut",
    "wheat",      "white",     "wine",      "yellow"};

bool IsWordCharacter(utf8proc_int32_t c) {
  if (c < 0x80) return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_';
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return true;
    default:
      return false;
  }
}

std::u32string Characters(std::string_view text) {
  std::u32string characters;
  for (size_t i = 0; i < text.size();) {
    utf8proc_int32_t c = 0;
    const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + i,
                                        static_cast<utf8proc_ssize_t>(text.size() - i), &c);
    characters += bytes <= 0 ? U'\ufffd' : static_cast<char32_t>(c);
    i += bytes <= 0 ? 1 : bytes;
  }
  return characters;
}

// Words in thefuzz's way, sorted.
std::set<std::string> Words(std::string_view text) {
  std::string kept;
  for (const char32_t c : Characters(text)) {
    if (c >= 0x80 && c < 0x100) continue;
    if (!IsWordCharacter(static_cast<utf8proc_int32_t>(c))) {
      kept += ' ';
      continue;
    }
    utf8proc_uint8_t encoded[4];
    kept.append(reinterpret_cast<const char*>(encoded),
                utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), encoded));
  }
  return absl::StrSplit(Lower(kept), ' ', absl::SkipEmpty());
}

size_t LongestCommonSubsequence(const std::u32string& a, const std::u32string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (const char32_t c : a) {
    size_t diagonal = 0;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t above = row[j + 1];
      row[j + 1] = c == b[j] ? diagonal + 1 : std::max(above, row[j]);
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace

int Ratio(std::string_view a, std::string_view b) {
  if (a == b) return 100;
  if (a.empty() || b.empty()) return 0;
  const std::u32string left = Characters(a), right = Characters(b);
  const size_t total = left.size() + right.size();
  const size_t distance = total - 2 * LongestCommonSubsequence(left, right);
  const double similarity = 1.0 - static_cast<double>(distance) / static_cast<double>(total);
  return static_cast<int>(std::nearbyint(100 * similarity));
}

int TokenSetRatio(std::string_view a, std::string_view b) {
  const std::set<std::string> left = Words(a), right = Words(b);
  if (left.empty() || right.empty()) return 0;
  std::vector<std::string> both, only_left, only_right;
  std::set_intersection(left.begin(), left.end(), right.begin(), right.end(),
                        std::back_inserter(both));
  std::set_difference(left.begin(), left.end(), right.begin(), right.end(),
                      std::back_inserter(only_left));
  std::set_difference(right.begin(), right.end(), left.begin(), left.end(),
                      std::back_inserter(only_right));
  const std::string common = absl::StrJoin(both, " ");
  const auto with = [&](const std::vector<std::string>& others) {
    const std::string_view between = common.empty() || others.empty() ? "" : " ";
    return absl::StrCat(common, std::string(between), absl::StrJoin(others, " "));
  };
  const std::string all_left = with(only_left), all_right = with(only_right);
  return std::max({Ratio(common, all_left), Ratio(common, all_right), Ratio(all_left, all_right)});
}

bool IsAlike(std::string_view a, std::string_view b) { return TokenSetRatio(a, b) > 85; }

std::string_view NormalizeColor(std::string_view text) {
  for (const std::string_view color : kColors) {
    if (text.find(color) != std::string_view::npos) return color;
  }
  return text;
}

bool IsColor(std::string_view text) {
  return std::find(std::begin(kColors), std::end(kColors), text) != std::end(kColors);
}

}  // namespace sojourn::envs::webshop
