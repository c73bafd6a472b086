// As much of Python's random module as decides what the original environments show.
#ifndef SOJOURN_ENVS_TEXTCRAFT_PYTHON_RANDOM_H_
#define SOJOURN_ENVS_TEXTCRAFT_PYTHON_RANDOM_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sojourn::envs::textcraft {

// MT19937 (Matsumoto and Nishimura, "Mersenne Twister", 1998), seeded by array as CPython seeds it.
class PythonRandom {
 public:
  explicit PythonRandom(uint32_t seed);

  // random.sample(range(size), count) of Python 3.11. 0 <= count <= size.
  std::vector<int> Sample(int size, int count);

  // random.random(): in [0, 1), 53 bits.
  double Random();

  // random.shuffle(values) of Python 3.11.
  template <typename T>
  void Shuffle(std::vector<T>& values) {
    for (std::size_t i = values.size(); i > 1; --i) {
      std::swap(values[i - 1], values[Below(static_cast<int>(i))]);
    }
  }

 private:
  uint32_t Next32();
  int Below(int bound);  // bound > 0

  static constexpr int kWords = 624;
  std::array<uint32_t, kWords> words_;
  int used_ = kWords;
};

}  // namespace sojourn::envs::textcraft

#endif  // SOJOURN_ENVS_TEXTCRAFT_PYTHON_RANDOM_H_
