// The pieces of byte-level BPE that loading, encoding and training share.
#ifndef SOJOURN_POLICY_BYTE_LEVEL_H_
#define SOJOURN_POLICY_BYTE_LEVEL_H_

#include <array>
#include <string>
#include <string_view>

namespace sojourn::policy {

// The 256 bytes as printable characters, in UTF-8: tokens are written in this alphabet (GPT-2's:
// printable Latin-1 stands for itself, the rest for U+0100 and up, in order).
const std::array<std::string, 256>& ByteAlphabet();
std::string ToAlphabet(std::string_view bytes);
bool IsInAlphabet(std::string_view text);
// The bytes that a text in the alphabet stands for; a text with another character stands for
// itself.
std::string FromAlphabet(std::string_view text);

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_BYTE_LEVEL_H_
