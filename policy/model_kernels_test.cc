#include "policy/model_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "common/random.h"

namespace sojourn::policy {
namespace {

std::vector<float> Floats(int64_t n, uint64_t seed) {
  Random random{RandomKey(seed)};
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(2 * random.Uniform() - 1);
  return values;
}

Bf16 Round(float value) {  // to the nearest of 16 bits, ties to even
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
float Widen(float value) { return value; }
float Widen(Bf16 value) {
  const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof wide);
  return wide;
}

template <typename T>
std::vector<T> Values(int64_t n, uint64_t seed) {
  std::vector<T> values;
  for (const float value : Floats(n, seed)) {
    if constexpr (sizeof(T) == 4) {
      values.push_back(Widen(Round(value)));  // what 16 bits hold, so that types compare
    } else {
      values.push_back(Round(value));
    }
  }
  return values;
}

constexpr int64_t kRows = 17, kWidth = 45, kColumns = 70;

// What the row kernels compute from fixed inputs.
template <typename T>
std::vector<float> AllRows(const RowKernels<T>& kernels) {
  std::vector<float> results;
  const auto keep = [&](const auto& values) {
    for (const auto value : values) results.push_back(Widen(value));
  };
  const auto x = Values<T>(kRows * kWidth, 1), weight = Values<T>(kWidth, 2),
             dy = Values<T>(kRows * kWidth, 3);
  std::vector<T> y(x.size()), dx(x.size());
  std::vector<float> inverse(kRows), dweight(kWidth);
  kernels.rms_norm(kRows, kWidth, 1e-5f, x.data(), kWidth, weight.data(), y.data(), inverse.data());
  kernels.rms_norm_backward(kRows, kWidth, x.data(), weight.data(), inverse.data(), dy.data(),
                            dx.data(), dweight.data());
  keep(y), keep(dx), keep(dweight);
  const auto gate_up = Values<T>(kRows * 2 * kWidth, 5);
  std::vector<T> dgate_up(gate_up.size());
  kernels.swiglu(kRows, kWidth, gate_up.data(), 2 * kWidth, y.data(), kWidth);
  kernels.swiglu_backward(kRows, kWidth, gate_up.data(), dy.data(), dgate_up.data());
  keep(y), keep(dgate_up);

  auto logits = Values<T>(kRows * kColumns, 10);
  const std::vector<int64_t> targets(kRows, 69);
  const auto dlogprobs = Floats(kRows, 11), dentropies = Floats(kRows, 12);
  std::vector<float> logprobs(kRows), entropies(kRows);
  kernels.score(kRows, kColumns, logits.data(), targets.data(), 1.5f, logprobs.data(),
                entropies.data());
  kernels.score_backward(kRows, kColumns, logits.data(), targets.data(), 1.5f, dlogprobs.data(),
                         dentropies.data());
  keep(logprobs), keep(entropies), keep(logits);
  return results;
}

// Everything the kernels compute from fixed inputs in fp32.
std::vector<float> All(const Kernels& kernels) {
  std::vector<float> results = AllRows<float>(kernels);
  const auto keep = [&](const std::vector<float>& values) {
    results.insert(results.end(), values.begin(), values.end());
  };
  constexpr int64_t kTotal = 61;
  const AttentionSegment segments[] = {{0, 30}, {30, 1}, {31, 10, 0, 30}, {41, 20}};
  const auto cos = Floats(40 * 5, 6), sin = Floats(40 * 5, 7);
  const AttentionShape shape{4, 2, 10, cos.data(), sin.data()};
  const auto qkv = Floats(kTotal * shape.row(), 8), dout = Floats(kTotal * 40, 9);
  std::vector<float> out(kTotal * 40), lse(kTotal * 4), dqkv(qkv.size());
  std::vector<std::byte> scratch(kernels.attention.scratch(40, kTotal, 10));
  kernels.attention.forward(shape, segments, 4, 0, shape.kv_heads, kTotal, qkv.data(), out.data(),
                            lse.data(), scratch.data());
  kernels.attention.backward(shape, segments, 4, 0, shape.kv_heads, kTotal, qkv.data(), out.data(),
                             lse.data(), dout.data(), dqkv.data(), scratch.data());
  keep(out), keep(lse), keep(dqkv);

  std::vector<float> terms(kColumns), sums(2);
  const auto logits = Floats(kColumns, 10);
  keep({kernels.softmax_terms(kColumns, logits.data(), 0.5f, terms.data(), sums.data())});
  keep(terms), keep(sums);
  return results;
}

TEST(Kernels, InstructionSetsAgree) {
  const auto expected = All(*KernelsFor("baseline"));
  std::vector<std::vector<float>> fused;
  for (const char* set : {"avx2", "avx512"}) {
    const Kernels* kernels = KernelsFor(set);
    if (kernels == nullptr) continue;
    const auto results = All(*kernels);
    ASSERT_EQ(results.size(), expected.size());
    for (size_t i = 0; i < results.size(); ++i) {
      ASSERT_NEAR(results[i], expected[i], 2e-5) << set << " " << i;
    }
    fused.push_back(results);
  }
  if (fused.size() == 2) {
    for (size_t i = 0; i < fused[0].size(); ++i) {
      ASSERT_EQ(fused[0][i], fused[1][i]) << "bits differ at " << i;
    }
  }
}

TEST(Kernels, SixteenBitsGiveWhat32GiveButForRounding) {
  for (const char* set : {"baseline", "avx2", "avx512"}) {
    const Kernels* kernels = KernelsFor(set);
    if (kernels == nullptr) continue;
    const auto wide = AllRows<float>(*kernels), narrow = AllRows<Bf16>(kernels->bf16);
    ASSERT_EQ(wide.size(), narrow.size());
    for (size_t i = 0; i < wide.size(); ++i) {
      ASSERT_NEAR(narrow[i], wide[i], 0.01 * std::abs(wide[i]) + 1e-3) << set << " " << i;
    }
  }
}

TEST(Kernels, ExponentialIsAccurate) {
  std::vector<float> logits, terms(2000), sums(32);
  for (int i = 0; i < 2000; ++i) logits.push_back(-0.04f * static_cast<float>(i));
  CpuKernels().softmax_terms(2000, logits.data(), 1, terms.data(), sums.data());
  for (int i = 0; i < 2000; ++i) {
    const double expected = std::exp(static_cast<double>(logits[i]));
    ASSERT_NEAR(terms[i] / expected, 1, 3e-7) << logits[i];
  }
}

}  // namespace
}  // namespace sojourn::policy
