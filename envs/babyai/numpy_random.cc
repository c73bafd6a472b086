#include "envs/babyai/numpy_random.h"

#include <array>

namespace sojourn::envs::babyai {
namespace {

using u128 = unsigned __int128;

constexpr u128 kMultiplier = (u128{2549297995355413924u} << 64) | 4865540595714422341u;

// numpy's SeedSequence(seed).generate_state(4, uint64).
std::array<uint64_t, 4> SeedState(absl::uint128 seed) {
  std::array<uint32_t, 4> pool;
  for (int i = 0; i < 4; ++i) pool[i] = static_cast<uint32_t>(seed >> (32 * i));
  uint32_t constant = 0x43b0d7e5;
  const auto hash = [&](uint32_t value) {
    value ^= constant;
    constant *= 0x931e8875;
    value *= constant;
    return value ^ value >> 16;
  };
  const auto mix = [](uint32_t x, uint32_t y) {
    const uint32_t result = 0xca01f9dd * x - 0x4973f715 * y;
    return result ^ result >> 16;
  };
  for (uint32_t& word : pool) word = hash(word);
  for (int from = 0; from < 4; ++from) {
    for (int to = 0; to < 4; ++to) {
      if (from != to) pool[to] = mix(pool[to], hash(pool[from]));
    }
  }
  std::array<uint64_t, 4> state{};
  constant = 0x8b51f9dd;
  for (int i = 0; i < 8; ++i) {
    uint32_t value = pool[i % 4] ^ constant;
    constant *= 0x58f38ded;
    value *= constant;
    value ^= value >> 16;
    state[i / 2] |= uint64_t{value} << (i % 2 * 32);
  }
  return state;
}

}  // namespace

NumpyRandom::NumpyRandom(absl::uint128 seed) {
  const auto words = SeedState(seed);
  increment_ = ((u128{words[2]} << 64 | words[3]) << 1) | 1;
  state_ = increment_ + (u128{words[0]} << 64 | words[1]);   // one step from 0, then the initial state is added
  state_ = state_ * kMultiplier + increment_;
}

uint64_t NumpyRandom::Next64() {
  state_ = state_ * kMultiplier + increment_;
  const uint64_t folded = static_cast<uint64_t>(state_ >> 64) ^ static_cast<uint64_t>(state_);
  const int rotation = static_cast<int>(state_ >> 122);
  return folded >> rotation | folded << (-rotation & 63);
}

uint32_t NumpyRandom::Next32() {
  if (has_half_) {
    has_half_ = false;
    return half_;
  }
  const uint64_t both = Next64();
  half_ = static_cast<uint32_t>(both >> 32);
  has_half_ = true;
  return static_cast<uint32_t>(both);
}

double NumpyRandom::Uniform() { return static_cast<double>(Next64() >> 11) * 0x1.0p-53; }

int64_t NumpyRandom::Integers(int64_t low, int64_t high) {
  const auto range = static_cast<uint32_t>(high - low);
  if (range <= 1) return low;   // numpy draws nothing here
  uint64_t product = uint64_t{Next32()} * range;
  if (static_cast<uint32_t>(product) < range) {
    const uint32_t threshold = -range % range;
    while (static_cast<uint32_t>(product) < threshold) product = uint64_t{Next32()} * range;
  }
  return low + static_cast<int64_t>(product >> 32);
}

}  // namespace sojourn::envs::babyai
