// A corpus of passages in Search-R1's format (wiki-18): a line {"id": ..., "contents":
// "\"TITLE\"\nTEXT"}.
#ifndef SOJOURN_ENVS_SEARCHQA_CORPUS_H_
#define SOJOURN_ENVS_SEARCHQA_CORPUS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/searchqa/index_builder.h"

namespace sojourn::envs::searchqa {

// What is wrong with a file, as "PATH:LINE: what; what to do". Only the first so many are kept.
struct Faults {
  static constexpr size_t kMost = 100;
  std::vector<std::string> first;
  int64_t count = 0;

  void Add(std::string fault) {
    if (first.size() < kMost) first.push_back(std::move(fault));
    ++count;
  }
};

// The passage of a corpus's line, its contents. InvalidArgument says what is wrong.
absl::StatusOr<std::string> ParsePassage(std::string_view line);

// The line of a passage.
std::string PassageLine(int64_t id, std::string_view contents);

// Adds a corpus's passages; lines that hold none are faults. Errors are of the file system, of the
// builder, and Cancelled when `progress`, which is told the share that is read, says false.
absl::Status AddCorpus(const std::string& path, IndexBuilder& builder, Faults* faults,
                       const IndexBuilder::Progress& progress = nullptr);

}  // namespace sojourn::envs::searchqa

#endif  // SOJOURN_ENVS_SEARCHQA_CORPUS_H_
