#include "policy/kv_cache.h"

#include <algorithm>

#include "policy/model_kernels.h"

namespace sojourn::policy {

int32_t KvCache::Allocate() {
  if (free_.empty()) {
    // Zeroed: padding that is read, and masked afterwards, must hold numbers.
    slabs_.push_back(std::make_unique<float[]>(kSlabBlocks * layers_ * block_floats_));
    const int32_t first = static_cast<int32_t>(references_.size());
    references_.resize(first + kSlabBlocks, 0);
    for (int32_t i = kSlabBlocks; i > 0; --i) free_.push_back(first + i - 1);
  }
  const int32_t block = free_.back();
  free_.pop_back();
  references_[block] = 1;
  return block;
}

void KvCache::Reserve(KvSequence& sequence, int64_t tokens) {
  const int64_t last = sequence.length / kPanel;   // the block of the next token
  if (tokens > 0 && last < static_cast<int64_t>(sequence.blocks.size())) {
    int32_t& block = sequence.blocks[last];
    if (references_[block] > 1) {
      const int32_t own = Allocate();
      const float* from = Block(block, 0);
      std::copy(from, from + layers_ * block_floats_, Block(own, 0));
      --references_[block];
      block = own;
    }
  }
  while (static_cast<int64_t>(sequence.blocks.size()) * kPanel < sequence.length + tokens) {
    sequence.blocks.push_back(Allocate());
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
