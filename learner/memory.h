// Memory that one update's tensors leave is kept for the next one's.
#ifndef SOJOURN_LEARNER_MEMORY_H_
#define SOJOURN_LEARNER_MEMORY_H_

#include <malloc.h>

namespace sojourn::learner {

// Otherwise glibc gives every large tensor back to the system, which zeroes its pages again for the next: a
// third of an update's time with a model of 135M weights.
inline void KeepFreedMemory() {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_TOP_PAD, 64 << 20);
}

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_MEMORY_H_
