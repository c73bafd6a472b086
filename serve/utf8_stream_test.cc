#include "serve/utf8_stream.h"

#include <gtest/gtest.h>

#include <vector>

namespace sojourn::serve {
namespace {

std::string ByteByByte(std::string_view bytes) {
  Utf8Stream stream;
  std::string text;
  for (const char byte : bytes) text += stream.Push({&byte, 1});
  return text + stream.Flush();
}

TEST(Utf8Stream, HoldsACharacterUntilItIsWhole) {
  Utf8Stream stream;
  EXPECT_EQ(stream.Push("a\xF0\x9F"), "a");
  EXPECT_EQ(stream.Push("\x9A"), "");
  EXPECT_EQ(stream.Push("\x80z"), "\xF0\x9F\x9A\x80z");
  EXPECT_EQ(stream.Flush(), "");
}

// Expected values from Python: bytes.decode("utf-8", "replace").
TEST(Utf8Stream, IllFormedBytesBecomeReplacementCharacters) {
  const std::string r = "\xEF\xBF\xBD";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\xFF", r},
      {"\x80\x80", r + r},
      {"\xC0\xAF", r + r},
      {"\xE2\x82", r},                         // unfinished
      {"\xE2\x82z", r + "z"},                  // broken off
      {"\xE0\x80\x80", r + r + r},             // overlong
      {"\xED\xA0\x80", r + r + r},             // a surrogate
      {"\xF4\x90\x80\x80", r + r + r + r},     // above U+10FFFF
      {"\xF0\x9F\x9A\xC3\xA9", r + "\xC3\xA9"},
  };
  for (const auto& [bytes, text] : cases) {
    Utf8Stream stream;
    std::string whole = stream.Push(bytes);
    whole += stream.Flush();
    EXPECT_EQ(whole, text);
    EXPECT_EQ(ByteByByte(bytes), text);
  }
}

}  // namespace
}  // namespace sojourn::serve
