// Makes a passage index out of passages that come one after another, in bounded memory: postings
// are collected, sorted and written out as runs, which are merged at the end.
#ifndef SOJOURN_ENVS_SEARCHQA_INDEX_BUILDER_H_
#define SOJOURN_ENVS_SEARCHQA_INDEX_BUILDER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "envs/searchqa/passage_index.h"
#include "envs/searchqa/sink.h"

namespace sojourn::envs::searchqa {

class IndexBuilder {
 public:
  // Writes PATH.part and, beside it in a folder PATH.parts, what is put by meanwhile; both go away
  // when the builder does. About `memory_bytes` are used, and 2 bytes for each passage.
  static absl::StatusOr<std::unique_ptr<IndexBuilder>> ToFile(std::string path,
                                                              size_t memory_bytes);
  static std::unique_ptr<IndexBuilder> InMemory();
  ~IndexBuilder();
  IndexBuilder(const IndexBuilder&) = delete;
  IndexBuilder& operator=(const IndexBuilder&) = delete;

  // The next passage: the title in quotes, a newline, the text. OutOfRange when there are too many.
  absl::Status Add(std::string_view contents);

  // Told the share of the merging that is done, now and then; false cancels.
  using Progress = std::function<bool(double done)>;

  // The index is in its place when this returns: the old file or the new one, never half of one.
  absl::Status FinishFile(const Progress& progress = nullptr);
  absl::StatusOr<std::shared_ptr<const PassageIndex>> FinishInMemory();

  uint32_t passages() const { return static_cast<uint32_t>(lengths_.size()); }

 private:
  struct Run {
    std::unique_ptr<Sink> sink;
    uint32_t first_passage;
  };

  IndexBuilder(std::string path, size_t memory_bytes)
      : path_(std::move(path)), memory_bytes_(memory_bytes) {}
  absl::Status OpenSinks();
  absl::StatusOr<std::unique_ptr<Sink>> NewScratch(std::string_view name) const;
  absl::Status SpillRun();
  absl::Status Merge(const Progress& progress);
  absl::Status Assemble(const Progress& progress);
  void EndSection(Section section, uint64_t begin, uint32_t crc);
  absl::Status AppendSection(Section section, Sink& from);

  const std::string path_;  // empty: in memory
  const size_t memory_bytes_;
  bool made_scratch_ = false;

  IndexHeader header_ = {};
  std::unique_ptr<Sink> out_, offsets_, blocks_, terms_, names_;
  uint32_t texts_crc_ = 0;
  uint64_t texts_bytes_ = 0;
  std::vector<uint16_t> lengths_;  // in terms, at most 65535

  // The run that is being collected. A posting is a term of this run and, as one number, the
  // passage (from the run's first) and how often it has the term (at most 255).
  absl::flat_hash_map<absl::string_view, uint32_t> run_terms_;
  std::deque<std::string> term_texts_;  // the keys' bytes, by number
  std::vector<uint32_t> posting_terms_, posting_values_;
  uint32_t run_first_passage_ = 0;
  std::vector<uint32_t> passage_terms_;
  std::vector<Run> runs_;
};

}  // namespace sojourn::envs::searchqa

#endif  // SOJOURN_ENVS_SEARCHQA_INDEX_BUILDER_H_
