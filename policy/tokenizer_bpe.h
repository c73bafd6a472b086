// Byte pair encoding of one piece of text (Sennrich, Haddow, Birch: "Neural machine translation of
// rare words with subword units", ACL 2016).
#ifndef SOJOURN_POLICY_TOKENIZER_BPE_H_
#define SOJOURN_POLICY_TOKENIZER_BPE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "policy/tokenizer_json.h"

namespace sojourn::policy {

class Bpe {
 public:
  // `model` of a tokenizer.json, type BPE. `byte_level`: its tokens are written in ByteAlphabet.
  // InvalidArgument names the place.
  static absl::StatusOr<Bpe> FromJson(const Json& model, bool byte_level);

  // A piece that is all of this token does not give it: only markup does.
  void Withhold(int32_t id, std::string_view token);

  const std::vector<std::pair<std::string, int32_t>>& tokens() const { return tokens_; }

  // What a thread needs while it encodes: words that it has seen, and room to work in.
  struct Workspace {
    struct Symbol {
      int32_t id, previous, next;  // indices; -1: none. id -1: merged into its left neighbour
    };
    struct Candidate {
      int32_t rank, at, left, right, id;
    };
    absl::flat_hash_map<std::string, std::vector<int32_t>> words;
    std::vector<Symbol> symbols;
    std::vector<Candidate> candidates;
    std::vector<int32_t> ids;
  };

  // Appends the piece's ids.
  void Encode(std::string_view piece, Workspace* workspace, std::vector<int32_t>* ids) const;

 private:
  struct Merge {
    int32_t rank, id;
  };
  static uint64_t Key(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }

  absl::Status InitVocab(const Json& vocab);
  absl::Status InitMerges(const Json& merges);
  void EncodeWord(std::string_view word, Workspace* workspace, std::vector<int32_t>* ids) const;
  void FirstSymbols(std::string_view word, std::vector<int32_t>* ids) const;
  void MergeFew(std::vector<int32_t>* ids) const;
  void MergeMany(Workspace* workspace, std::vector<int32_t>* ids) const;

  bool byte_level_ = false, ignore_merges_ = false, byte_fallback_ = false, fuse_unknown_ = false;
  bool cut_at_meta_ = false;  // no merge joins a character and a U+2581 after it
  int32_t unknown_ = -1;
  std::vector<std::pair<std::string, int32_t>> tokens_;  // as written
  absl::flat_hash_map<std::string, int32_t> ids_;        // by bytes when byte_level
  std::array<int32_t, 256> byte_ids_{};                  // byte-level; -1: none
  std::array<int32_t, 256> fallback_ids_{};              // <0x00> and so on; -1: none
  absl::flat_hash_map<uint64_t, Merge> merges_;
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_TOKENIZER_BPE_H_
