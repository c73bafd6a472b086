// Keys and values of live episodes in blocks of kPanel tokens, all layers together, counted by
// reference: episodes of a group share the blocks of their common prompt.
#ifndef SOJOURN_POLICY_KV_CACHE_H_
#define SOJOURN_POLICY_KV_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "policy/kernels_memory.h"

namespace sojourn::policy {

// An episode's place in the cache: `length` tokens in its blocks, in order.
struct KvSequence {
  std::vector<int32_t> blocks;
  int64_t length = 0;
};

class KvCache {
 public:
  // `block_bytes`: of one layer. Memory grows with use, up to `max_blocks`, and is kept for reuse.
  KvCache(int64_t layers, int64_t block_bytes, int64_t max_blocks);

  // How many free blocks Reserve would take.
  int64_t BlocksFor(const KvSequence& sequence, int64_t tokens) const;
  // Makes room for `tokens` more tokens, and makes the block that the next one goes to the
  // sequence's own: a block that others share too is copied first. Does not change `length`.
  // BlocksFor must not be more than free_blocks().
  void Reserve(KvSequence& sequence, int64_t tokens);
  KvSequence Share(const KvSequence& sequence);
  void Release(KvSequence& sequence);  // leaves it empty

  std::byte* Block(int32_t block, int64_t layer) {
    return slabs_[block / slab_blocks_].data() +
           (block % slab_blocks_ * layers_ + layer) * block_bytes_;
  }
  int64_t used_blocks() const { return static_cast<int64_t>(references_.size() - free_.size()); }
  int64_t free_blocks() const { return max_blocks_ - used_blocks(); }
  int64_t max_blocks() const { return max_blocks_; }

 private:
  bool NextIsShared(const KvSequence& sequence) const;
  int32_t Allocate();

  const int64_t layers_, block_bytes_, max_blocks_;
  const int64_t slab_blocks_;  // blocks whose memory is taken together
  std::vector<Bytes> slabs_;
  std::vector<int32_t> references_;  // per block
  std::vector<int32_t> free_;
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_KV_CACHE_H_
