#include "policy/kernels_formats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "common/random.h"
#include "policy/kernels_memory.h"

namespace sojourn::policy {
namespace {

constexpr WeightFormat kFormats[] = {WeightFormat::kFloat32, WeightFormat::kBfloat16,
                                     WeightFormat::kInt8};
constexpr const char* kSets[] = {"baseline", "avx2", "avx512", "avx512_bf16", "amx"};

std::vector<const FormatKernels*> All(WeightFormat format) {
  std::vector<const FormatKernels*> all;
  for (const char* set : kSets) {
    if (const FormatKernels* kernels = KernelsFor(format, set)) all.push_back(kernels);
  }
  return all;
}

std::vector<float> Floats(int64_t n, uint64_t seed) {
  Random random{RandomKey(seed)};
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(2 * random.Uniform() - 1);
  return values;
}

struct Product {
  int64_t k, n;
  Bytes packed;
  Product(WeightFormat format, const std::vector<float>& weight, int64_t n, int64_t k)
      : k(k), n(RoundUp(n, kPanel)), packed(this->n / kPanel * PanelBytes(format, k)) {
    PackWeights(format, weight.data(), n, k, packed.data());
  }
  std::vector<float> operator()(const FormatKernels& kernels, const float* x, int64_t rows,
                                bool accumulate = false) const {
    Bytes input(rows * kernels.input_bytes(k));
    std::vector<float> c(rows * n, 0.5f);
    kernels.prepare(rows, k, x, k, input.data());
    kernels.product(rows, k, n, input.data(), packed.data(), c.data(), n, accumulate);
    return c;
  }
};

TEST(FormatKernels, ProductsAreCloseToTheExactOnes) {
  for (const WeightFormat format : kFormats) {
    const double tolerance[] = {1e-5, 0.02, 0.04};  // of sums whose terms are below 1
    for (const auto& [rows, n, k] : {std::tuple<int64_t, int64_t, int64_t>{1, 32, 64},
                                     {3, 70, 45},
                                     {17, 33, 100},
                                     {33, 96, 576},
                                     {70, 40, 24}}) {
      const auto x = Floats(rows * k, 1), weight = Floats(n * k, 2);
      const Product product(format, weight, n, k);
      for (const FormatKernels* kernels : All(format)) {
        for (const bool accumulate : {false, true}) {
          const auto c = product(*kernels, x.data(), rows, accumulate);
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t column = 0; column < product.n; ++column) {
              double sum = accumulate ? 0.5 : 0, squares = 1e-9;
              for (int64_t i = 0; i < k && column < n; ++i) {
                const double term = static_cast<double>(x[r * k + i]) * weight[column * k + i];
                sum += term;
                squares += term * term;
              }
              ASSERT_NEAR(c[r * product.n + column], sum,
                          tolerance[static_cast<int>(format)] * std::sqrt(squares) + 1e-6)
                  << kernels->name << ", " << rows << " x " << n << " x " << k << " at " << r
                  << ", " << column;
            }
          }
        }
      }
    }
  }
}

TEST(FormatKernels, ARowOfAProductDoesNotDependOnTheOthersNorOnTheColumns) {
  constexpr int64_t kRows = 40, kDepth = 100, kColumns = 96;
  const auto a = Floats(kRows * kDepth, 1);
  for (const WeightFormat format : kFormats) {
    const Product product(format, Floats(kColumns * kDepth, 2), kColumns, kDepth);
    for (const FormatKernels* kernels : All(format)) {
      const auto whole = product(*kernels, a.data(), kRows, true);
      for (int64_t first = 0; first < kRows; ++first) {
        for (int64_t rows = 1; first + rows <= kRows; ++rows) {
          const auto part = product(*kernels, a.data() + first * kDepth, rows, true);
          ASSERT_EQ(std::memcmp(part.data(), whole.data() + first * kColumns,
                                rows * kColumns * sizeof(float)),
                    0)
              << kernels->name << ", rows " << first << " to " << first + rows;
        }
      }
      Bytes input(kRows * kernels->input_bytes(kDepth));
      kernels->prepare(kRows, kDepth, a.data(), kDepth, input.data());
      std::vector<float> split(kRows * kColumns, 0.5f);
      for (int64_t column = 0; column < kColumns; column += kPanel) {
        kernels->product(kRows, kDepth, kPanel, input.data(),
                         product.packed.data() + column / kPanel * PanelBytes(format, kDepth),
                         split.data() + column, kColumns, true);
      }
      ASSERT_EQ(split, whole) << kernels->name;
    }
  }
}

