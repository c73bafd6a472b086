#include "envs/search/bm25_index.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <tuple>
#include <utility>

#include "absl/strings/string_view.h"
#include "envs/search/english_analyzer.h"

namespace sojourn::envs::search {
namespace {

constexpr float kK1 = 0.9f;
constexpr float kB = 0.4f;

// A 3-bit mantissa with the leading one left out, as a float of five bits' exponent: the first
// values are exact. Numbers with up to four significant bits stay, others are cut down.
uint32_t ToFour(uint32_t value) {
  const int bits = std::bit_width(value);
  if (bits < 4) return value;
  const int shift = bits - 4;
  return ((value >> shift) & 7) | (static_cast<uint32_t>(shift + 1) << 3);
}

uint32_t FromFour(uint32_t code) {
  const uint32_t mantissa = code & 7;
  const int exponent = static_cast<int>(code >> 3);
  return exponent == 0 ? mantissa : (mantissa | 8) << (exponent - 1);
}

constexpr uint32_t kLargest = 0x7fffffff;

uint32_t FreeValues() { return 255 - ToFour(kLargest); }  // lengths below this are kept as they are

float RoundToFour(float score) {
  return static_cast<float>(std::floor(static_cast<double>(score) * 1e4 + 0.5) / 1e4);
}

}  // namespace

uint8_t LengthToByte(uint32_t length) {
  const uint32_t free = FreeValues();
  length = std::min(length, kLargest);
  return static_cast<uint8_t>(length < free ? length : free + ToFour(length - free));
}

uint32_t ByteToLength(uint8_t byte) {
  const uint32_t free = FreeValues();
  return byte < free ? byte : free + FromFour(byte - free);
}

void Bm25Index::Builder::Add(std::string name, std::string_view text) {
  const auto number = static_cast<uint32_t>(names_.size());
  uint32_t length = 0;
  EnglishAnalyzer analyzer(text);
  for (std::string_view term = analyzer.Next(); !term.empty(); term = analyzer.Next()) {
    ++length;
    const auto [found, is_new] =
        term_ids_.try_emplace(std::string(term), static_cast<uint32_t>(postings_.size()));
    if (is_new) postings_.emplace_back();
    std::vector<Posting>& postings = postings_[found->second];
    if (!postings.empty() && postings.back().text == number) {
      ++postings.back().count;
    } else {
      postings.push_back({number, 1});
    }
  }
  names_.push_back(std::move(name));
  lengths_.push_back(length);
}

Bm25Index Bm25Index::Builder::Build() && {
  Bm25Index index;
  // Texts without terms have no length, so they do not count towards the mean.
  const int64_t texts =
      std::count_if(lengths_.begin(), lengths_.end(), [](uint32_t length) { return length > 0; });
  const double total = std::accumulate(lengths_.begin(), lengths_.end(), 0.0);
  const auto mean = static_cast<float>(texts == 0 ? 1 : total / static_cast<double>(texts));
  float inverse_norms[256];
  for (int byte = 0; byte < 256; ++byte) {
    const auto length = static_cast<float>(ByteToLength(static_cast<uint8_t>(byte)));
    inverse_norms[byte] = 1.0f / (kK1 * ((1 - kB) + kB * length / mean));
  }
  index.term_ids_ = std::move(term_ids_);
  index.begins_.push_back(0);
  for (std::vector<Posting>& postings : postings_) {
    for (const Posting& posting : postings) {
      const float inverse_norm = inverse_norms[LengthToByte(lengths_[posting.text])];
      index.postings_.push_back(
          {posting.text, 1.0f + static_cast<float>(posting.count) * inverse_norm});
    }
    index.begins_.push_back(index.postings_.size());
    postings = {};
  }
  std::vector<uint32_t> by_name(names_.size());
  std::iota(by_name.begin(), by_name.end(), 0);
  std::sort(by_name.begin(), by_name.end(), [&](uint32_t a, uint32_t b) {
    return std::tie(names_[a], a) < std::tie(names_[b], b);
  });
  index.rank_by_name_.resize(names_.size());
  for (uint32_t rank = 0; rank < by_name.size(); ++rank) {
    index.rank_by_name_[by_name[rank]] = rank;
  }
  index.texts_with_terms_ = texts;
  return index;
}

std::vector<Bm25Index::Hit> Bm25Index::Search(std::string_view query, int most) const {
  std::vector<std::pair<uint32_t, int>> terms;  // with how often the query has them
  EnglishAnalyzer analyzer(query);
  for (std::string_view term = analyzer.Next(); !term.empty(); term = analyzer.Next()) {
    const auto id = term_ids_.find(absl::string_view(term.data(), term.size()));
    if (id == term_ids_.end()) continue;
    const auto known = std::find_if(terms.begin(), terms.end(),
                                    [&](const auto& pair) { return pair.first == id->second; });
    if (known == terms.end()) {
      terms.emplace_back(id->second, 1);
    } else {
      ++known->second;
    }
  }
  if (terms.empty() || most <= 0) return {};

  // One array per thread, all zeros between searches, of the largest index so far.
  static thread_local std::vector<double> sums;
  if (sums.size() < rank_by_name_.size()) sums.resize(rank_by_name_.size());
  for (const auto& [term, count] : terms) {
    const uint64_t begin = begins_[term], end = begins_[term + 1];
    const auto with_term = static_cast<double>(end - begin);
    const auto idf = static_cast<float>(std::log(
        1 + (static_cast<double>(texts_with_terms_) - with_term + 0.5) / (with_term + 0.5)));
    const float weight = static_cast<float>(count) * idf;
    for (uint64_t i = begin; i < end; ++i) {
      const Posting& posting = postings_[i];
      sums[posting.text] += weight - weight / posting.denominator;
    }
  }

  struct Candidate {
    float score;
    uint32_t text;
  };
  const auto better = [&](const Candidate& a, const Candidate& b) {
    if (a.score != b.score) return a.score > b.score;
    return rank_by_name_[a.text] < rank_by_name_[b.text];
  };
  std::vector<Candidate> best;  // a heap whose front is the worst
  best.reserve(static_cast<size_t>(std::min<int64_t>(most, size())) + 1);
  float worst = 0;
  for (uint32_t text = 0; text < rank_by_name_.size(); ++text) {
    if (sums[text] == 0) continue;
    const Candidate candidate{static_cast<float>(sums[text]), text};
    sums[text] = 0;
    const bool is_full = static_cast<int>(best.size()) == most;
    if (is_full && (candidate.score < worst || !better(candidate, best.front()))) continue;
    best.push_back(candidate);
    std::push_heap(best.begin(), best.end(), better);
    if (is_full) {
      std::pop_heap(best.begin(), best.end(), better);
      best.pop_back();
    }
    worst = best.front().score;
  }
  std::sort(best.begin(), best.end(), better);

  std::vector<Hit> hits;
  float tied = -1;  // the rounded score of the tie that is being gone through
  int members = 0;
  for (const Candidate& candidate : best) {
    const float rounded = RoundToFour(candidate.score);
    members = rounded == tied ? members + 1 : 0;
    tied = rounded;
    hits.push_back(
        {static_cast<int32_t>(candidate.text), rounded - 1e-6f * static_cast<float>(members)});
  }
  return hits;
}

}  // namespace sojourn::envs::search
