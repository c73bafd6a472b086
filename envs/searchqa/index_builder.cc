#include "envs/searchqa/index_builder.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>
#include <numeric>
#include <queue>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/crc32c.h"
#include "envs/searchqa/posting_cursor.h"
#include "envs/searchqa/terms.h"

namespace sojourn::envs::searchqa {
namespace {

constexpr uint32_t kMostCount = 255;             // of a term in a passage, as it is kept
constexpr uint32_t kMostRunPassages = 1u << 24;  // what is left of 32 bits beside the count
constexpr size_t kPostingBytes = 12;             // kept twice for a while, without the term
constexpr size_t kTermBytes = 120;               // about, with its place in the table

template <typename T>
std::string_view BytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// A run as it is merged: for each term its length, its number of postings, the term, the postings.
struct RunReader {
  std::string_view rest;
  uint32_t first_passage = 0;
  std::string_view term;
  const char* values = nullptr;
  uint32_t count = 0;

  bool Next() {
    if (rest.empty()) return false;
    uint32_t sizes[2];
    std::memcpy(sizes, rest.data(), sizeof(sizes));
    count = sizes[1];
    term = rest.substr(sizeof(sizes), sizes[0]);
    values = term.data() + term.size();
    rest.remove_prefix(sizeof(sizes) + term.size() + count * sizeof(uint32_t));
    return true;
  }
};

// BM25's impact of a term in a passage, in steps (index_format.h).
class Impacts {
 public:
  explicit Impacts(const std::vector<uint16_t>& lengths) {
    const double total = std::accumulate(lengths.begin(), lengths.end(), 0.0);
    const double mean = std::max(1.0, total / std::max<size_t>(1, lengths.size()));
    for (size_t length = 0; length < norms_.size(); ++length) {
      norms_[length] = kBm25K1 * (1 - kBm25B + kBm25B * length / mean);
    }
  }
  uint8_t Of(uint32_t count, uint16_t length) const {
    const double share = count / (count + norms_[length]);
    return static_cast<uint8_t>(std::clamp<long>(std::lround(share * kMostImpact), 1, kMostImpact));
  }

 private:
  std::vector<double> norms_ = std::vector<double>(std::numeric_limits<uint16_t>::max() + 1);
};

// A block of postings while it fills.
struct Block {
  std::array<uint32_t, kBlockPostings> passages;
  std::array<uint8_t, kBlockPostings> impacts;
  uint32_t size = 0;

