// An index of short texts in memory, searched by BM25 exactly as Anserini 0.14 (on Lucene 8) does.
#ifndef SOJOURN_ENVS_SEARCH_BM25_INDEX_H_
#define SOJOURN_ENVS_SEARCH_BM25_INDEX_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace sojourn::envs::search {

// Robertson and Zaragoza's BM25 with k1 = 0.9, b = 0.4 over the terms of EnglishAnalyzer, with what
// Lucene adds to it: idf = ln(1 + (N - n + 0.5) / (n + 0.5)), no factor (k1 + 1), and a text's
// length kept in one byte (SmallFloat's byte4: exact up to 40, then four significant bits), while
// the mean length is that of the true ones. Scores are sums of 32-bit floats.
//
// Of a fixed set of texts; safe to use from several threads.
class Bm25Index {
 public:
  // A text's name decides between equal scores; names should be different.
  class Builder {
   public:
    void Add(std::string name, std::string_view text);
    Bm25Index Build() &&;

   private:
    friend class Bm25Index;
    struct Posting {
      uint32_t text;
      uint32_t count;
    };
    std::vector<std::string> names_;
    std::vector<uint32_t> lengths_;
    absl::flat_hash_map<std::string, uint32_t> term_ids_;
    std::vector<std::vector<Posting>> postings_;  // by term
  };

  Bm25Index() = default;

  struct Hit {
    int32_t text = 0;  // in the order of Add
    float score = 0;   // rounded to four decimals; each further member of a tie is 1e-6 lower
  };

  // The best texts that share a term with the query, best first; of equal ones those whose names
  // come first. None when the query has no terms.
  std::vector<Hit> Search(std::string_view query, int most) const;

  int64_t size() const { return static_cast<int64_t>(rank_by_name_.size()); }

 private:
  struct Posting {
    uint32_t text;
    float denominator;  // 1 + count / (k1 * (1 - b + b * length / mean)); the score is w - w / this
  };

  absl::flat_hash_map<std::string, uint32_t> term_ids_;
  std::vector<uint64_t> begins_;  // [terms + 1], into postings_
  std::vector<Posting> postings_;
  std::vector<uint32_t> rank_by_name_;  // [texts]
  int64_t texts_with_terms_ = 0;
};

// How Lucene keeps a length in a byte, and what it takes the byte for
// (org.apache.lucene.util.SmallFloat, intToByte4 and byte4ToInt).
uint8_t LengthToByte(uint32_t length);
uint32_t ByteToLength(uint8_t byte);

}  // namespace sojourn::envs::search

#endif  // SOJOURN_ENVS_SEARCH_BM25_INDEX_H_
