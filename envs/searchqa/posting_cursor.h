// A walk over the postings of one term in an index, a block at a time.
#ifndef SOJOURN_ENVS_SEARCHQA_POSTING_CURSOR_H_
#define SOJOURN_ENVS_SEARCHQA_POSTING_CURSOR_H_

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>

#include "envs/searchqa/index_format.h"

namespace sojourn::envs::searchqa {

// Where the postings lie, and how many passages there are.
struct PostingSections {
  std::string_view postings;  // padding included
  const BlockEntry* blocks;
  uint64_t block_count;
  uint32_t passages;
};

// Stands on a posting, or at the end. Damage in the index brings it to the end with damaged() set;
// it never reads outside the sections and always ends.
class PostingCursor {
 public:
  static constexpr uint32_t kEnd = std::numeric_limits<uint32_t>::max();

  // On the term's first posting. Scores are impacts times `weight`.
  PostingCursor(const PostingSections& sections, const TermEntry& term, uint32_t weight);

  uint32_t passage() const { return passage_; }
  uint32_t score() const { return weight_ * impacts_[at_]; }
  uint32_t most_score() const { return most_score_; }
  bool damaged() const { return damaged_; }

  // Of the block that the cursor stands in; not at the end.
  uint32_t block_last() const { return blocks_[block_].last; }
  uint32_t block_most_score() const { return weight_ * blocks_[block_].most_impact; }

  // What a posting of `passage`, which must not lie before the cursor, can score at most, as far as
  // its block tells. Does not move the cursor.
  uint32_t MostScoreAt(uint32_t passage) const {
    const uint32_t block = BlockOf(passage);
    return block == block_count_ ? 0 : weight_ * blocks_[block].most_impact;
  }

  // Adds the scores of the postings up to passage `last`, which must not lie behind the cursor's
  // block, to sums[passage - first] and goes to the first posting after it. Places whose sum was 0
  // are written to `touched`, which needs room for one more; returns how many. No score is 0, so no
  // place is written twice.
  size_t AddScores(uint32_t first, uint32_t last, uint32_t* sums, uint16_t* touched) {
    size_t count = 0;
    uint32_t at = at_;
    for (; at < size_ && passages_[at] <= last; ++at) {
      const uint32_t place = passages_[at] - first;
      touched[count] = static_cast<uint16_t>(place);
      count += sums[place] == 0;
      sums[place] += weight_ * impacts_[at];
    }
    at_ = at;
    if (at_ < size_) {
      passage_ = passages_[at_];
    } else {
      Load(block_ + 1);
    }
    return count;
  }

  // To the first posting of `passage` or a later one; does not go back.
  void SkipTo(uint32_t passage);

 private:
  uint32_t BlockOf(uint32_t passage) const;
  void Load(uint32_t block);  // and stands on its first posting
  void End() { passage_ = kEnd; }

  std::string_view postings_;
  const BlockEntry* blocks_;
  uint32_t passage_count_, posting_count_, block_count_ = 0;
  uint32_t weight_, most_score_;

  uint32_t block_ = 0, at_ = 0, size_ = 0, passage_ = kEnd;
  bool damaged_ = false;
  const uint8_t* impacts_ = nullptr;
  std::array<uint32_t, kBlockPostings> passages_;
};

// The bytes that the gaps of a block of so many postings take.
inline constexpr size_t PackedBytes(uint32_t postings, uint32_t bits) {
  return (static_cast<size_t>(postings) * bits + 7) / 8;
}

}  // namespace sojourn::envs::searchqa

#endif  // SOJOURN_ENVS_SEARCHQA_POSTING_CURSOR_H_
