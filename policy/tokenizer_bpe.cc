#include "policy/tokenizer_bpe.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "policy/byte_level.h"
#include "policy/pretokenizer_unicode.h"

namespace sojourn::policy {
namespace {

constexpr char kMeta[] = "\xE2\x96\x81";  // U+2581, sentencepiece's space
constexpr size_t kFewSymbols = 24;        // looking at all pairs is then faster than a heap
constexpr size_t kLongestKept = 64;       // bytes of a word that is worth keeping
constexpr size_t kMostKept = 1 << 16;     // words

bool BeginsWithMeta(std::string_view token) { return token.substr(0, 3) == kMeta; }
bool EndsWithMeta(std::string_view token) {
  return token.size() >= 3 && token.substr(token.size() - 3) == kMeta;
}

}  // namespace

absl::StatusOr<Bpe> Bpe::FromJson(const Json& model, bool byte_level) {
  if (Text(model, "type") != "BPE" && !(Member(model, "type").is_null() && model.is_object())) {
    return Unsupported("model.type", model.is_object() ? Member(model, "type") : model, "\"BPE\"");
  }
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
    const Json& value = Member(model, key);
    if (!value.is_null() && value != "" && value != 0.0)
      return Unsupported(absl::StrCat("model.", key), value, "null");
  }
  Bpe bpe;
  bpe.byte_level_ = byte_level;
  bpe.byte_fallback_ = Flag(model, "byte_fallback", false);
  bpe.fuse_unknown_ = Flag(model, "fuse_unk", false);
  bpe.ignore_merges_ = Flag(model, "ignore_merges", false);
  if (absl::Status s = bpe.InitVocab(Member(model, "vocab")); !s.ok()) return s;
  if (const Json& unknown = Member(model, "unk_token"); !unknown.is_null()) {
    const auto found = Member(model, "vocab").find(Text(model, "unk_token"));
    if (found == Member(model, "vocab").end())
      return Unsupported("model.unk_token", unknown, "a token of the vocabulary");
    bpe.unknown_ = found->get<int32_t>();
  }
  if (absl::Status s = bpe.InitMerges(Member(model, "merges")); !s.ok()) return s;
  return bpe;
}

absl::Status Bpe::InitVocab(const Json& vocab) {
  if (!vocab.is_object() || vocab.empty())
    return Unsupported("model.vocab", vocab, "an object of tokens and ids");
  constexpr int64_t kMostTokens = 1 << 20;
  byte_ids_.fill(-1);
  fallback_ids_.fill(-1);
  ids_.reserve(vocab.size());
  tokens_.reserve(vocab.size());
  for (const auto& [token, id] : vocab.items()) {
    if (!id.is_number_integer() || id < 0 || id >= kMostTokens) {
      return Unsupported(absl::StrCat("model.vocab[\"", token, "\"]"), id,
                         absl::StrCat("an id from 0 to ", kMostTokens - 1));
    }
    const int32_t value = id.get<int32_t>();
    tokens_.emplace_back(token, value);
    // A token that is not in the alphabet cannot come of any text.
    if (!byte_level_) {
      ids_[token] = value;
    } else if (IsInAlphabet(token)) {
      ids_[FromAlphabet(token)] = value;
    }
  }
  for (int byte = 0; byte < 256; ++byte) {
    const auto fallback = vocab.find(absl::StrFormat("<0x%02X>", byte));
    if (fallback != vocab.end()) fallback_ids_[byte] = fallback->get<int32_t>();
    const auto found = ids_.find(std::string(1, static_cast<char>(byte)));
    if (byte_level_ && found != ids_.end()) byte_ids_[byte] = found->second;
  }
  return absl::OkStatus();
}

