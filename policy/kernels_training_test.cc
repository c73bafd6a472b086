// Attention with gradients in bf16, beside the same in fp32.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "common/random.h"
#include "policy/kernels_formats.h"
#include "policy/kernels_memory.h"

namespace sojourn::policy {
namespace {

Bf16 Round(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
float Widen(Bf16 value) { return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16); }
float Widen(float value) { return value; }

std::vector<float> Floats(int64_t n, uint64_t seed) {
  Random random{RandomKey(seed)};
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(2 * random.Uniform() - 1);
  return values;
}

// Numbers that 16 bits hold.
template <typename T>
std::vector<T> Values(int64_t n, uint64_t seed) {
  std::vector<T> values(n);
  const std::vector<float> floats = Floats(n, seed);
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (sizeof(T) == 2) {
      values[i] = Round(floats[i]);
    } else {
      values[i] = Widen(Round(floats[i]));
    }
  }
  return values;
}

struct Heads {
  int64_t heads, kv_heads, dim;
};
constexpr Heads kHeads[] = {{4, 2, 10}, {9, 3, 64}, {2, 2, 32}, {6, 1, 128}};
// One that two others share, with an end in the middle of a block, and two on their own.
const std::vector<AttentionSegment> kSegments = {
    {0, 75}, {75, 1, 0, 75}, {76, 40, 0, 75}, {116, 130}, {246, 1}};
constexpr int64_t kTotal = 247, kPositions = 130;

struct Angles {
  std::vector<float> cos, sin;
  explicit Angles(int64_t dim) {
    for (const float x : Floats(kPositions * dim / 2, 6)) {
      cos.push_back(std::cos(3 * x));
      sin.push_back(std::sin(3 * x));
    }
  }
  AttentionShape Shape(const Heads& h) const {
    return {h.heads, h.kv_heads, h.dim, cos.data(), sin.data()};
  }
};

template <typename T>
struct Results {
  std::vector<T> out, dqkv;
};

template <typename T>
Results<T> Compute(const AttentionKernels<T>& kernels, const AttentionShape& shape,
                   const std::vector<AttentionSegment>& segments) {
  const int64_t width = shape.heads * shape.head_dim;
  const auto qkv = Values<T>(kTotal * shape.row(), 8), dout = Values<T>(kTotal * width, 9);
  Results<T> results{std::vector<T>(kTotal * width), std::vector<T>(kTotal * shape.row())};
  std::vector<float> sums(shape.heads * kTotal);
  // What it holds from elsewhere must not show: all bits set is NaN.
  std::vector<std::byte> scratch(kernels.scratch(kPositions, kTotal, shape.head_dim), std::byte{0xff});
  kernels.forward(shape, segments.data(), segments.size(), 0, shape.kv_heads, kTotal, qkv.data(),
                  results.out.data(), sums.data(), scratch.data());
  kernels.backward(shape, segments.data(), segments.size(), 0, shape.kv_heads, kTotal, qkv.data(),
                   results.out.data(), sums.data(), dout.data(), results.dqkv.data(), scratch.data());
  return results;
}

struct Table {
  std::string set;
  const AttentionKernels<Bf16>* kernels;
};
std::vector<Table> All() {
  std::vector<Table> all;
  for (const char* set : {"baseline", "avx2", "avx512", "avx512_bf16", "amx"}) {
    if (const auto* kernels = Attention16For(set); kernels != nullptr) all.push_back({set, kernels});
  }
  return all;
}

template <typename T>
double Largest(const std::vector<T>& values) {
  double largest = 0;
  for (const T value : values) largest = std::max<double>(largest, std::abs(Widen(value)));
  return largest;
}

TEST(TrainingAttention, IsThatOfFp32ButForRounding) {
  for (const Heads& heads : kHeads) {
    const Angles angles(heads.dim);
    const AttentionShape shape = angles.Shape(heads);
    const auto expected = Compute<float>(CpuKernels().attention, shape, kSegments);
    const double largest = Largest(expected.dqkv);
    for (const auto& [set, kernels] : All()) {
      const auto found = Compute<Bf16>(*kernels, shape, kSegments);
      for (size_t i = 0; i < found.out.size(); ++i) {
        ASSERT_NEAR(Widen(found.out[i]), expected.out[i], 0.02) << set << " " << i << ", " << heads.dim;
      }
      double error = 0, square = 0;
      for (size_t i = 0; i < found.dqkv.size(); ++i) {
        const double difference = Widen(found.dqkv[i]) - expected.dqkv[i];
        ASSERT_NEAR(difference, 0, 0.02 * largest) << set << " " << i << ", " << heads.dim;
        error += difference * difference;
        square += expected.dqkv[i] * expected.dqkv[i];
      }
      EXPECT_LT(std::sqrt(error / square), 0.01) << set << ", " << heads.dim;
    }
  }
}

TEST(TrainingAttention, ForwardIsTheEnginesToTheBit) {
  for (const Heads& heads : kHeads) {
    const Angles angles(heads.dim);
    const AttentionShape shape = angles.Shape(heads);
    const int64_t width = shape.heads * shape.head_dim;
    const auto qkv = Values<float>(kTotal * shape.row(), 8);
    for (const auto& [set, kernels] : All()) {
      const auto found = Compute<Bf16>(*kernels, shape, kSegments);
      const FormatKernels& engine = *KernelsFor(WeightFormat::kBfloat16, set.c_str());
      const int64_t bytes = shape.kv_heads * engine.kv_head_bytes(shape.head_dim);
      for (const AttentionSegment& segment : kSegments) {
        Bytes cache(RoundUp(segment.positions(), kPanel) / kPanel * bytes);
        Bytes scratch(engine.attend_scratch(shape.head_dim, segment.positions()));
        std::vector<const std::byte*> blocks;
        for (int64_t t = 0; t < segment.positions(); ++t) {
          std::byte* const block = cache.data() + t / kPanel * bytes;
          if (t % kPanel == 0) blocks.push_back(block);
          engine.store_kv(shape, t, qkv.data() + segment.RowOf(t) * shape.row(), block);
        }
        std::vector<float> out(width);
        for (int64_t t = 0; t < segment.length; ++t) {
          const int64_t row = segment.start + t;
          for (int64_t kv = 0; kv < shape.kv_heads; ++kv) {
            engine.attend(shape, kv, segment.prefix_length + t, 1, qkv.data() + row * shape.row(),
                          shape.row(), blocks.data(), out.data(), width, scratch.data());
          }
          for (int64_t i = 0; i < width; ++i) {
            ASSERT_EQ(found.out[row * width + i].bits, Round(out[i]).bits) << set << " " << row << " " << i;
          }
        }
      }
    }
  }
}

TEST(TrainingAttention, ASegmentsResultsAreItsOwn) {
  const Angles angles(64);
  const AttentionShape shape = angles.Shape({9, 3, 64});
  for (const auto& [set, kernels] : All()) {
    const auto all = Compute<Bf16>(*kernels, shape, kSegments);
    const auto alone = Compute<Bf16>(*kernels, shape, {kSegments[3]});
    const int64_t first = kSegments[3].start * shape.row(), end = first + kSegments[3].length * shape.row();
    for (int64_t i = first; i < end; ++i) ASSERT_EQ(all.dqkv[i].bits, alone.dqkv[i].bits) << set << " " << i;
  }
}

TEST(TrainingAttention, WhatIsNotFiniteShows) {
  const Angles angles(32);
  const AttentionShape shape = angles.Shape({2, 2, 32});
  for (const auto& [set, kernels] : All()) {
    std::vector<Bf16> qkv(32 * shape.row(), Round(0.5f)), out(32 * 64), dqkv(qkv.size());
    const std::vector<Bf16> dout(out.size(), Round(1));
    qkv[20 * shape.row()] = Round(NAN);
    std::vector<float> sums(2 * 32);
    std::vector<std::byte> scratch(kernels->scratch(32, 32, 32));
    const AttentionSegment segment{0, 32};
    kernels->forward(shape, &segment, 1, 0, 2, 32, qkv.data(), out.data(), sums.data(), scratch.data());
    kernels->backward(shape, &segment, 1, 0, 2, 32, qkv.data(), out.data(), sums.data(), dout.data(),
                      dqkv.data(), scratch.data());
    EXPECT_TRUE(std::isnan(Widen(out[20 * 64]))) << set;
    EXPECT_FALSE(std::isnan(Widen(out[19 * 64]))) << set;
    EXPECT_TRUE(std::isnan(Widen(dqkv[20 * shape.row()]))) << set;
  }
}

}  // namespace
}  // namespace sojourn::policy
