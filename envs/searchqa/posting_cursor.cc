#include "envs/searchqa/posting_cursor.h"

#include <algorithm>
#include <cstring>

namespace sojourn::envs::searchqa {

PostingCursor::PostingCursor(const PostingSections& sections, const TermEntry& term,
                             uint32_t weight)
    : postings_(sections.postings),
      passage_count_(sections.passages),
      posting_count_(term.postings),
      weight_(weight),
      most_score_(weight * term.most_impact) {
  const uint64_t blocks = (uint64_t{term.postings} + kBlockPostings - 1) / kBlockPostings;
  if (term.first_block > sections.block_count || blocks > sections.block_count - term.first_block) {
    damaged_ = true;
    return;
  }
  blocks_ = sections.blocks + term.first_block;
  block_count_ = static_cast<uint32_t>(blocks);
  Load(0);
}

void PostingCursor::Load(uint32_t block) {
  block_ = block;
  if (block >= block_count_) return End();
  const BlockEntry& entry = blocks_[block];
  size_ = std::min(kBlockPostings, posting_count_ - block * kBlockPostings);
  const uint64_t offset = uint64_t{entry.offset_high} << 32 | entry.offset_low;
  const size_t packed = PackedBytes(size_, entry.bits);
  const size_t room = postings_.size() - kPostingsPadding;
  damaged_ = entry.bits > 32 || offset > room || packed + size_ > room - offset;
  if (damaged_) return End();

  const char* const data = postings_.data() + offset;
  const uint64_t mask = (uint64_t{1} << entry.bits) - 1;
  // The gap is from the passage after the last one: 0 is its neighbour.
  uint64_t passage = block == 0 ? uint64_t{0} : uint64_t{blocks_[block - 1].last} + 1;
  for (uint32_t i = 0, bit = 0; i < size_; ++i, bit += entry.bits) {
    uint64_t word;  // of 64 bits: the padding is there for the last ones
    std::memcpy(&word, data + bit / 8, sizeof(word));
    passage += (word >> (bit % 8)) & mask;
    passages_[i] = static_cast<uint32_t>(passage++);
  }
  impacts_ = reinterpret_cast<const uint8_t*>(data) + packed;
  damaged_ = passage - 1 != entry.last || entry.last >= passage_count_ ||
             std::memchr(impacts_, 0, size_) != nullptr;
  if (damaged_) return End();
  at_ = 0;
  passage_ = passages_[0];
}

uint32_t PostingCursor::BlockOf(uint32_t passage) const {
  // Galloping: the block is mostly a near one.
  uint32_t low = block_, step = 1;
  while (low < block_count_ && blocks_[low].last < passage) {
    if (low + step < block_count_ && blocks_[low + step].last < passage) {
      low += step;
      step *= 2;
    } else {
      ++low;
      step = 1;
    }
  }
  return low;
}

void PostingCursor::SkipTo(uint32_t passage) {
  if (passage_ >= passage) return;  // at the end too
  const uint32_t block = BlockOf(passage);
  if (block != block_) Load(block);
  if (passage_ >= passage) return;
  at_ = static_cast<uint32_t>(
      std::lower_bound(passages_.begin() + at_, passages_.begin() + size_, passage) -
      passages_.begin());
  if (at_ < size_) {
    passage_ = passages_[at_];
  } else {
    Load(block_ + 1);
  }
}

}  // namespace sojourn::envs::searchqa
