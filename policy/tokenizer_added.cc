#include "policy/tokenizer_added.h"

#include <algorithm>

#include "policy/pretokenizer_unicode.h"

namespace sojourn::policy {
namespace {

bool IsWordAt(std::string_view text, size_t at) {
  return Utf8Unit(text.substr(at)).size > 0 && CharClasses()[CodePoint(text.data() + at)] & kWord;
}

size_t CharacterBefore(std::string_view text, size_t at) {
  do --at;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  return at;
}

bool IsSpaceAt(std::string_view text, size_t at) {
  return Utf8Unit(text.substr(at)).size > 0 && CharClasses()[CodePoint(text.data() + at)] & kSpace;
}

}  // namespace

void AddedTokenFinder::Add(std::string_view text, const AddedToken* token) {
  if (text.empty()) return;
  if (nodes_.empty()) nodes_.push_back(nullptr);
  first_bytes_[static_cast<unsigned char>(text.front())] = true;
  uint64_t node = 0;
  for (const unsigned char byte : text) {
    const auto [edge, is_new] = edges_.try_emplace(node << 8 | byte, nodes_.size());
    if (is_new) nodes_.push_back(nullptr);
    node = edge->second;
  }
  nodes_[node] = token;
}

AddedTokenFinder::Found AddedTokenFinder::Longest(std::string_view text) const {
  Found longest{0, nullptr};
  uint64_t node = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto edge = edges_.find(node << 8 | static_cast<unsigned char>(text[i]));
    if (edge == edges_.end()) break;
    node = edge->second;
    if (nodes_[node] != nullptr) longest = {i + 1, nodes_[node]};
  }
  return longest;
}

void AddedTokenFinder::Find(std::string_view text, bool overlapping,
                            absl::FunctionRef<bool(const AddedToken&, size_t, size_t)> may_match,
                            absl::FunctionRef<void(size_t, size_t, const AddedToken*)> part) const {
  size_t done = 0;
  for (size_t at = 0; !empty() && at < text.size();) {
    if (!first_bytes_[static_cast<unsigned char>(text[at])]) {
      ++at;
      continue;
    }
    const Found found = Longest(text.substr(at));
    if (found.token == nullptr) {
      ++at;
      continue;
    }
    const AddedToken& token = *found.token;
    size_t begin = at, end = at + found.size;
    if (!may_match(token, begin, end)) {
      at = overlapping ? at + 1 : end;
      continue;
    }
    at = end;
    if (token.single_word && ((begin > 0 && IsWordAt(text, CharacterBefore(text, begin))) ||
                              (end < text.size() && IsWordAt(text, end))))
      continue;
    if (token.lstrip) {
      while (begin > 0 && IsSpaceAt(text, CharacterBefore(text, begin)))
        begin = CharacterBefore(text, begin);
      begin = std::max(begin, done);
    }
    if (token.rstrip) {
      while (end < text.size() && IsSpaceAt(text, end)) end += CharBytes(text[end]);
    }
    if (done < begin) part(done, begin, nullptr);
    if (begin < end) part(begin, end, &token);  // else the one before took all of it
    done = end;
  }
  if (done < text.size()) part(done, text.size(), nullptr);
}

}  // namespace sojourn::policy
