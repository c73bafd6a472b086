#include "policy/kv_cache.h"

#include <algorithm>
#include <cstring>

#include "policy/model_kernels.h"

namespace sojourn::policy {

KvCache::KvCache(int64_t layers, int64_t block_bytes, int64_t max_blocks)
    : layers_(layers),
      block_bytes_(block_bytes),
      max_blocks_(max_blocks),
      slab_blocks_(std::max<int64_t>(1, 2 * Bytes::kHugePage / (layers * block_bytes))) {}

int32_t KvCache::Allocate() {
  if (free_.empty()) {
    slabs_.emplace_back(slab_blocks_ * layers_ * block_bytes_);
    const int32_t first = static_cast<int32_t>(references_.size());
    references_.resize(first + slab_blocks_, 0);
    free_.reserve(references_.size());  // Release takes no memory
    for (int64_t i = slab_blocks_; i > 0; --i) free_.push_back(static_cast<int32_t>(first + i - 1));
  }
  const int32_t block = free_.back();
  free_.pop_back();
  references_[block] = 1;
  return block;
}

bool KvCache::NextIsShared(const KvSequence& sequence) const {
  const int64_t next = sequence.length / kPanel;
  return next < static_cast<int64_t>(sequence.blocks.size()) &&
         references_[sequence.blocks[next]] > 1;
}

int64_t KvCache::BlocksFor(const KvSequence& sequence, int64_t tokens) const {
  if (tokens == 0) return 0;
  const int64_t blocks = RoundUp(sequence.length + tokens, kPanel) / kPanel;
  return std::max<int64_t>(0, blocks - static_cast<int64_t>(sequence.blocks.size())) +
         NextIsShared(sequence);
}

void KvCache::Reserve(KvSequence& sequence, int64_t tokens) {
  if (tokens == 0) return;
  if (NextIsShared(sequence)) {
    int32_t& block = sequence.blocks[sequence.length / kPanel];
    const int32_t own = Allocate();
    std::memcpy(Block(own, 0), Block(block, 0), layers_ * block_bytes_);
    --references_[block];
    block = own;
  }
  while (static_cast<int64_t>(sequence.blocks.size()) * kPanel < sequence.length + tokens) {
    // What an earlier sequence left in the padding would be read, if only to be weighed by zero.
    const int32_t block = Allocate();
    std::memset(Block(block, 0), 0, layers_ * block_bytes_);
    sequence.blocks.push_back(block);
  }
}

KvSequence KvCache::Share(const KvSequence& sequence) {
  for (const int32_t block : sequence.blocks) ++references_[block];
  return sequence;
}

void KvCache::Release(KvSequence& sequence) {
  for (const int32_t block : sequence.blocks) {
    if (--references_[block] == 0) free_.push_back(block);
  }
  sequence = {};
}

}  // namespace sojourn::policy
