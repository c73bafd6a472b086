#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <queue>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "policy/byte_level.h"
#include "policy/pretokenizer_pattern.h"
#include "policy/pretokenizer_unicode.h"
#include "policy/tokenizer.h"

namespace sojourn::policy {
namespace {

// A pattern that matches one text and nothing else, in PCRE2 and in Oniguruma.
std::string Quote(const std::string& text) {
  std::string quoted;
  for (const char c : text) {
    if (absl::ascii_ispunct(c)) quoted += '\\';
    quoted += c;
  }
  return quoted;
}

// Whole words are split off before anything else; the longest first, and not inside a longer word.
// With ignore_merges, a piece that is in the vocabulary is one token.
std::string SplitPattern(const TokenizerTraining& training) {
  std::vector<std::string> words = training.whole_words;
  std::sort(words.begin(), words.end(), [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() > b.size() : a < b;
  });
  std::string pattern;
  for (const std::string& word : words) {
    absl::StrAppend(&pattern, pattern.empty() ? "" : "|",
                    absl::ascii_isalnum(word.front()) ? "(?<![\\p{L}\\p{N}])" : "", Quote(word),
                    absl::ascii_isalnum(word.back()) ? "(?![\\p{L}\\p{N}])" : "");
  }
  if (!training.split_pattern.empty())
    absl::StrAppend(&pattern, pattern.empty() ? "" : "|", training.split_pattern);
  return pattern;
}

using Pair = std::pair<int32_t, int32_t>;

struct Piece {
  std::vector<int32_t> ids;
  int64_t count;
};

// Merges the most frequent pair, again and again (Sennrich, Haddow, Birch: "Neural machine
// translation of rare words with subword units", ACL 2016), counting only where a merge changed
// something.
class MergeCounter {
 public:
  explicit MergeCounter(std::vector<Piece> pieces) : pieces_(std::move(pieces)) {
    for (size_t i = 0; i < pieces_.size(); ++i) Count(i, +1);
    for (const auto& [pair, count] : counts_) candidates_.push({count, pair});
  }

  // The most frequent pair, of equals the one of lowest ids; false when no pair comes twice.
  bool Best(Pair* best) {
    while (!candidates_.empty()) {
      const Candidate top = candidates_.top();
      const int64_t now = counts_[top.pair];
      if (now == top.count) {
        if (now < 2) return false;
        *best = top.pair;
        return true;
      }
      candidates_.pop();  // outdated; its present count goes back in
      if (now > 0) candidates_.push({now, top.pair});
    }
    return false;
  }

  void Merge(const Pair& pair, int32_t id) {
    const std::vector<size_t> where(places_[pair].begin(), places_[pair].end());
    changed_.clear();
    for (const size_t i : where) {
      Count(i, -1);
      std::vector<int32_t>& ids = pieces_[i].ids;
      size_t to = 0;
      for (size_t from = 0; from < ids.size(); ++from) {
        const bool merged =
            from + 1 < ids.size() && ids[from] == pair.first && ids[from + 1] == pair.second;
        ids[to++] = merged ? id : ids[from];
        from += merged;
      }
      ids.resize(to);
      Count(i, +1);
    }
    places_.erase(pair);
    for (const Pair& p : changed_) {
      if (counts_[p] > 0) candidates_.push({counts_[p], p});
    }
  }

 private:
  struct Candidate {
    int64_t count;
    Pair pair;
    bool operator<(const Candidate& other) const {
      return count != other.count ? count < other.count : pair > other.pair;
    }
  };

  void Count(size_t i, int sign) {
    const std::vector<int32_t>& ids = pieces_[i].ids;
    for (size_t k = 0; k + 1 < ids.size(); ++k) {
      const Pair pair(ids[k], ids[k + 1]);
      counts_[pair] += sign * pieces_[i].count;
      if (sign > 0) places_[pair].insert(i);
      changed_.insert(pair);
    }
  }

