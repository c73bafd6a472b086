// Tokens beside the model's: found in a text before it is cut, in one piece.
#ifndef SOJOURN_POLICY_TOKENIZER_ADDED_H_
#define SOJOURN_POLICY_TOKENIZER_ADDED_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"

namespace sojourn::policy {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool special = false, normalized = false;
  bool single_word = false;             // not where it touches a word
  bool lstrip = false, rstrip = false;  // takes the spaces beside it
};

// Texts to look for, the longest where several begin.
class AddedTokenFinder {
 public:
  void Add(std::string_view text, const AddedToken* token);

  bool empty() const { return nodes_.empty(); }
  // Calls in order with what is found and with what lies between (token: null). `may_match` is
  // asked for each place [begin, end) where a token's text stands. After one that may not, the
  // search goes on behind it, or with `overlapping` right after its first byte.
  void Find(std::string_view text, bool overlapping,
            absl::FunctionRef<bool(const AddedToken&, size_t begin, size_t end)> may_match,
            absl::FunctionRef<void(size_t begin, size_t end, const AddedToken*)> part) const;

 private:
  struct Found {
    size_t size;
    const AddedToken* token;  // null: none
  };
  Found Longest(std::string_view text) const;

  bool first_bytes_[256] = {};
  absl::flat_hash_map<uint64_t, int32_t> edges_;  // (node << 8 | byte) to node
  std::vector<const AddedToken*> nodes_;          // the token that ends here, or null
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_TOKENIZER_ADDED_H_
