// Keys and values of live episodes in blocks of kPanel tokens, all layers together, counted by
// reference: episodes of a group share the blocks of their common prompt.
#ifndef SOJOURN_POLICY_KV_CACHE_H_
#define SOJOURN_POLICY_KV_CACHE_H_

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

namespace sojourn::policy {

// An episode's place in the cache: `length` tokens in its blocks, in order.
struct KvSequence {
  std::vector<int32_t> blocks;
  int64_t length = 0;
};

class KvCache {
 public:
  // `block_floats`: of one layer (KvBlockFloats). Memory grows with use and is kept for reuse.
  KvCache(int64_t layers, int64_t block_floats);

  // Makes room for `tokens` more tokens, and makes the block that the next one goes to the
  // sequence's own: a block that others share too is copied first. Does not change `length`.
  void Reserve(KvSequence& sequence, int64_t tokens);
  KvSequence Share(const KvSequence& sequence);
  void Release(KvSequence& sequence);  // leaves it empty

  float* Block(int32_t block, int64_t layer) {
    return slabs_[block / slab_blocks_].get() +
           (block % slab_blocks_ * layers_ + layer) * block_floats_;
  }
  int64_t used_blocks() const { return static_cast<int64_t>(references_.size() - free_.size()); }

 private:
  // Memory is taken in slabs of whole huge pages: a decode step walks through all of it, which in 4
  // KiB pages costs more in address translation than in data.
  struct FreeSlab {
    void operator()(float* slab) const { std::free(slab); }
  };

  int32_t Allocate();

  const int64_t layers_, block_floats_;
  const int64_t slab_blocks_;
  std::vector<std::unique_ptr<float, FreeSlab>> slabs_;
  std::vector<int32_t> references_;  // per block
  std::vector<int32_t> free_;
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_KV_CACHE_H_