  std::vector<Piece> pieces_;
  absl::flat_hash_map<Pair, int64_t> counts_;
  absl::flat_hash_map<Pair, absl::flat_hash_set<size_t>>
      places_;  // may name pieces that lost the pair
  absl::flat_hash_set<Pair> changed_;
  std::priority_queue<Candidate> candidates_;
};

}  // namespace

absl::StatusOr<std::string> TrainTokenizer(absl::Span<const std::string> texts,
                                           const TokenizerTraining& training) {
  const int needed = training.special_tokens.size() + 256 + training.whole_words.size();
  if (training.vocab_size < needed) {
    return absl::InvalidArgumentError(absl::StrCat(
        "vocab_size is ", training.vocab_size,
        "; the special tokens, the 256 bytes and the whole words alone need ", needed));
  }
  std::set<std::string> words;
  for (const std::string& word : training.whole_words) {
    if (word.size() < 2 || !words.insert(word).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          "whole_words: \"", word, "\" is ", word.size() < 2 ? "too short" : "given twice"));
    }
  }
  const std::string pattern = SplitPattern(training);
  const absl::StatusOr<Pattern> splitter = Pattern::Compile(pattern);
  if (!splitter.ok())
    return absl::InvalidArgumentError(absl::StrCat("split_pattern: ", splitter.status().message()));

  std::map<std::string, int64_t, std::less<>> counts;
  for (const std::string& text : texts) {
    const auto count = [&](std::string_view piece) {
      if (piece.empty() || words.contains(std::string(piece))) return;
      const auto found = counts.find(piece);
      found == counts.end() ? counts.emplace(piece, 1) : (++found->second, std::pair(found, false));
    };
    if (pattern.empty()) {
      count(text);
      continue;
    }
    ForEachUtf8Run(text, [&](std::string_view run, bool valid) {
      if (!valid) return count(run);
      splitter->Find(run, [&](std::string_view piece, bool) { count(piece); });
    });
  }

  std::vector<std::string> tokens(training.special_tokens);  // by id; the model's in the alphabet
  const int first_byte = tokens.size();
  std::vector<std::string> bytes(ByteAlphabet().begin(), ByteAlphabet().end());
  std::sort(bytes.begin(), bytes.end());
  tokens.insert(tokens.end(), bytes.begin(), bytes.end());
  std::array<int32_t, 256> byte_ids;
  for (int byte = 0; byte < 256; ++byte) {
    byte_ids[byte] =
        first_byte +
        (std::lower_bound(bytes.begin(), bytes.end(), ByteAlphabet()[byte]) - bytes.begin());
  }
  for (const std::string& word : training.whole_words) tokens.push_back(ToAlphabet(word));

  std::vector<Piece> pieces;
  for (const auto& [text, count] : counts) {
    Piece piece{.count = count};
    for (const unsigned char byte : text) piece.ids.push_back(byte_ids[byte]);
    pieces.push_back(std::move(piece));
  }
  absl::flat_hash_map<std::string, int32_t> ids;
  for (size_t id = first_byte; id < tokens.size(); ++id) ids[tokens[id]] = id;
  nlohmann::ordered_json merges = nlohmann::ordered_json::array();
  MergeCounter counter(std::move(pieces));
  for (Pair pair; static_cast<int>(tokens.size()) < training.vocab_size && counter.Best(&pair);) {
    const std::string token = tokens[pair.first] + tokens[pair.second];
    const auto [at, is_new] =
        ids.try_emplace(token, tokens.size());  // a whole word may come about again
    if (is_new) tokens.push_back(token);
    merges.push_back(absl::StrCat(tokens[pair.first], " ", tokens[pair.second]));
    counter.Merge(pair, at->second);
  }

  nlohmann::ordered_json vocab = nlohmann::ordered_json::object(),
                         added = nlohmann::ordered_json::array();
  for (size_t id = 0; id < tokens.size(); ++id) vocab[tokens[id]] = id;
  for (int id = 0; id < first_byte; ++id) {
    added.push_back({{"id", id},
                     {"content", tokens[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  const nlohmann::ordered_json byte_level = {{"type", "ByteLevel"},
                                             {"add_prefix_space", false},
                                             {"trim_offsets", true},
                                             {"use_regex", false}};
  nlohmann::ordered_json pre_tokenizer = byte_level;
  if (!pattern.empty()) {
    const nlohmann::ordered_json split = {{"type", "Split"},
                                          {"pattern", {{"Regex", pattern}}},
                                          {"behavior", "Isolated"},
                                          {"invert", false}};
    pre_tokenizer = {{"type", "Sequence"},
                     {"pretokenizers", nlohmann::ordered_json::array({split, byte_level})}};
  }
  const nlohmann::ordered_json json = {{"version", "1.0"},
                                       {"truncation", nullptr},
                                       {"padding", nullptr},
                                       {"added_tokens", added},
                                       {"normalizer", nullptr},
                                       {"pre_tokenizer", pre_tokenizer},
                                       {"post_processor", nullptr},
                                       {"decoder", byte_level},
                                       {"model",
                                        {{"type", "BPE"},
                                         {"dropout", nullptr},
                                         {"unk_token", nullptr},
                                         {"continuing_subword_prefix", nullptr},
                                         {"end_of_word_suffix", nullptr},
                                         {"fuse_unk", false},
                                         {"byte_fallback", false},
                                         {"ignore_merges", true},
                                         {"vocab", vocab},
                                         {"merges", merges}}}};
  return json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace sojourn::policy
