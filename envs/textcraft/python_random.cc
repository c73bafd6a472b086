#include "envs/textcraft/python_random.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace sojourn::envs::textcraft {

PythonRandom::PythonRandom(uint32_t seed) {
  words_[0] = 19650218;
  for (uint32_t i = 1; i < kWords; ++i) {
    words_[i] = 1812433253u * (words_[i - 1] ^ (words_[i - 1] >> 30)) + i;
  }
  const auto step = [&](int i, uint32_t factor) {
    return words_[i] ^ ((words_[i - 1] ^ (words_[i - 1] >> 30)) * factor);
  };
  int i = 1;
  const auto advance = [&] {
    if (++i < kWords) return;
    words_[0] = words_[kWords - 1];
    i = 1;
  };
  for (int n = 0; n < kWords; ++n, advance()) words_[i] = step(i, 1664525) + seed;
  for (int n = 1; n < kWords; ++n, advance()) words_[i] = step(i, 1566083941) - i;
  words_[0] = 0x80000000;
}

uint32_t PythonRandom::Next32() {
  if (used_ == kWords) {
    for (int i = 0; i < kWords; ++i) {
      const uint32_t y = (words_[i] & 0x80000000) | (words_[(i + 1) % kWords] & 0x7fffffff);
      words_[i] = words_[(i + 397) % kWords] ^ (y >> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    used_ = 0;
  }
  uint32_t y = words_[used_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680;
  y ^= (y << 15) & 0xefc60000;
  return y ^ (y >> 18);
}

int PythonRandom::Below(int bound) {
  const int bits = std::bit_width(static_cast<uint32_t>(bound));
  uint32_t value;
  do {
    value = Next32() >> (32 - bits);
  } while (value >= static_cast<uint32_t>(bound));
  return static_cast<int>(value);
}

double PythonRandom::Random() {
  const uint32_t high = Next32() >> 5, low = Next32() >> 6;
  return (high * 67108864.0 + low) / 9007199254740992.0;
}

std::vector<int> PythonRandom::Sample(int size, int count) {
  int largest_pool = 21;  // in larger populations Python remembers what is taken instead
  if (count > 5) {
    int table = 1;
    while (table < count * 3) table *= 4;
    largest_pool += table;
  }
  std::vector<int> sample;
  if (size > largest_pool) {
    while (static_cast<int>(sample.size()) < count) {
      const int value = Below(size);
      if (std::find(sample.begin(), sample.end(), value) == sample.end()) sample.push_back(value);
    }
    return sample;
  }
  std::vector<int> pool(size);
  std::iota(pool.begin(), pool.end(), 0);
  for (int left = size; left > size - count; --left) {
    const int taken = Below(left);
    sample.push_back(pool[taken]);
    pool[taken] = pool[left - 1];
  }
  return sample;
}

}  // namespace sojourn::envs::textcraft
