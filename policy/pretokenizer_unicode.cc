#include "policy/pretokenizer_unicode.h"

#include <utf8proc.h>

#include <iterator>

namespace sojourn::policy {
namespace {

struct Range {
  uint32_t first, last;
};

struct Assigned {
  uint32_t first, last;
  char category[3];
};

// What Unicode 15 and 16 added to 14 (and one mark whose category changed): general categories as
// Oniguruma 6.9.10 has them.
constexpr Assigned kSinceUnicode14[] = {
    {0x897, 0x897, "Mn"},     {0xCF3, 0xCF3, "Mc"},     {0xECE, 0xECE, "Mn"},
    {0x1B4E, 0x1B4F, "Po"},   {0x1B7F, 0x1B7F, "Po"},   {0x1C89, 0x1C89, "Lu"},
    {0x1C8A, 0x1C8A, "Ll"},   {0x2427, 0x2429, "So"},   {0x2FFC, 0x2FFF, "So"},
    {0x31E4, 0x31E5, "So"},   {0x31EF, 0x31EF, "So"},   {0xA7CB, 0xA7CC, "Lu"},
    {0xA7CD, 0xA7CD, "Ll"},   {0xA7DA, 0xA7DA, "Lu"},   {0xA7DB, 0xA7DB, "Ll"},
    {0xA7DC, 0xA7DC, "Lu"},   {0x105C0, 0x105F3, "Lo"}, {0x10D40, 0x10D49, "Nd"},
    {0x10D4A, 0x10D4D, "Lo"}, {0x10D4E, 0x10D4E, "Lm"}, {0x10D4F, 0x10D4F, "Lo"},
    {0x10D50, 0x10D65, "Lu"}, {0x10D69, 0x10D6D, "Mn"}, {0x10D6E, 0x10D6E, "Pd"},
    {0x10D6F, 0x10D6F, "Lm"}, {0x10D70, 0x10D85, "Ll"}, {0x10D8E, 0x10D8F, "Sm"},
    {0x10EC2, 0x10EC4, "Lo"}, {0x10EFC, 0x10EFF, "Mn"}, {0x1123F, 0x11240, "Lo"},
    {0x11241, 0x11241, "Mn"}, {0x11380, 0x11389, "Lo"}, {0x1138B, 0x1138B, "Lo"},
    {0x1138E, 0x1138E, "Lo"}, {0x11390, 0x113B5, "Lo"}, {0x113B7, 0x113B7, "Lo"},
    {0x113B8, 0x113BA, "Mc"}, {0x113BB, 0x113C0, "Mn"}, {0x113C2, 0x113C2, "Mc"},
    {0x113C5, 0x113C5, "Mc"}, {0x113C7, 0x113CA, "Mc"}, {0x113CC, 0x113CD, "Mc"},
    {0x113CE, 0x113CE, "Mn"}, {0x113CF, 0x113CF, "Mc"}, {0x113D0, 0x113D0, "Mn"},
    {0x113D1, 0x113D1, "Lo"}, {0x113D2, 0x113D2, "Mn"}, {0x113D3, 0x113D3, "Lo"},
    {0x113D4, 0x113D5, "Po"}, {0x113D7, 0x113D8, "Po"}, {0x113E1, 0x113E2, "Mn"},
    {0x116D0, 0x116E3, "Nd"}, {0x1171E, 0x1171E, "Mc"}, {0x11B00, 0x11B09, "Po"},
    {0x11BC0, 0x11BE0, "Lo"}, {0x11BE1, 0x11BE1, "Po"}, {0x11BF0, 0x11BF9, "Nd"},
    {0x11F00, 0x11F01, "Mn"}, {0x11F02, 0x11F02, "Lo"}, {0x11F03, 0x11F03, "Mc"},
    {0x11F04, 0x11F10, "Lo"}, {0x11F12, 0x11F33, "Lo"}, {0x11F34, 0x11F35, "Mc"},
    {0x11F36, 0x11F3A, "Mn"}, {0x11F3E, 0x11F3F, "Mc"}, {0x11F40, 0x11F40, "Mn"},
    {0x11F41, 0x11F41, "Mc"}, {0x11F42, 0x11F42, "Mn"}, {0x11F43, 0x11F4F, "Po"},
    {0x11F50, 0x11F59, "Nd"}, {0x11F5A, 0x11F5A, "Mn"}, {0x1342F, 0x1342F, "Lo"},
    {0x13439, 0x1343F, "Cf"}, {0x13440, 0x13440, "Mn"}, {0x13441, 0x13446, "Lo"},
    {0x13447, 0x13455, "Mn"}, {0x13460, 0x143FA, "Lo"}, {0x16100, 0x1611D, "Lo"},
    {0x1611E, 0x16129, "Mn"}, {0x1612A, 0x1612C, "Mc"}, {0x1612D, 0x1612F, "Mn"},
    {0x16130, 0x16139, "Nd"}, {0x16D40, 0x16D42, "Lm"}, {0x16D43, 0x16D6A, "Lo"},
    {0x16D6B, 0x16D6C, "Lm"}, {0x16D6D, 0x16D6F, "Po"}, {0x16D70, 0x16D79, "Nd"},
    {0x18CFF, 0x18CFF, "Lo"}, {0x1B132, 0x1B132, "Lo"}, {0x1B155, 0x1B155, "Lo"},
    {0x1CC00, 0x1CCEF, "So"}, {0x1CCF0, 0x1CCF9, "Nd"}, {0x1CD00, 0x1CEB3, "So"},
    {0x1D2C0, 0x1D2D3, "No"}, {0x1DF25, 0x1DF2A, "Ll"}, {0x1E030, 0x1E06D, "Lm"},
    {0x1E08F, 0x1E08F, "Mn"}, {0x1E4D0, 0x1E4EA, "Lo"}, {0x1E4EB, 0x1E4EB, "Lm"},
    {0x1E4EC, 0x1E4EF, "Mn"}, {0x1E4F0, 0x1E4F9, "Nd"}, {0x1E5D0, 0x1E5ED, "Lo"},
    {0x1E5EE, 0x1E5EF, "Mn"}, {0x1E5F0, 0x1E5F0, "Lo"}, {0x1E5F1, 0x1E5FA, "Nd"},
    {0x1E5FF, 0x1E5FF, "Po"}, {0x1F6DC, 0x1F6DC, "So"}, {0x1F774, 0x1F776, "So"},
    {0x1F77B, 0x1F77F, "So"}, {0x1F7D9, 0x1F7D9, "So"}, {0x1F8B2, 0x1F8BB, "So"},
    {0x1F8C0, 0x1F8C1, "So"}, {0x1FA75, 0x1FA77, "So"}, {0x1FA87, 0x1FA89, "So"},
    {0x1FA8F, 0x1FA8F, "So"}, {0x1FAAD, 0x1FAAF, "So"}, {0x1FABB, 0x1FABF, "So"},
    {0x1FAC6, 0x1FAC6, "So"}, {0x1FACE, 0x1FACF, "So"}, {0x1FADA, 0x1FADC, "So"},
    {0x1FADF, 0x1FADF, "So"}, {0x1FAE8, 0x1FAE9, "So"}, {0x1FAF7, 0x1FAF8, "So"},
    {0x1FBCB, 0x1FBEF, "So"}, {0x2B739, 0x2B739, "Lo"}, {0x2EBF0, 0x2EE5D, "Lo"},
    {0x31350, 0x323AF, "Lo"}};

// By category, a character of three and one of four bytes; 0: not needed.
struct StandIns {
  const char* category;
  uint32_t three, four;
};
constexpr StandIns kStandIns[] = {
    {"Lu", 0xA640, 0x10400}, {"Ll", 0xA641, 0x10428}, {"Lm", 0, 0x16B40}, {"Lo", 0, 0x10000},
    {"Mn", 0xA802, 0x10A01}, {"Mc", 0xA823, 0x11000}, {"Nd", 0, 0x104A0}, {"No", 0, 0x10107},
    {"Po", 0xA60D, 0x10100}, {"Pd", 0, 0x10EAD},      {"Sm", 0, 0x1D6C1}, {"So", 0xA490, 0x10137},
    {"Cf", 0, 0x110BD}};

// More that Rust 1.9x (Unicode 17) takes for numeric.
constexpr Range kRustNumbers[] = {{0x11DE0, 0x11DE9}, {0x16FF4, 0x16FF6}};

// Characters that the normalization of `tokenizers` (Unicode 9) takes for unassigned: they have no
// decomposition and combining class 0 there.
constexpr Range kUnassigned[] = {
    {0x7FD, 0x7FD},     {0x898, 0x89F},     {0x8CA, 0x8D3},     {0x9FE, 0x9FE},
    {0xC3C, 0xC3C},     {0xD3B, 0xD3C},     {0xEBA, 0xEBA},     {0x1715, 0x1715},
    {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},   {0x32FF, 0x32FF},   {0xA7F2, 0xA7F4},
    {0xA82C, 0xA82C},   {0xAB69, 0xAB69},   {0x10781, 0x107BA}, {0x10D24, 0x10D27},
    {0x10EAB, 0x10EAC}, {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070},
    {0x1133B, 0x1133B}, {0x1145E, 0x1145E}, {0x11839, 0x1183A}, {0x11930, 0x11946},
    {0x119E0, 0x119E0}, {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99},
    {0x11D42, 0x11D42}, {0x11D44, 0x11D45}, {0x11D97, 0x11D97}, {0x16FF0, 0x16FF1},
    {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1F16C, 0x1F16C},
    {0x1FBF0, 0x1FBF9}};

// Alphabetic without being a letter, a mark or a letter number (Unicode's Other_Alphabetic).
constexpr Range kCircledLetters[] = {
    {0x24B6, 0x24E9}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};

constexpr Range kSpaces[] = {{0x9, 0xD},       {0x20, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},
                             {0x1680, 0x1680}, {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F},
                             {0x205F, 0x205F}, {0x3000, 0x3000}};

uint8_t Classes(const char* category) {
  switch (category[0]) {
    case 'L':
      return kLetter | kWord;
    case 'N':
      return kNumber | kRustNumber | (category[1] == 'o' ? 0 : kWord);
    case 'M':
      return kMark | kWord;
    case 'P':
      return category[1] == 'c' ? kWord : 0;
    default:
      return 0;
  }
}

}  // namespace

const uint8_t* CharClasses() {
  static const uint8_t* const table = [] {
    auto* classes = new uint8_t[kMostCodePoint + 1];
    for (uint32_t c = 0; c <= kMostCodePoint; ++c)
      classes[c] = Classes(utf8proc_category_string(static_cast<utf8proc_int32_t>(c)));
    for (const Assigned& range : kSinceUnicode14) {
      for (uint32_t c = range.first; c <= range.last; ++c)
        classes[c] = Classes(range.category) | kStandIn | kInert;
    }
    const auto add = [&](const auto& ranges, uint8_t bit) {
      for (const Range& range : ranges) {
        for (uint32_t c = range.first; c <= range.last; ++c) classes[c] |= bit;
      }
    };
    add(kRustNumbers, kRustNumber);
    add(kUnassigned, kInert);
    add(kCircledLetters, kWord);
    add(kSpaces, kSpace);
    classes[0x200C] |= kWord;  // the joiners
    classes[0x200D] |= kWord;
    classes[0x180E] |= kStandIn;  // white space to PCRE2, and to nobody else since Unicode 6.3
    return classes;
  }();
  return table;
}

uint32_t StandIn(uint32_t c) {
  if (c == 0x180E) return 0x200B;  // another format character
  std::string_view category;
  for (const Assigned& range : kSinceUnicode14) {
    if (c >= range.first && c <= range.last) category = range.category;
  }
  if (c >= 0x20000) return 0x20000;  // Han
  for (const auto& [name, three, four] : kStandIns) {
    if (category == name) return c < 0x10000 ? three : four;
  }
  return c;
}

size_t ValidUtf8Prefix(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) {
      ++at;
      continue;
    }
    const size_t size = Utf8Unit(text.substr(at)).size;
    if (size == 0) return at;
    at += size;
  }
  return at;
}

