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

constexpr int64_t kHugePage = int64_t{1} << 21;

struct FreeBytes {
  int64_t size = 0;
  void operator()(std::byte* memory) const {
    if (size < kHugePage) {
      std::free(memory);
    } else {
      munmap(memory, size);
    }
  }
};

// Zeros in whole huge pages where that makes sense: in 4 KiB pages address translation costs more
// than the data. Aligned to 64 bytes. Memory of that size comes from the system, which zeroes it
// when it is first touched.
class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(int64_t size)
      : memory_(nullptr, FreeBytes{RoundUp(size, PageOf(size))}), size_(size) {
    const int64_t all = memory_.get_deleter().size;
    if (all == 0) return;
    if (all < kHugePage) {
      memory_.reset(static_cast<std::byte*>(std::aligned_alloc(64, all)));
      if (memory_ == nullptr) throw std::bad_alloc();
      std::memset(memory_.get(), 0, all);
    } else {
      void* const memory =
          mmap(nullptr, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (memory == MAP_FAILED) throw std::bad_alloc();
      memory_.reset(static_cast<std::byte*>(memory));
      madvise(memory, all, MADV_HUGEPAGE);  // only advice
    }
  }

  std::byte* data() { return memory_.get(); }
  const std::byte* data() const { return memory_.get(); }
  float* floats() { return reinterpret_cast<float*>(memory_.get()); }
  int64_t size() const { return size_; }

 private:
  static int64_t PageOf(int64_t size) { return size < kHugePage ? 64 : kHugePage; }

  std::unique_ptr<std::byte, FreeBytes> memory_;
  int64_t size_ = 0;
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_KERNELS_MEMORY_H_
