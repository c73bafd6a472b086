// Memory that a pass over the model walks through from end to end.
#ifndef SOJOURN_POLICY_KERNELS_MEMORY_H_
#define SOJOURN_POLICY_KERNELS_MEMORY_H_

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "policy/model_kernels.h"

namespace sojourn::policy {

// Zeros in whole huge pages where that makes sense: in 4 KiB pages address translation costs more
// than the data. Aligned to 64 bytes.
class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(int64_t size) : size_(size) {
    const int64_t page = size < kHugePage ? 64 : kHugePage, all = RoundUp(size, page);
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(page, all)));
    if (memory_ == nullptr && all > 0) throw std::bad_alloc();
    if (page == kHugePage) madvise(memory_.get(), all, MADV_HUGEPAGE);  // only advice
    std::memset(memory_.get(), 0, all);
  }
  static constexpr int64_t kHugePage = int64_t{1} << 21;

  std::byte* data() { return memory_.get(); }
  const std::byte* data() const { return memory_.get(); }
  float* floats() { return reinterpret_cast<float*>(memory_.get()); }
  int64_t size() const { return size_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  int64_t size_ = 0;
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_KERNELS_MEMORY_H_
