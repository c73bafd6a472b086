// What SearchQA's instances share: the questions of each split, and the passages to find the
// answers in. Made by a world, or loaded from a folder.
#ifndef SOJOURN_ENVS_SEARCHQA_LIBRARY_H_
#define SOJOURN_ENVS_SEARCHQA_LIBRARY_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/environment.h"
#include "envs/searchqa/passage_index.h"
#include "envs/searchqa/question.h"
#include "envs/searchqa/world.h"

namespace sojourn::envs::searchqa {

// Larger corpora have to be made into an index first.
inline constexpr int64_t kMostCorpusBytes = int64_t{256} << 20;

// Immutable and thread-safe.
class Library {
 public:
  // A world for each split, each with passages of its own.
  static absl::StatusOr<std::shared_ptr<const Library>> Generate(uint64_t seed, uint32_t passages);

  // The folder's files are known by what they hold, not by their names: questions (question.h) and
  // corpora (corpus.h) in files *.jsonl, and a passage index. With an index corpora are not read;
  // without one all are, into memory. A subfolder "searchqa" is taken for the folder.
  //
  // A file of questions whose name has "train" in it is for training, one with "test", "dev" or
  // "valid" for testing, any other for training. When no name says so for one of the splits, every
  // question goes by a hash of its text, one in five to the test split. A question of the test
  // split is none of the train split.
  //
  // What was found, and what is wrong, is added to `report`. NotFound when there is no such folder,
  // FailedPrecondition when there are no questions or no passages.
  static absl::StatusOr<std::shared_ptr<const Library>> Load(const std::string& folder,
                                                             DataReport* report);

  // InvalidArgument when there are no questions of so many hops, with the numbers that there are.
  absl::StatusOr<int64_t> TaskCount(Split split, int hops) const;
  // OutOfRange when there is no such task, else as TaskCount.
  absl::StatusOr<Question> Get(const TaskId& task) const;
  const std::shared_ptr<const PassageIndex>& passages(Split split) const {
    return passages_[static_cast<int>(split)];
  }

 private:
  int64_t Count(Split split, int hops) const;

  std::array<std::optional<World>, 2> worlds_;
  std::array<std::array<std::vector<Question>, kMostHops + 1>, 2>
      questions_;  // when there is no world
  std::array<std::shared_ptr<const PassageIndex>, 2> passages_;
};

// Writes a seed's worlds as files that Load reads: corpus.jsonl with both splits' passages, and the
// first `questions` of each number of hops in train.jsonl and test.jsonl. `progress` as the
// builder's. AlreadyExists when one of the files is there.
absl::Status WriteWorld(const std::string& folder, uint64_t seed, uint32_t passages,
                        int64_t questions, const std::function<bool(double)>& progress = nullptr);

}  // namespace sojourn::envs::searchqa

#endif  // SOJOURN_ENVS_SEARCHQA_LIBRARY_H_
