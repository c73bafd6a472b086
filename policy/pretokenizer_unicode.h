// Characters and their classes, as `tokenizers` sees them: Oniguruma and Rust have Unicode 16 and
// 17, its normalization Unicode 9, PCRE2 and utf8proc others; the differences are tables here.
#ifndef SOJOURN_POLICY_PRETOKENIZER_UNICODE_H_
#define SOJOURN_POLICY_PRETOKENIZER_UNICODE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"

namespace sojourn::policy {

inline constexpr uint32_t kMostCodePoint = 0x10FFFF;

enum CharClass : uint8_t {
  kLetter = 1,       // \p{L}
  kNumber = 2,       // \p{N}
  kSpace = 4,        // \s
  kMark = 8,         // \p{M}
  kRustNumber = 16,  // char::is_numeric
  kWord = 32,        // \w
  kStandIn = 64,     // PCRE2 takes it for something else: show it StandIn() in its place
  kInert = 128,      // never changed, moved or joined by normalization
};

// A class set for each code point.
const uint8_t* CharClasses();

// A character of the same category and of as many bytes in UTF-8 that Unicode 14 had.
uint32_t StandIn(uint32_t code_point);

// Of text that is valid UTF-8.
inline size_t CharBytes(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

inline uint32_t CodePoint(const char* text) {
  const auto byte = [&](int i) {
    return static_cast<uint32_t>(static_cast<unsigned char>(text[i]));
  };
  if (byte(0) < 0x80) return byte(0);
  if (byte(0) < 0xE0) return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
  if (byte(0) < 0xF0) return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
  return (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
}

// The character that ends at `at` > 0, and where it begins.
uint32_t PreviousCodePoint(std::string_view text, size_t at, size_t* begin);

// Of any bytes: the first character's size, or 0 and the bytes that together stand for one U+FFFD
// (Unicode's "maximal subpart"); `incomplete` when more bytes could still make it a character.
struct Utf8Length {
  size_t size, bad_bytes;
  bool incomplete;
};
Utf8Length Utf8Unit(std::string_view text);

size_t ValidUtf8Prefix(std::string_view text);  // bytes

// Calls with the longest runs of valid UTF-8 and with what stands between them, in order.
void ForEachUtf8Run(std::string_view text,
                    absl::FunctionRef<void(std::string_view run, bool valid)> run);

void AppendUtf8(uint32_t code_point, std::string* text);

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_PRETOKENIZER_UNICODE_H_
