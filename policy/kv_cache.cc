#include "policy/kv_cache.h"

#include <algorithm>

#include "policy/model_kernels.h"

namespace sojourn::policy {

int32_t KvCache::Allocate() {
  if (free_.empty()) {
    const int64_t more = memory_.Grow();
    const int32_t first = static_cast<int32_t>(references_.size());
    references_.resize(first + more, 0);
    free_.reserve(references_.size());  // Release takes no memory
    for (int64_t i = more; i > 0; --i) free_.push_back(static_cast<int32_t>(first + i - 1));
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
    memory_.Copy(block, own);
    --references_[block];
    block = own;
  }
  while (static_cast<int64_t>(sequence.blocks.size()) * kPanel < sequence.length + tokens) {
    const int32_t block = Allocate();
    memory_.Clear(block);
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
