// As much of Python's random module as decides what TextCraft shows: random.seed(n), random.sample.
#ifndef SOJOURN_ENVS_TEXTCRAFT_PYTHON_RANDOM_H_
#define SOJOURN_ENVS_TEXTCRAFT_PYTHON_RANDOM_H_

#include <array>
#include <cstdint>
#include <vector>

namespace sojourn::envs::textcraft {

// MT19937 (Matsumoto and Nishimura, "Mersenne Twister", 1998), seeded by array as CPython seeds it.
class PythonRandom {
 public:
  explicit PythonRandom(uint32_t seed);

  // random.sample(range(size), count) of Python 3.11. 0 <= count <= size.
  std::vector<int> Sample(int size, int count);

 private:
  uint32_t Next32();
  int Below(int bound);  // bound > 0

  static constexpr int kWords = 624;
  std::array<uint32_t, kWords> words_;
  int used_ = kWords;
};

}  // namespace sojourn::envs::textcraft

#endif  // SOJOURN_ENVS_TEXTCRAFT_PYTHON_RANDOM_H_
