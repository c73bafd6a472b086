#include "envs/searchqa/passage_index.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/crc32c.h"
#include "envs/searchqa/posting_cursor.h"
#include "envs/searchqa/terms.h"

namespace sojourn::envs::searchqa {
namespace {

constexpr char kRemedy[] = "; make it again with `sojourn index`";
constexpr double kWeightSteps = 1024;

uint32_t Weight(uint64_t passages, uint64_t postings) {
  const double idf = std::log(1 + (static_cast<double>(passages - postings) + 0.5) /
                                      (static_cast<double>(postings) + 0.5));
  return std::max(1u, static_cast<uint32_t>(std::lround(idf * kWeightSteps)));
}

// The best so far: the best first, equal scores by number. Passages come in ascending order, so one
// that only ties the worst is not better.
class Best {
 public:
  explicit Best(size_t k) : k_(k) {}
  uint32_t threshold() const { return threshold_; }
  void Add(PassageIndex::Hit hit) {
    const auto worse = [](const PassageIndex::Hit& a, const PassageIndex::Hit& b) {
      return a.score > b.score;
    };
    hits_.insert(std::upper_bound(hits_.begin(), hits_.end(), hit, worse), hit);
    if (hits_.size() > k_) hits_.pop_back();
    if (hits_.size() == k_) threshold_ = hits_.back().score;
  }
  std::vector<PassageIndex::Hit> Take() { return std::move(hits_); }

