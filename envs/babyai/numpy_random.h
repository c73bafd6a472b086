// numpy's default random generator, as gymnasium seeds it: SeedSequence(seed), PCG64 (XSL-RR, O'Neill 2014)
// and Generator's bounded integers (Lemire, "Fast random integer generation in an interval", 2019).
#ifndef SOJOURN_ENVS_BABYAI_NUMPY_RANDOM_H_
#define SOJOURN_ENVS_BABYAI_NUMPY_RANDOM_H_

#include <cstdint>

#include "absl/numeric/int128.h"

namespace sojourn::envs::babyai {

class NumpyRandom {
 public:
  explicit NumpyRandom(absl::uint128 seed);

  uint64_t Next64();
  uint32_t Next32();                            // halves of Next64, the low one first
  double Uniform();                             // generator.uniform(0, 1)
  int64_t Integers(int64_t low, int64_t high);  // generator.integers(low, high); high - low < 2^32

 private:
  unsigned __int128 state_ = 0, increment_ = 0;
  uint32_t half_ = 0;
  bool has_half_ = false;
};

}  // namespace sojourn::envs::babyai

#endif  // SOJOURN_ENVS_BABYAI_NUMPY_RANDOM_H_