Utf8Length Utf8Unit(std::string_view text) {
  const auto byte = [&](size_t i) -> int {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : -1;
  };
  const int first = byte(0);
  if (first < 0x80) return {1, 1, false};
  int low = 0x80, high = 0xBF;  // of the second byte
  size_t size = 0;
  if (first >= 0xC2 && first <= 0xDF) size = 2;
  if (first >= 0xE0 && first <= 0xEF) {
    size = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    size = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  }
  if (size == 0) return {0, 1, false};
  for (size_t i = 1; i < size; ++i) {
    const int next = byte(i);
    if (next < 0) return {0, i, true};
    if (next < low || next > high) return {0, i, false};
    low = 0x80;
    high = 0xBF;
  }
  return {size, size, false};
}

void ForEachUtf8Run(std::string_view text, absl::FunctionRef<void(std::string_view, bool)> run) {
  while (!text.empty()) {
    const size_t valid = ValidUtf8Prefix(text);
    if (valid > 0) run(text.substr(0, valid), true);
    text.remove_prefix(valid);
    size_t bad = 0;
    while (bad < text.size() && Utf8Unit(text.substr(bad)).size == 0)
      bad += Utf8Unit(text.substr(bad)).bad_bytes;
    if (bad > 0) run(text.substr(0, bad), false);
    text.remove_prefix(bad);
  }
}

void AppendUtf8(uint32_t c, std::string* text) {
  if (c < 0x80) {
    *text += static_cast<char>(c);
    return;
  }
  if (c < 0x800) {
    *text += static_cast<char>(0xC0 | c >> 6);
  } else if (c < 0x10000) {
    *text += static_cast<char>(0xE0 | c >> 12);
    *text += static_cast<char>(0x80 | (c >> 6 & 0x3F));
  } else {
    *text += static_cast<char>(0xF0 | c >> 18);
    *text += static_cast<char>(0x80 | (c >> 12 & 0x3F));
    *text += static_cast<char>(0x80 | (c >> 6 & 0x3F));
  }
  *text += static_cast<char>(0x80 | (c & 0x3F));
}

uint32_t PreviousCodePoint(std::string_view text, size_t at, size_t* begin) {
  do --at;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  *begin = at;
  return CodePoint(text.data() + at);
}

}  // namespace sojourn::policy