TEST(FormatKernels, InstructionSetsAgree) {
  constexpr int64_t kRows = 19, kDepth = 200, kColumns = 64;
  const auto a = Floats(kRows * kDepth, 1), weight = Floats(kColumns * kDepth, 2);
  const auto run = [&](WeightFormat format, const char* set) {
    const FormatKernels* kernels = KernelsFor(format, set);
    const Product product(format, weight, kColumns, kDepth);
    return kernels == nullptr ? std::vector<float>() : product(*kernels, a.data(), kRows);
  };
  const auto fp32 = run(WeightFormat::kFloat32, "avx512");
  if (!fp32.empty()) {
    EXPECT_EQ(fp32, run(WeightFormat::kFloat32, "avx2"));
  }
  // In int8, whatever has fused multiply-add gives the same bits.
  const auto int8 = run(WeightFormat::kInt8, "avx2");
  for (const char* set : {"avx512", "avx512_bf16", "amx"}) {
    const auto other = run(WeightFormat::kInt8, set);
    if (!other.empty()) {
      EXPECT_EQ(other, int8) << set;
    }
  }
}

TEST(FormatKernels, NumbersThatAreNotFiniteStaySo) {
  for (const WeightFormat format : kFormats) {
    for (const float bad : {NAN, INFINITY}) {
      auto x = Floats(100, 1), weight = Floats(32 * 100, 2);
      for (const FormatKernels* kernels : All(format)) {
        auto spoilt = x;
        spoilt[70] = bad;
        EXPECT_FALSE(std::isfinite(Product(format, weight, 32, 100)(*kernels, spoilt.data(), 1)[3]))
            << kernels->name;
        spoilt = weight;
        spoilt[3 * 100 + 70] = bad;
        EXPECT_FALSE(std::isfinite(Product(format, spoilt, 32, 100)(*kernels, x.data(), 1)[3]))
            << kernels->name;
      }
    }
  }
}

// Attention of `tokens` tokens from a cache filled by the kernels, `together` at a time.
std::vector<float> Attend(const FormatKernels& kernels, const AttentionShape& shape,
                          const std::vector<float>& qkv, int64_t tokens, int64_t together) {
  const int64_t block_bytes = shape.kv_heads * kernels.kv_head_bytes(shape.head_dim);
  Bytes cache(RoundUp(tokens, kPanel) / kPanel * block_bytes);
  Bytes scratch(kernels.attend_scratch(shape.head_dim, tokens));
  std::vector<const std::byte*> blocks;
  for (int64_t t = 0; t < tokens; ++t) {
    std::byte* const block = cache.data() + t / kPanel * block_bytes;
    if (t % kPanel == 0) blocks.push_back(block);
    kernels.store_kv(shape, t, qkv.data() + t * shape.row(), block);
  }
  const int64_t width = shape.heads * shape.head_dim;
  std::vector<float> out(tokens * width);
  for (int64_t t = 0; t < tokens; t += together) {
    for (int64_t kv = 0; kv < shape.kv_heads; ++kv) {
      kernels.attend(shape, kv, t, std::min(together, tokens - t), qkv.data() + t * shape.row(),
                     shape.row(), blocks.data(), out.data() + t * width, width, scratch.data());
    }
  }
  return out;
}

TEST(FormatKernels, CachedAttentionEqualsAttentionOverTheSequence) {
  constexpr int64_t kTokens = 130;
  for (const auto& [heads, kv_heads, dim] :
       {std::tuple<int64_t, int64_t, int64_t>{4, 2, 10}, {9, 3, 64}, {2, 2, 32}, {6, 1, 128}}) {
    std::vector<float> cos, sin;
    for (const float x : Floats(kTokens * dim / 2, 6)) {
      cos.push_back(std::cos(3 * x));
      sin.push_back(std::sin(3 * x));
    }
    const AttentionShape shape{heads, kv_heads, dim, cos.data(), sin.data()};
    const auto qkv = Floats(kTokens * shape.row(), 8);
    std::vector<float> expected(kTokens * heads * dim), lse(kTokens * heads);
    std::vector<std::byte> scratch(CpuKernels().attention.scratch(kTokens, kTokens, dim));
    const AttentionSegment segment{.length = kTokens};
    CpuKernels().attention.forward(shape, &segment, 1, 0, shape.kv_heads, kTokens, qkv.data(),
                                   expected.data(), lse.data(), scratch.data());
    for (const WeightFormat format : kFormats) {
      for (const FormatKernels* kernels : All(format)) {
        const auto out = Attend(*kernels, shape, qkv, kTokens, 1);
        for (size_t i = 0; i < out.size(); ++i) {
          const double tolerance[] = {1e-5, 0.02, 0.03};
          ASSERT_NEAR(out[i], expected[i], tolerance[static_cast<int>(format)])
              << kernels->name << " at " << i << ", head_dim " << dim;
        }
        for (const int64_t together : {5, 32, 130}) {
          ASSERT_EQ(Attend(*kernels, shape, qkv, kTokens, together), out)
              << kernels->name << ": bits differ, " << together << " tokens together";
        }
      }
    }
  }
}

}  // namespace
}  // namespace sojourn::policy