 private:
  const size_t k_;
  uint32_t threshold_ = 0;  // only more than this counts
  std::vector<PassageIndex::Hit> hits_;
};

// MaxScore (Turtle and Flood, "Query evaluation: strategies and optimizations", 1995) with bounds
// of blocks (Ding and Suel, "Faster top-k document retrieval using block-max indexes", 2011). Lists
// are sorted by what they can add at most; those whose sum cannot reach the threshold are only
// looked up, for passages that the others have brought near enough. The others are gone through
// list by list, a window of passages at a time in which none leaves its block.
std::vector<PassageIndex::Hit> FindBest(std::vector<PostingCursor>& lists, size_t k) {
  std::sort(lists.begin(), lists.end(), [](const PostingCursor& a, const PostingCursor& b) {
    return a.most_score() < b.most_score();
  });
  std::vector<uint32_t> most;  // most[i]: what lists 0 .. i can add together
  for (const PostingCursor& list : lists) {
    most.push_back((most.empty() ? 0 : most.back()) + list.most_score());
  }
  Best best(k);
  size_t needed = 0;  // the first list that is gone through
  constexpr uint32_t kEnd = PostingCursor::kEnd, kWindow = 4096;
  std::array<uint32_t, kWindow> sums = {};
  std::array<uint16_t, kWindow + 1> touched;  // one more: it is written before it is known to count
  std::vector<uint16_t> near;
  while (needed < lists.size()) {
    uint32_t first = kEnd;
    for (size_t i = needed; i < lists.size(); ++i) first = std::min(first, lists[i].passage());
    if (first == kEnd) break;
    const uint32_t others = needed > 0 ? most[needed - 1] : 0;

    uint32_t bound = others, last = kEnd - 1;
    for (size_t i = needed; i < lists.size(); ++i) {
      if (lists[i].passage() == kEnd) continue;
      bound += lists[i].block_most_score();
      last = std::min(last, lists[i].block_last());
    }
    last = std::max(last, first);
    if (bound <= best.threshold()) {
      for (size_t i = needed; i < lists.size(); ++i) lists[i].SkipTo(last + 1);
      continue;
    }

    last = std::min(last, first + (kWindow - 1));
    size_t count = 0;
    for (size_t i = needed; i < lists.size(); ++i) {
      if (lists[i].passage() > last) continue;
      count += lists[i].AddScores(first, last, sums.data(), touched.data() + count);
    }
    near.clear();
    for (size_t i = 0; i < count; ++i) {
      if (sums[touched[i]] + others > best.threshold()) {
        near.push_back(touched[i]);
      } else {
        sums[touched[i]] = 0;
      }
    }
    std::sort(near.begin(), near.end());
    for (const uint16_t place : near) {
      uint32_t score = std::exchange(sums[place], 0);
      const uint32_t passage = first + place;
      for (size_t i = needed; i-- > 0 && score + most[i] > best.threshold();) {
        const uint32_t rest = i > 0 ? most[i - 1] : 0;
        if (score + rest + lists[i].MostScoreAt(passage) <= best.threshold()) break;
        lists[i].SkipTo(passage);
        if (lists[i].passage() == passage) score += lists[i].score();
      }
      if (score > best.threshold()) best.Add({passage, score});
    }
    while (needed < lists.size() && most[needed] <= best.threshold()) ++needed;
  }
  return best.Take();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const PassageIndex>> PassageIndex::Open(const std::string& path) {
  auto file = MappedFile::Open(path);
  if (!file.ok()) return file.status();
  std::shared_ptr<PassageIndex> index(new PassageIndex);
  index->file_ = *std::move(file);
  if (absl::Status read = index->Read(index->file_->bytes(), path); !read.ok()) return read;
  return index;
}

absl::StatusOr<std::shared_ptr<const PassageIndex>> PassageIndex::FromBytes(std::string bytes) {
  std::shared_ptr<PassageIndex> index(new PassageIndex);
  index->memory_ = std::move(bytes);
  if (absl::Status read = index->Read(index->memory_, "index"); !read.ok()) return read;
  return index;
}

absl::Status PassageIndex::Read(std::string_view bytes, std::string name) {
  bytes_ = bytes;
  name_ = std::move(name);
  const auto damaged = [&](std::string_view what) {
    return absl::DataLossError(absl::StrCat(name_, ": ", what, kRemedy));
  };
  if (bytes.size() < sizeof(IndexHeader)) return damaged("too short for a passage index");
  std::memcpy(&header_, bytes.data(), sizeof(header_));
  if (std::memcmp(header_.magic, kIndexMagic, sizeof(kIndexMagic)) != 0) {
    return damaged("not a passage index");
  }
  if (header_.version != kIndexVersion) {
    return damaged(absl::StrCat("a passage index of version ", header_.version,
                                "; this is version ", kIndexVersion));
  }
  IndexHeader unchecked = header_;
  unchecked.crc = 0;
  if (Crc32c(0, {reinterpret_cast<const char*>(&unchecked), sizeof(unchecked)}) != header_.crc) {
    return damaged("the header is damaged");
  }
  if (header_.file_bytes != bytes.size()) {
    return damaged(absl::StrCat("has ", bytes.size(), " bytes and should have ", header_.file_bytes,
                                ": it was cut short or added to"));
  }
  for (int i = 0; i < kSections; ++i) {
    const SectionEntry& section = header_.sections[i];
    if (section.offset % 8 != 0 || section.offset > bytes.size() ||
        section.bytes > bytes.size() - section.offset) {
      return damaged(absl::StrCat("section ", kSectionNames[i], " lies outside the file"));
    }
    sections_[i] = bytes.substr(section.offset, section.bytes);
  }
  constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max() - 1;
  if (header_.passages > kMost || header_.terms > bytes.size() || header_.blocks > bytes.size() ||
      sections_[kOffsets].size() != (header_.passages + 1) * sizeof(uint64_t) ||
      sections_[kPostings].size() < kPostingsPadding ||
      sections_[kBlocks].size() != header_.blocks * sizeof(BlockEntry) ||
      sections_[kTerms].size() != header_.terms * sizeof(TermEntry)) {
    return damaged("the sections do not fit what the header counts");
  }
  passages_ = static_cast<uint32_t>(header_.passages);
  terms_ = header_.terms;
  return absl::OkStatus();
}

absl::Status PassageIndex::Verify() const {
  for (int i = 0; i < kSections; ++i) {
    if (Crc32c(0, sections_[i]) == header_.sections[i].crc) continue;
    return absl::DataLossError(
        absl::StrCat(name_, ": section ", kSectionNames[i], " is damaged", kRemedy));
  }
  return absl::OkStatus();
}

std::string_view PassageIndex::NameOf(const TermEntry& term) const {
  const std::string_view names = sections_[kNames];
  return term.name > names.size() ? "" : names.substr(term.name, term.name_bytes);
}

const TermEntry* PassageIndex::FindTerm(std::string_view term) const {
  const auto* const begin = reinterpret_cast<const TermEntry*>(sections_[kTerms].data());
  const auto* const end = begin + terms_;
  const auto* const found = std::lower_bound(
      begin, end, term,
      [&](const TermEntry& entry, std::string_view t) { return NameOf(entry) < t; });
  return found != end && NameOf(*found) == term ? found : nullptr;
}

absl::StatusOr<std::vector<PassageIndex::Hit>> PassageIndex::Search(std::string_view query,
                                                                    int k) const {
  struct Word {
    std::string term;
    uint32_t count;
  };
  std::vector<Word> words;
  bool only_stop_words = true;
  TermReader reader(query);
  for (int i = 0; i < kMaxQueryTokens; ++i) {
    const std::string_view term = reader.Next();
    if (term.empty()) break;
    const auto known =
        std::find_if(words.begin(), words.end(), [&](const Word& w) { return w.term == term; });
    if (known != words.end()) {
      ++known->count;
    } else if (words.size() < kMaxQueryTerms) {
      words.push_back({std::string(term), 1});
      only_stop_words = only_stop_words && IsStopWord(term);
    }
  }

  std::vector<PostingCursor> lists;
  lists.reserve(words.size());
  const PostingSections sections{sections_[kPostings],
                                 reinterpret_cast<const BlockEntry*>(sections_[kBlocks].data()),
                                 header_.blocks, passages_};
  bool damaged = false;
  for (const Word& word : words) {
    if (!only_stop_words && IsStopWord(word.term)) continue;
    const TermEntry* const term = FindTerm(word.term);
    if (term == nullptr) continue;
    if (term->postings > passages_)
      return absl::DataLossError(absl::StrCat(name_, ": damaged", kRemedy));
    lists.emplace_back(sections, *term, Weight(passages_, term->postings) * word.count);
    damaged = damaged || lists.back().damaged();
  }
  std::vector<Hit> hits;
  if (k > 0 && !lists.empty() && !damaged) hits = FindBest(lists, k);
  for (const PostingCursor& list : lists) damaged = damaged || list.damaged();
  if (damaged)
    return absl::DataLossError(absl::StrCat(name_, ": the postings are damaged", kRemedy));
  return hits;
}

std::string_view PassageIndex::Contents(uint32_t passage) const {
  if (passage >= passages_) return "";
  uint64_t places[2];
  std::memcpy(places, sections_[kOffsets].data() + passage * sizeof(uint64_t), sizeof(places));
  const std::string_view texts = sections_[kTexts];
  if (places[0] > places[1] || places[1] > texts.size()) return "";
  return texts.substr(places[0], places[1] - places[0]);
}

bool BeginsLikeAnIndex(const std::string& path) {
  char magic[sizeof(kIndexMagic)] = {};
  std::ifstream(path, std::ios::binary).read(magic, sizeof(magic));
  return std::memcmp(magic, kIndexMagic, sizeof(magic)) == 0;
}

std::string_view TitleLine(std::string_view contents) {
  return contents.substr(0, contents.find('\n'));
}

std::string_view TextBelow(std::string_view contents) {
  const size_t newline = contents.find('\n');
  return newline == std::string_view::npos ? "" : contents.substr(newline + 1);
}

std::string_view Title(std::string_view contents) {
  std::string_view title = TitleLine(contents);
  if (title.size() >= 2 && title.front() == '"' && title.back() == '"') {
    title = title.substr(1, title.size() - 2);
  }
  return title;
}

}  // namespace sojourn::envs::searchqa
