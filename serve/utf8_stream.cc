#include "serve/utf8_stream.h"

#include <cstdint>
#include <utility>

namespace sojourn::serve {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";

struct Character {
  enum { kWhole, kUnfinished, kWrong } is;
  size_t bytes;  // that it has, or that are to be replaced
};

// The character that `text`, not empty, begins with (table 3-7 of the Unicode Standard).
Character First(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {Character::kWhole, 1};
  if (lead < 0xC2 || lead > 0xF4) return {Character::kWrong, 1};
  const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  for (size_t i = 1; i < length; ++i) {
    if (i == text.size()) return {Character::kUnfinished, i};
    uint8_t low = 0x80, high = 0xBF;
    if (i == 1) {
      if (lead == 0xE0) low = 0xA0;
      if (lead == 0xED) high = 0x9F;
      if (lead == 0xF0) low = 0x90;
      if (lead == 0xF4) high = 0x8F;
    }
    if (byte(i) < low || byte(i) > high) return {Character::kWrong, i};
  }
  return {Character::kWhole, length};
}

}  // namespace

std::string Utf8Stream::Push(std::string_view bytes) {
  held_.append(bytes);
  std::string text;
  std::string_view rest = held_;
  while (!rest.empty()) {
    const Character first = First(rest);
    if (first.is == Character::kUnfinished) break;
    if (first.is == Character::kWhole) {
      text.append(rest.substr(0, first.bytes));
    } else {
      text.append(kReplacement);
    }
    rest.remove_prefix(first.bytes);
  }
  held_ = std::string(rest);
  return text;
}

std::string Utf8Stream::Flush() {
  return std::exchange(held_, "").empty() ? "" : kReplacement;
}

}  // namespace sojourn::serve
