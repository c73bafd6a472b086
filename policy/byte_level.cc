#include "policy/byte_level.h"

#include "policy/pretokenizer_unicode.h"

namespace sojourn::policy {
namespace {

// The byte for each character of the alphabet, -1 for others.
const std::array<int16_t, 0x180>& Bytes() {
  static const auto* const bytes = [] {
    auto* result = new std::array<int16_t, 0x180>;
    result->fill(-1);
    for (int byte = 0; byte < 256; ++byte)
      (*result)[CodePoint(ByteAlphabet()[byte].data())] = static_cast<int16_t>(byte);
    return result;
  }();
  return *bytes;
}

// False where the text has another character; `result` is then a part.
bool Read(std::string_view text, std::string* result) {
  for (size_t at = 0; at < text.size();) {
    const size_t size = Utf8Unit(text.substr(at)).size;
    const uint32_t c = size == 0 ? kMostCodePoint : CodePoint(text.data() + at);
    if (c >= Bytes().size() || Bytes()[c] < 0) return false;
    *result += static_cast<char>(Bytes()[c]);
    at += size;
  }
  return true;
}

}  // namespace

const std::array<std::string, 256>& ByteAlphabet() {
  static const auto* const alphabet = [] {
    auto* result = new std::array<std::string, 256>;
    int next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const bool itself =
          (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
      AppendUtf8(itself ? byte : next++, &(*result)[byte]);
    }
    return result;
  }();
  return *alphabet;
}

std::string ToAlphabet(std::string_view bytes) {
  std::string text;
  for (const unsigned char byte : bytes) text += ByteAlphabet()[byte];
  return text;
}

bool IsInAlphabet(std::string_view text) {
  std::string bytes;
  return Read(text, &bytes);
}

std::string FromAlphabet(std::string_view text) {
  std::string bytes;
  return Read(text, &bytes) ? bytes : std::string(text);
}

}  // namespace sojourn::policy
