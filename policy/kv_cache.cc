#include "policy/kv_cache.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "policy/model_kernels.h"

namespace sojourn::policy {

namespace {

constexpr int64_t kHugePage = int64_t{1} << 21;

}  // namespace

KvCache::KvCache(int64_t layers, int64_t block_floats)
    : layers_(layers),
      block_floats_(block_floats),
      slab_blocks_(std::max<int64_t>(1, 2 * kHugePage / (layers * block_floats * sizeof(float)))) {}

int32_t KvCache::Allocate() {
  if (free_.empty()) {
    const int64_t bytes = RoundUp(
        slab_blocks_ * layers_ * block_floats_ * static_cast<int64_t>(sizeof(float)), kHugePage);
    float* const slab = static_cast<float*>(std::aligned_alloc(kHugePage, bytes));
    if (slab == nullptr) throw std::bad_alloc();
    madvise(slab, bytes, MADV_HUGEPAGE);  // only advice: nothing depends on it
    slabs_.emplace_back(slab);
    std::memset(slab, 0, bytes);  // padding that is read, and masked afterwards, must hold numbers
    const int32_t first = static_cast<int32_t>(references_.size());
    references_.resize(first + slab_blocks_, 0);
    for (int64_t i = slab_blocks_; i > 0; --i) free_.push_back(static_cast<int32_t>(first + i - 1));
  }
  const int32_t block = free_.back();
  free_.pop_back();
  references_[block] = 1;
  return block;
}

void KvCache::Reserve(KvSequence& sequence, int64_t tokens) {
  const int64_t last = sequence.length / kPanel;  // the block of the next token
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
