// A number of items: a natural number of any size, since the original counts with Python's
// integers.
#ifndef SOJOURN_ENVS_TEXTCRAFT_COUNT_H_
#define SOJOURN_ENVS_TEXTCRAFT_COUNT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/inlined_vector.h"

namespace sojourn::envs::textcraft {

class Count {
 public:
  explicit Count(uint64_t value = 0);

  // `digits` holds one or more of 0-9, leading zeros allowed.
  static Count FromDigits(std::string_view digits);

  void Add(const Count& other);
  void Subtract(const Count& other);  // other <= *this

  bool IsZero() const { return limbs_.empty(); }
  bool operator==(const Count& other) const { return limbs_ == other.limbs_; }
  bool operator<(const Count& other) const;

  std::string ToString() const;
  uint64_t Clamped(uint64_t highest) const;  // min(*this, highest); highest < 10^18

 private:
  void Trim();

  // Base 10^18, least significant first, no zero at the end; zero is no limb at all.
  absl::InlinedVector<uint64_t, 1> limbs_;
};

}  // namespace sojourn::envs::textcraft

#endif  // SOJOURN_ENVS_TEXTCRAFT_COUNT_H_
