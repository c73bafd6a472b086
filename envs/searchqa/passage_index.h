// Millions of passages, found by their words: BM25 over a memory-mapped file (index_format.h),
// which `sojourn index` or index_builder.h makes.
#ifndef SOJOURN_ENVS_SEARCHQA_PASSAGE_INDEX_H_
#define SOJOURN_ENVS_SEARCHQA_PASSAGE_INDEX_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/mapped_file.h"
#include "envs/searchqa/index_format.h"

namespace sojourn::envs::searchqa {

// Of a query: the first so many terms, and the first so many different ones.
inline constexpr int kMaxQueryTokens = 256, kMaxQueryTerms = 64;

// Immutable and thread-safe. What a file holds is never trusted: damage is an error, of Open or of
// the search that meets it.
class PassageIndex {
 public:
  // DataLoss when the file is not a whole index of this version (its length, the header's checksum
  // and the sections' places are checked: the passages themselves are read as they are used).
  static absl::StatusOr<std::shared_ptr<const PassageIndex>> Open(const std::string& path);
  static absl::StatusOr<std::shared_ptr<const PassageIndex>> FromBytes(std::string bytes);

  // Reads all of it and compares the checksums; DataLoss names the section that is damaged.
  absl::Status Verify() const;

  uint32_t size() const { return passages_; }
  uint64_t terms() const { return terms_; }
  uint64_t bytes() const { return bytes_.size(); }

  struct Hit {
    uint32_t passage;
    uint32_t score;  // the sum over the query's terms of impact x round(1024 idf)
    bool operator==(const Hit&) const = default;
  };

  // The `k` best passages that hold a term of the query, best first; equal scores in the order of
  // the corpus. The terms' weights are BM25's: idf = ln(1 + (n - df + 0.5) / (df + 0.5)), times how
  // often the query has the term. Stop words count only in a query that has no other words.
  absl::StatusOr<std::vector<Hit>> Search(std::string_view query, int k) const;

  // A passage as the corpus has it: the title in quotes, a newline, the text. Empty when there is
  // no such passage.
  std::string_view Contents(uint32_t passage) const;

 private:
  PassageIndex() = default;
  absl::Status Read(std::string_view bytes, std::string name);
  const TermEntry* FindTerm(std::string_view term) const;
  std::string_view NameOf(const TermEntry& term) const;

  std::string name_;  // for messages
  std::string memory_;
  std::shared_ptr<const MappedFile> file_;

  std::string_view bytes_;
  IndexHeader header_;
  uint32_t passages_ = 0;
  uint64_t terms_ = 0;
  std::string_view sections_[kSections];
};

// Whether a file's first bytes are an index's.
bool BeginsLikeAnIndex(const std::string& path);

// The first line of a passage's contents, with its quotes, as AgentGym shows it, and what follows.
std::string_view TitleLine(std::string_view contents);
std::string_view TextBelow(std::string_view contents);
// The title without the quotes.
std::string_view Title(std::string_view contents);

}  // namespace sojourn::envs::searchqa

#endif  // SOJOURN_ENVS_SEARCHQA_PASSAGE_INDEX_H_