absl::Status Bpe::InitMerges(const Json& merges) {
  if (!merges.is_array()) return Unsupported("model.merges", merges, "a list");
  cut_at_meta_ = !byte_level_ && ids_.contains(kMeta);
  merges_.reserve(merges.size());
  int32_t rank = 0;
  for (size_t i = 0; i < merges.size(); ++i) {
    const Json& merge = merges[i];
    std::string left, right;
    if (merge.is_string()) {  // "a b", the older form
      const std::string text = merge.get<std::string>();
      if (text.rfind("#version", 0) == 0) continue;
      const size_t space = text.find(' ');
      if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos) {
        left = text.substr(0, space);
        right = text.substr(space + 1);
      }
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      left = merge[0].get<std::string>();
      right = merge[1].get<std::string>();
    }
    if (byte_level_) {
      left = FromAlphabet(left);
      right = FromAlphabet(right);
    }
    const auto l = ids_.find(left), r = ids_.find(right), both = ids_.find(left + right);
    if (l == ids_.end() || r == ids_.end() || both == ids_.end()) {
      return Unsupported(absl::StrCat("model.merges[", i, "]"), merge,
                         "two tokens of the vocabulary that together are a third");
    }
    merges_.insert_or_assign(Key(l->second, r->second), Merge{rank++, both->second});
    if (BeginsWithMeta(right) && !EndsWithMeta(left)) cut_at_meta_ = false;
  }
  return absl::OkStatus();
}

void Bpe::Withhold(int32_t id, std::string_view token) {
  if (!ignore_merges_) return;
  const auto found = ids_.find(byte_level_ ? FromAlphabet(token) : std::string(token));
  if (found != ids_.end() && found->second == id) ids_.erase(found);
}

void Bpe::Encode(std::string_view piece, Workspace* workspace, std::vector<int32_t>* ids) const {
  if (ignore_merges_) {
    const auto whole = ids_.find(piece);
    if (whole != ids_.end()) return ids->push_back(whole->second);
  }
  if (!cut_at_meta_) return EncodeWord(piece, workspace, ids);
  while (!piece.empty()) {
    size_t end = 0;
    while (piece.substr(end, 3) == kMeta) end += 3;
    end = std::min(piece.size(), piece.find(kMeta, end));
    EncodeWord(piece.substr(0, end), workspace, ids);
    piece.remove_prefix(end);
  }
}

void Bpe::EncodeWord(std::string_view word, Workspace* workspace, std::vector<int32_t>* ids) const {
  const bool keep = word.size() <= kLongestKept;
  if (keep) {
    const auto kept = workspace->words.find(word);
    if (kept != workspace->words.end()) {
      ids->insert(ids->end(), kept->second.begin(), kept->second.end());
      return;
    }
  }
  std::vector<int32_t>& symbols = workspace->ids;
  symbols.clear();
  FirstSymbols(word, &symbols);
  symbols.size() <= kFewSymbols ? MergeFew(&symbols) : MergeMany(workspace, &symbols);
  ids->insert(ids->end(), symbols.begin(), symbols.end());
  if (!keep) return;
  if (workspace->words.size() >= kMostKept) workspace->words.clear();
  workspace->words.emplace(word, symbols);
}

// Each character by itself; one that is no token as the tokens of its bytes, or else as unknown, in
// the order that `tokenizers` gives them: an unknown one waits for the next known one.
void Bpe::FirstSymbols(std::string_view word, std::vector<int32_t>* ids) const {
  bool waiting = false;
  const auto add = [&](int32_t id) {
    if (std::exchange(waiting, false)) ids->push_back(unknown_);
    ids->push_back(id);
  };
  for (size_t at = 0; at < word.size();) {
    std::string_view character;
    if (byte_level_) {
      const auto byte = static_cast<unsigned char>(word[at++]);
      if (byte_ids_[byte] >= 0) {
        add(byte_ids_[byte]);
        continue;
      }
      character = ByteAlphabet()[byte];
    } else {
      // What is not UTF-8 goes byte by byte.
      const size_t size = std::max<size_t>(1, Utf8Unit(word.substr(at)).size);
      character = word.substr(at, size);
      at += size;
      const auto found = ids_.find(character);
      if (found != ids_.end()) {
        add(found->second);
        continue;
      }
    }
    const auto has_token = [&](unsigned char byte) { return fallback_ids_[byte] >= 0; };
    if (byte_fallback_ && std::all_of(character.begin(), character.end(), has_token)) {
      for (const unsigned char byte : character) ids->push_back(fallback_ids_[byte]);
    } else if (unknown_ >= 0) {
      if (waiting && !fuse_unknown_) ids->push_back(unknown_);
      waiting = true;
    }
  }
  if (waiting) ids->push_back(unknown_);
}

