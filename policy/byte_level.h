// The pieces of byte-level BPE that loading, encoding and training share.
#ifndef SOJOURN_POLICY_BYTE_LEVEL_H_
#define SOJOURN_POLICY_BYTE_LEVEL_H_

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sojourn::policy {

// The 256 bytes as printable characters, in UTF-8: tokens are written in this alphabet (GPT-2's:
// printable Latin-1 stands for itself, the rest for U+0100 and up, in order).
const std::array<std::string, 256>& ByteAlphabet();
std::string ToAlphabet(std::string_view bytes);
// The bytes that a text in the alphabet stands for; a text with another character stands for
// itself.
std::string FromAlphabet(std::string_view text);

// What ByteLevel splits by when it is asked to (GPT-2's pattern).
inline constexpr char kByteLevelPattern[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// Cuts a text into matches of a PCRE2 pattern and what lies between them; thread-safe.
class Splitter {
 public:
  // InvalidArgument names the place in a pattern that PCRE2 does not accept.
  static absl::StatusOr<Splitter> Compile(const std::string& pattern);
  // Pieces come in order and add up to the text. Bytes that are not UTF-8 never match.
  void Split(std::string_view text, const std::function<void(std::string_view)>& piece) const;

 private:
  explicit Splitter(std::shared_ptr<const void> code) : code_(std::move(code)) {}
  std::shared_ptr<const void> code_;  // pcre2_code
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_BYTE_LEVEL_H_
