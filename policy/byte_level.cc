#include "policy/byte_level.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <map>

#include "absl/strings/str_cat.h"

namespace sojourn::policy {
namespace {

std::string Utf8(int code_point) {  // below U+0800
  if (code_point < 0x80) return std::string(1, static_cast<char>(code_point));
  return {static_cast<char>(0xC0 | code_point >> 6), static_cast<char>(0x80 | (code_point & 0x3F))};
}

size_t CharacterBytes(unsigned char first) {
  return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

}  // namespace

const std::array<std::string, 256>& ByteAlphabet() {
  static const auto* const alphabet = [] {
    auto* result = new std::array<std::string, 256>;
    int next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const bool itself =
          (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
      (*result)[byte] = Utf8(itself ? byte : next++);
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

std::string FromAlphabet(std::string_view text) {
  static const auto* const bytes = [] {
    auto* result = new std::map<std::string, char, std::less<>>;
    for (int byte = 0; byte < 256; ++byte)
      (*result)[ByteAlphabet()[byte]] = static_cast<char>(byte);
    return result;
  }();
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const std::string_view character = text.substr(at, CharacterBytes(text[at]));
    const auto found = bytes->find(character);
    if (found == bytes->end()) return std::string(text);
    result += found->second;
    at += character.size();
  }
  return result;
}

absl::StatusOr<Splitter> Splitter::Compile(const std::string& pattern) {
  int error = 0;
  PCRE2_SIZE at = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF, &error, &at, nullptr);
  if (code == nullptr) {
    PCRE2_UCHAR message[256] = {};
    pcre2_get_error_message(error, message, sizeof(message));
    return absl::InvalidArgumentError(absl::StrCat("the pattern is refused at character ", at, ": ",
                                                   reinterpret_cast<const char*>(message), ": ",
                                                   pattern));
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where it cannot, matching is only slower
  return Splitter(std::shared_ptr<const void>(code, [](const void* p) {
    pcre2_code_free(static_cast<pcre2_code*>(const_cast<void*>(p)));
  }));
}

void Splitter::Split(std::string_view text,
                     const std::function<void(std::string_view)>& piece) const {
  const auto* code = static_cast<const pcre2_code*>(code_.get());
  const std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> match(
      pcre2_match_data_create_from_pattern(code, nullptr), pcre2_match_data_free);
  const PCRE2_SIZE* const found = pcre2_get_ovector_pointer(match.get());
  size_t done = 0;  // all before this was given out
  size_t search = 0;
  while (search < text.size() && pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()),
                                             text.size(), search, 0, match.get(), nullptr) > 0) {
    const size_t begin = found[0], end = found[1];
    if (end == begin) {  // an empty match cuts nothing
      search = begin + CharacterBytes(begin < text.size() ? text[begin] : 0);
      continue;
    }
    if (begin > done) piece(text.substr(done, begin - done));
    piece(text.substr(begin, end - begin));
    done = search = end;
  }
  if (done < text.size()) piece(text.substr(done));
}

}  // namespace sojourn::policy