// Applies the merge of lowest rank, leftmost first, until none applies.
void Bpe::MergeFew(std::vector<int32_t>* ids) const {
  constexpr Merge kNone{INT32_MAX, -1};
  Merge pairs[kFewSymbols];
  size_t size = ids->size();
  int32_t* const symbols = ids->data();
  const auto look_up = [&](size_t i) {
    const auto found = merges_.find(Key(symbols[i], symbols[i + 1]));
    pairs[i] = found == merges_.end() ? kNone : found->second;
  };
  for (size_t i = 0; i + 1 < size; ++i) look_up(i);
  for (;;) {
    size_t best = 0;
    int32_t rank = INT32_MAX;
    for (size_t i = 0; i + 1 < size; ++i) {
      if (pairs[i].rank < rank) {
        rank = pairs[i].rank;
        best = i;
      }
    }
    if (rank == INT32_MAX) break;
    symbols[best] = pairs[best].id;
    std::copy(symbols + best + 2, symbols + size, symbols + best + 1);
    std::copy(pairs + best + 2, pairs + size, pairs + best + 1);
    --size;
    if (best > 0) look_up(best - 1);
    if (best + 1 < size) look_up(best);
  }
  ids->resize(size);
}

// The same, by a heap of candidates over a linked list of symbols: O(n log n).
void Bpe::MergeMany(Workspace* workspace, std::vector<int32_t>* ids) const {
  using Candidate = Workspace::Candidate;
  auto& symbols = workspace->symbols;
  auto& heap = workspace->candidates;
  symbols.clear();
  heap.clear();
  const auto later = [](const Candidate& a, const Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
  };
  for (size_t i = 0; i < ids->size(); ++i) {
    const auto at = static_cast<int32_t>(i);
    symbols.push_back({(*ids)[i], at - 1, i + 1 < ids->size() ? at + 1 : -1});
  }
  const auto offer = [&](int32_t at, bool sift) {
    if (at < 0 || symbols[at].next < 0) return;
    const int32_t left = symbols[at].id, right = symbols[symbols[at].next].id;
    const auto merge = merges_.find(Key(left, right));
    if (merge == merges_.end()) return;
    heap.push_back({merge->second.rank, at, left, right, merge->second.id});
    if (sift) std::push_heap(heap.begin(), heap.end(), later);
  };
  for (size_t at = 0; at < symbols.size(); ++at) offer(static_cast<int32_t>(at), false);
  std::make_heap(heap.begin(), heap.end(), later);
  while (!heap.empty()) {
    const Candidate best = heap.front();
    std::pop_heap(heap.begin(), heap.end(), later);
    heap.pop_back();
    auto& symbol = symbols[best.at];
    if (symbol.id != best.left || symbol.next < 0 || symbols[symbol.next].id != best.right)
      continue;  // outdated
    auto& eaten = symbols[symbol.next];
    symbol.id = best.id;
    symbol.next = eaten.next;
    eaten.id = -1;
    if (symbol.next >= 0) symbols[symbol.next].previous = best.at;
    offer(symbol.previous, true);
    offer(best.at, true);
  }
  ids->clear();
  for (int32_t at = symbols.empty() ? -1 : 0; at >= 0; at = symbols[at].next)
    ids->push_back(symbols[at].id);
}

}  // namespace sojourn::policy