  // Appends its bytes; `next` is the passage after the last one before it.
  BlockEntry Pack(uint32_t next, uint64_t offset, std::string* bytes) const {
    BlockEntry entry{.last = passages[size - 1],
                     .most_impact = *std::max_element(impacts.begin(), impacts.begin() + size),
                     .offset_high = static_cast<uint16_t>(offset >> 32),
                     .offset_low = static_cast<uint32_t>(offset)};
    uint32_t all = 0;
    for (uint32_t i = 0, from = next; i < size; from = passages[i++] + 1) all |= passages[i] - from;
    entry.bits = static_cast<uint8_t>(std::bit_width(all));
    bytes->clear();
    uint64_t word = 0;
    uint32_t bits = 0;
    for (uint32_t i = 0, from = next; i < size; from = passages[i++] + 1) {
      word |= uint64_t{passages[i] - from} << bits;
      for (bits += entry.bits; bits >= 8; bits -= 8, word >>= 8)
        bytes->push_back(static_cast<char>(word));
    }
    if (bits > 0) bytes->push_back(static_cast<char>(word));
    bytes->append(reinterpret_cast<const char*>(impacts.data()), size);
    return entry;
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<IndexBuilder>> IndexBuilder::ToFile(std::string path,
                                                                   size_t memory_bytes) {
  std::unique_ptr<IndexBuilder> builder(new IndexBuilder(std::move(path), memory_bytes));
  // All at once: growing would copy, and use more than was asked for.
  builder->posting_terms_.reserve(memory_bytes / kPostingBytes);
  builder->posting_values_.reserve(memory_bytes / kPostingBytes);
  if (absl::Status opened = builder->OpenSinks(); !opened.ok()) return opened;
  return builder;
}

std::unique_ptr<IndexBuilder> IndexBuilder::InMemory() {
  std::unique_ptr<IndexBuilder> builder(new IndexBuilder("", std::numeric_limits<size_t>::max()));
  builder->OpenSinks().IgnoreError();  // memory is always there
  return builder;
}

absl::Status IndexBuilder::OpenSinks() {
  if (path_.empty()) {
    out_ = Sink::ToMemory();
  } else {
    const std::filesystem::path folder = std::filesystem::path(path_).parent_path();
    std::error_code error;
    if (!folder.empty()) std::filesystem::create_directories(folder, error);
    if (!error) std::filesystem::remove_all(path_ + ".parts", error);
    if (!error) std::filesystem::create_directory(path_ + ".parts", error);
    if (error) {
      return absl::ErrnoToStatus(error.value(),
                                 absl::StrCat(path_, ".parts: cannot make the folder"));
    }
    made_scratch_ = true;
    auto out = Sink::ToFile(path_ + ".part");
    if (!out.ok()) return out.status();
    out_ = *std::move(out);
  }
  for (auto& [name, sink] : {std::pair{"offsets", &offsets_}, std::pair{"blocks", &blocks_},
                             std::pair{"terms", &terms_}, std::pair{"names", &names_}}) {
    auto made = NewScratch(name);
    if (!made.ok()) return made.status();
    *sink = *std::move(made);
  }
  out_->AppendValue(header_);  // its place
  offsets_->AppendValue(uint64_t{0});
  return absl::OkStatus();
}

IndexBuilder::~IndexBuilder() {
  if (!made_scratch_) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_ + ".parts", ignored);
  std::filesystem::remove(path_ + ".part", ignored);
}

absl::StatusOr<std::unique_ptr<Sink>> IndexBuilder::NewScratch(std::string_view name) const {
  if (path_.empty()) return Sink::ToMemory();
  return Sink::ToFile(absl::StrCat(path_, ".parts/", name));
}

absl::Status IndexBuilder::Add(std::string_view contents) {
  if (lengths_.size() >= std::numeric_limits<uint32_t>::max() - 2) {
    return absl::OutOfRangeError("an index holds at most 4294967293 passages");
  }
  out_->Append(contents);
  texts_crc_ = Crc32c(texts_crc_, contents);
  texts_bytes_ += contents.size();
  offsets_->AppendValue(texts_bytes_);
  if (!out_->status().ok()) return out_->status();  // a full disk is noticed early

  passage_terms_.clear();
  TermReader reader(contents);
  for (std::string_view term = reader.Next(); !term.empty(); term = reader.Next()) {
    const absl::string_view key(term.data(), term.size());
    auto found = run_terms_.find(key);
    if (found == run_terms_.end()) {
      const std::string& kept = term_texts_.emplace_back(term);
      found = run_terms_.emplace(kept, static_cast<uint32_t>(run_terms_.size())).first;
    }
    passage_terms_.push_back(found->second);
  }
  const uint32_t in_run = passages() - run_first_passage_;
  lengths_.push_back(static_cast<uint16_t>(
      std::min<size_t>(passage_terms_.size(), std::numeric_limits<uint16_t>::max())));
  std::sort(passage_terms_.begin(), passage_terms_.end());
  for (size_t i = 0; i < passage_terms_.size();) {
    size_t end = i + 1;
    while (end < passage_terms_.size() && passage_terms_[end] == passage_terms_[i]) ++end;
    posting_terms_.push_back(passage_terms_[i]);
    posting_values_.push_back(in_run << 8 | std::min<uint32_t>(end - i, kMostCount));
    i = end;
  }
  const size_t used = posting_values_.size() * kPostingBytes + run_terms_.size() * kTermBytes;
  if (used >= memory_bytes_ || in_run + 1 == kMostRunPassages) return SpillRun();
  return absl::OkStatus();
}

absl::Status IndexBuilder::SpillRun() {
  auto sink = NewScratch(absl::StrCat("run-", runs_.size()));
  if (!sink.ok()) return sink.status();
  // The postings by term, in the order of the passages: by counting.
  std::vector<size_t> ends(term_texts_.size() + 1, 0);
  for (const uint32_t term : posting_terms_) ++ends[term + 1];
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  std::vector<uint32_t> sorted(posting_values_.size());
  {
    std::vector<size_t> next(ends.begin(), ends.end() - 1);
    for (size_t i = 0; i < posting_terms_.size(); ++i) {
      sorted[next[posting_terms_[i]]++] = posting_values_[i];
    }
  }
  std::vector<uint32_t> order(term_texts_.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return term_texts_[a] < term_texts_[b]; });
  for (const uint32_t term : order) {
    const std::string& text = term_texts_[term];
    const size_t count = ends[term + 1] - ends[term];
    const uint32_t sizes[2] = {static_cast<uint32_t>(text.size()), static_cast<uint32_t>(count)};
    (*sink)->AppendValue(sizes);
    (*sink)->Append(text);
    (*sink)->Append(
        {reinterpret_cast<const char*>(sorted.data() + ends[term]), count * sizeof(uint32_t)});
  }
  if (absl::Status flushed = (*sink)->Flush(); !flushed.ok()) return flushed;
  runs_.push_back({*std::move(sink), run_first_passage_});
  run_first_passage_ = passages();
  run_terms_.clear();
  term_texts_.clear();
  posting_terms_.clear();
  posting_values_.clear();
  return absl::OkStatus();
}

absl::Status IndexBuilder::Merge(const Progress& progress) {
  std::vector<RunReader> readers;
  uint64_t run_bytes = 0, done_bytes = 0;
  for (Run& run : runs_) {
    const auto bytes = run.sink->Read();
    if (!bytes.ok()) return bytes.status();
    readers.push_back({.rest = *bytes, .first_passage = run.first_passage});
    run_bytes += bytes->size();
  }
  const auto later = [&](size_t a, size_t b) {
    return std::pair(readers[a].term, a) > std::pair(readers[b].term, b);
  };
  std::priority_queue<size_t, std::vector<size_t>, decltype(later)> queue(later);
  for (size_t i = 0; i < readers.size(); ++i) {
    if (readers[i].Next()) queue.push(i);
  }

  const Impacts impacts(lengths_);
  const uint64_t begin = out_->size();
  uint32_t crc = 0;
  std::string packed;
  Block block;
  while (!queue.empty()) {
    const std::string term(readers[queue.top()].term);
    TermEntry entry{.name = names_->size(),
                    .first_block = header_.blocks,
                    .name_bytes = static_cast<uint16_t>(term.size())};
    uint32_t next = 0;
    const auto write_block = [&] {
      const BlockEntry made = block.Pack(next, out_->size() - begin, &packed);
      out_->Append(packed);
      crc = Crc32c(crc, packed);
      blocks_->AppendValue(made);
      ++header_.blocks;
      entry.most_impact = std::max(entry.most_impact, made.most_impact);
      next = made.last + 1;
      block.size = 0;
    };
    while (!queue.empty() && readers[queue.top()].term == term) {
      const size_t i = queue.top();
      RunReader& reader = readers[i];
      queue.pop();
      for (uint32_t p = 0; p < reader.count; ++p) {
        uint32_t value;
        std::memcpy(&value, reader.values + p * sizeof(value), sizeof(value));
        const uint32_t passage = reader.first_passage + (value >> 8);
        block.passages[block.size] = passage;
        block.impacts[block.size] = impacts.Of(value & kMostCount, lengths_[passage]);
        if (++block.size == kBlockPostings) write_block();
      }
      entry.postings += reader.count;
      const size_t before = reader.rest.size();
      if (reader.Next()) queue.push(i);
      done_bytes += before - reader.rest.size();
    }
    if (block.size > 0) write_block();
    terms_->AppendValue(entry);
    names_->Append(term);
    if (++header_.terms % 4096 == 0 && progress != nullptr &&
        !progress(static_cast<double>(done_bytes) / std::max<uint64_t>(1, run_bytes))) {
      return absl::CancelledError("stopped while merging");
    }
  }
  const std::string padding(kPostingsPadding, '\0');
  out_->Append(padding);
  EndSection(kPostings, begin, Crc32c(crc, padding));
  return absl::OkStatus();
}

void IndexBuilder::EndSection(Section section, uint64_t begin, uint32_t crc) {
  header_.sections[section] = {.offset = begin, .bytes = out_->size() - begin, .crc = crc};
  out_->Append(std::string((8 - out_->size() % 8) % 8, '\0'));
}

absl::Status IndexBuilder::AppendSection(Section section, Sink& from) {
  const auto bytes = from.Read();
  if (!bytes.ok()) return bytes.status();
  const uint64_t begin = out_->size();
  out_->Append(*bytes);
  EndSection(section, begin, Crc32c(0, *bytes));
  return absl::OkStatus();
}

absl::Status IndexBuilder::Assemble(const Progress& progress) {
  if (absl::Status spilled = SpillRun(); !spilled.ok()) return spilled;
  EndSection(kTexts, sizeof(IndexHeader), texts_crc_);
  if (absl::Status done = AppendSection(kOffsets, *offsets_); !done.ok()) return done;
  if (absl::Status done = Merge(progress); !done.ok()) return done;
  if (absl::Status done = AppendSection(kBlocks, *blocks_); !done.ok()) return done;
  if (absl::Status done = AppendSection(kTerms, *terms_); !done.ok()) return done;
  if (absl::Status done = AppendSection(kNames, *names_); !done.ok()) return done;
  std::memcpy(header_.magic, kIndexMagic, sizeof(kIndexMagic));
  header_.version = kIndexVersion;
  header_.file_bytes = out_->size();
  header_.passages = passages();
  header_.crc = Crc32c(0, {reinterpret_cast<const char*>(&header_), sizeof(header_)});
  return out_->Rewrite({reinterpret_cast<const char*>(&header_), sizeof(header_)});
}

absl::Status IndexBuilder::FinishFile(const Progress& progress) {
  if (absl::Status assembled = Assemble(progress); !assembled.ok()) return assembled;
  if (absl::Status synced = out_->Sync(); !synced.ok()) return synced;
  const auto error = [&](const char* doing) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path_, ": cannot ", doing));
  };
  if (rename((path_ + ".part").c_str(), path_.c_str()) != 0) return error("take its final name");
  std::filesystem::path folder = std::filesystem::path(path_).parent_path();
  if (folder.empty()) folder = ".";
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return error("open its folder");
  const auto closer = absl::MakeCleanup([fd] { close(fd); });
  if (fsync(fd) != 0) return error("sync its folder");
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const PassageIndex>> IndexBuilder::FinishInMemory() {
  if (absl::Status assembled = Assemble(nullptr); !assembled.ok()) return assembled;
  return PassageIndex::FromBytes(out_->TakeMemory());
}

}  // namespace sojourn::envs::searchqa
