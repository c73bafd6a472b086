#include "envs/webshop/python_strings.h"

#include <utf8proc.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "absl/strings/ascii.h"

namespace sojourn::envs::webshop {
namespace {

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool IsCased(utf8proc_int32_t c) { return utf8proc_tolower(c) != c || utf8proc_toupper(c) != c; }

constexpr utf8proc_int32_t kCapitalSigma = 0x3a3, kFinalSigma = 0x3c2, kCapitalDottedI = 0x130;

template <typename Map>
std::string MapCharacters(std::string_view text, const Map& map) {
  std::string mapped;
  mapped.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    utf8proc_int32_t c = 0;
    const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + i,
                                        static_cast<utf8proc_ssize_t>(text.size() - i), &c);
    if (bytes <= 0) {
      mapped += text[i++];
      continue;
    }
    i += bytes;
    map(c, i, mapped);
  }
  return mapped;
}

void Append(utf8proc_int32_t c, std::string& text) {
  utf8proc_uint8_t encoded[4];
  text.append(reinterpret_cast<const char*>(encoded), utf8proc_encode_char(c, encoded));
}

}  // namespace

std::string Lower(std::string_view text) {
  if (IsAscii(text)) {
    std::string lower(text);
    for (char& c : lower) c = absl::ascii_tolower(static_cast<unsigned char>(c));
    return lower;
  }
  utf8proc_int32_t previous = 0;
  return MapCharacters(text, [&](utf8proc_int32_t c, size_t end, std::string& lower) {
    if (c == kCapitalSigma && IsCased(previous)) {
      utf8proc_int32_t next = 0;  // 0 at the end and before bytes that are not UTF-8
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + end,
                       static_cast<utf8proc_ssize_t>(text.size() - end), &next);
      Append(next > 0 && IsCased(next) ? utf8proc_tolower(c) : kFinalSigma, lower);
    } else if (c == kCapitalDottedI) {
      lower += "i\u0307";
    } else {
      Append(utf8proc_tolower(c), lower);
    }
    previous = c;
  });
}

std::string Upper(std::string_view text) {
  return MapCharacters(text, [](utf8proc_int32_t c, size_t, std::string& upper) {
    Append(utf8proc_toupper(c), upper);
  });
}

std::string FloatRepr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const double size = std::abs(value);
  const auto form = value == 0 || (size >= 1e-4 && size < 1e16) ? std::chars_format::fixed
                                                                : std::chars_format::scientific;
  char digits[64];
  std::string text(digits, std::to_chars(digits, digits + sizeof(digits), value, form).ptr);
  if (form == std::chars_format::fixed && text.find('.') == std::string::npos) text += ".0";
  return text;
}

size_t CharacterCount(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

}  // namespace sojourn::envs::webshop
