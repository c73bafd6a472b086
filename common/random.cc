#include "common/random.h"

namespace sojourn {

std::array<uint32_t, 4> Philox(std::array<uint32_t, 4> c, std::array<uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k[0], static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k[1], static_cast<uint32_t>(p0)};
    k[0] += 0x9E3779B9;
    k[1] += 0xBB67AE85;
  }
  return c;
}

RandomKey RandomKey::With(uint64_t part) const {
  const auto words = Philox({static_cast<uint32_t>(part), static_cast<uint32_t>(part >> 32), 0x6B657973, 0},
                            {static_cast<uint32_t>(value_), static_cast<uint32_t>(value_ >> 32)});
  return RandomKey(words[0] | uint64_t{words[1]} << 32);
}

RandomKey RandomKey::With(std::string_view part) const {
  uint64_t hash = 0xCBF29CE484222325;
  for (const unsigned char c : part) hash = (hash ^ c) * 0x100000001B3;
  return With(hash).With(part.size());
}

uint32_t Random::Next32() {
  if (used_ == 4) {
    words_ = Philox({static_cast<uint32_t>(block_), static_cast<uint32_t>(block_ >> 32), 0, 0},
                    {static_cast<uint32_t>(key_.value()), static_cast<uint32_t>(key_.value() >> 32)});
    ++block_;
    used_ = 0;
  }
  return words_[used_++];
}

uint64_t Random::Next64() {
  const uint64_t low = Next32();
  return low | uint64_t{Next32()} << 32;
}

double Random::Uniform() { return static_cast<double>(Next64() >> 11) * 0x1.0p-53; }

uint64_t Random::Below(uint64_t bound) {
  const uint64_t reject_below = -bound % bound;   // 2^64 mod bound: values under it would be too frequent
  for (;;) {
    const uint64_t value = Next64();
    if (value >= reject_below) return value % bound;
  }
}

}  // namespace sojourn
