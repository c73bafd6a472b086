// Keys and values of live episodes in blocks of kPanel tokens, all layers together, counted by
// reference: episodes of a group share the blocks of their common prompt.
#ifndef SOJOURN_POLICY_KV_CACHE_H_
#define SOJOURN_POLICY_KV_CACHE_H_

#include <cstdint>
#include <vector>

namespace sojourn::policy {

// An episode's place in the cache: `length` tokens in its blocks, in order.
struct KvSequence {
  std::vector<int32_t> blocks;
  int64_t length = 0;
};

// Where the blocks' keys and values are.
class KvMemory {
 public:
  virtual ~KvMemory() = default;
  // More blocks, numbered on; returns how many. At least one.
  virtual int64_t Grow() = 0;
  virtual void Copy(int32_t from, int32_t to) = 0;
  // Before a block's first use: what an earlier sequence left in it must not show.
  virtual void Clear(int32_t block) = 0;
};

class KvCache {
 public:
  // Memory grows with use, up to `max_blocks`, and is kept for reuse.
  KvCache(KvMemory& memory, int64_t max_blocks) : memory_(memory), max_blocks_(max_blocks) {}

  // How many free blocks Reserve would take.
  int64_t BlocksFor(const KvSequence& sequence, int64_t tokens) const;
  // Makes room for `tokens` more tokens, and makes the block that the next one goes to the
  // sequence's own: a block that others share too is copied first. Does not change `length`.
  // BlocksFor must not be more than free_blocks().
  void Reserve(KvSequence& sequence, int64_t tokens);
  KvSequence Share(const KvSequence& sequence);
  void Release(KvSequence& sequence);  // leaves it empty

  int64_t used_blocks() const { return static_cast<int64_t>(references_.size() - free_.size()); }
  int64_t free_blocks() const { return max_blocks_ - used_blocks(); }
  int64_t max_blocks() const { return max_blocks_; }

 private:
  bool NextIsShared(const KvSequence& sequence) const;
  int32_t Allocate();

  KvMemory& memory_;
  const int64_t max_blocks_;
  std::vector<int32_t> references_;  // per block
  std::vector<int32_t> free_;
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_KV_CACHE_H_
