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

// Everything the kernels compute from fixed inputs.
std::vector<float> All(const Kernels& kernels) {
  std::vector<float> results;
  const auto keep = [&](const std::vector<float>& values) {
    results.insert(results.end(), values.begin(), values.end());
  };
  constexpr int64_t kRows = 17, kWidth = 45, kColumns = 70;
  const auto x = Floats(kRows * kWidth, 1), weight = Floats(kWidth, 2),
             dy = Floats(kRows * kWidth, 3);
  std::vector<float> y(x.size()), dx(x.size()), inverse(kRows), dweight(kWidth);
  kernels.rms_norm(kRows, kWidth, 1e-5f, x.data(), kWidth, weight.data(), y.data(), inverse.data());
  kernels.rms_norm_backward(kRows, kWidth, x.data(), weight.data(), inverse.data(), dy.data(),
                            dx.data(), dweight.data());
  keep(y), keep(dx), keep(dweight);
  const auto gate_up = Floats(kRows * 2 * kWidth, 5);
  std::vector<float> dgate_up(gate_up.size());
  kernels.swiglu(kRows, kWidth, gate_up.data(), 2 * kWidth, y.data());
  kernels.swiglu_backward(kRows, kWidth, gate_up.data(), dy.data(), dgate_up.data());
  keep(y), keep(dgate_up);

  constexpr int64_t kTotal = 61;
  const AttentionSegment segments[] = {{0, 30}, {30, 1}, {31, 10, 0, 30}, {41, 20}};
  const auto cos = Floats(40 * 5, 6), sin = Floats(40 * 5, 7);
  const AttentionShape shape{4, 2, 10, cos.data(), sin.data()};
  const auto qkv = Floats(kTotal * shape.row(), 8), dout = Floats(kTotal * 40, 9);
  std::vector<float> out(kTotal * 40), lse(kTotal * 4), dqkv(qkv.size()),
      scratch(AttentionScratch(40, 10));
  kernels.attention(shape, segments, 4, kTotal, qkv.data(), out.data(), lse.data(), scratch.data());
  kernels.attention_backward(shape, segments, 4, kTotal, qkv.data(), out.data(), lse.data(),
                             dout.data(), dqkv.data(), scratch.data());
  keep(out), keep(lse), keep(dqkv);

  std::vector<float> terms(kColumns), sums(2), logprobs(kRows), entropies(kRows);
  auto logits = Floats(kRows * kColumns, 10);
  const std::vector<int64_t> targets(kRows, 69);
  keep({kernels.softmax_terms(kColumns, logits.data(), 0.5f, terms.data(), sums.data())});
  kernels.score(kRows, kColumns, logits.data(), targets.data(), 1.5f, logprobs.data(),
                entropies.data());
  kernels.score_backward(kRows, kColumns, logits.data(), targets.data(), 1.5f, x.data(), dy.data());
  keep(terms), keep(sums), keep(logprobs), keep(entropies), keep(logits);
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
