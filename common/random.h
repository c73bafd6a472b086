// Counter-based randomness keyed by names: who draws, when, and after how many crashes changes nothing.
//
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
#ifndef SOJOURN_COMMON_RANDOM_H_
#define SOJOURN_COMMON_RANDOM_H_

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace sojourn {

// The Philox4x32-10 block function: four 32-bit words for a 128-bit counter and a 64-bit key.
std::array<uint32_t, 4> Philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// Names a stream of random numbers. Keys derived along different paths are independent.
class RandomKey {
 public:
  explicit RandomKey(uint64_t seed) : value_(seed) {}
  RandomKey With(uint64_t part) const;          // e.g. key.With(group).With(member)
  RandomKey With(std::string_view part) const;  // FNV-1a of the text, then as above
  uint64_t value() const { return value_; }

 private:
  uint64_t value_;
};

// The stream of a key. Copying it copies the position.
class Random {
 public:
  explicit Random(RandomKey key) : key_(key) {}
  uint32_t Next32();
  uint64_t Next64();
  double Uniform();                  // in [0, 1), 53 bits
  uint64_t Below(uint64_t bound);    // in [0, bound), unbiased; bound > 0

  template <typename T>
  void Shuffle(std::vector<T>& values) {   // Fisher-Yates
    for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[Below(i)]);
  }

 private:
  RandomKey key_;
  uint64_t block_ = 0;
  std::array<uint32_t, 4> words_{};
  int used_ = 4;
};

}  // namespace sojourn

#endif  // SOJOURN_COMMON_RANDOM_H_
