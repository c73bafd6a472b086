#include "policy/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

namespace sojourn::policy {
namespace {

std::vector<float> Logits(int n, uint64_t seed) {
  Random random{RandomKey(seed)};
  std::vector<float> logits(n);
  for (float& logit : logits) logit = static_cast<float>(4 * random.Uniform());
  return logits;
}

TEST(Sampler, FrequenciesMatchTheSoftmax) {
  Sampler sampler;
  for (const double temperature : {0.6, 1.0, 1.7}) {
    const auto logits = Logits(150, 3);
    std::vector<double> p;
    double sum = 0;
    for (const float logit : logits) sum += std::exp(logit / temperature);
    for (const float logit : logits) p.push_back(std::exp(logit / temperature) / sum);
    constexpr int kDraws = 60000;
    std::vector<int> counts(logits.size());
    Random random{RandomKey(11)};
    for (int i = 0; i < kDraws; ++i) {
      const auto drawn = *sampler.Sample(logits, {.temperature = temperature}, random.Uniform());
      ++counts[drawn.token];
      ASSERT_NEAR(drawn.logprob, std::log(p[drawn.token]), 1e-5);
    }
    double chi_square = 0;
    for (size_t i = 0; i < p.size(); ++i) {
      chi_square += std::pow(counts[i] - kDraws * p[i], 2) / (kDraws * p[i]);
    }
    // 149 degrees of freedom: mean 149, deviation 17.3.
    EXPECT_LT(chi_square, 149 + 4 * 17.3) << "temperature " << temperature;
    EXPECT_GT(chi_square, 149 - 4 * 17.3) << "temperature " << temperature;
  }
}

TEST(Sampler, UniformNumbersMeetTheCumulativeDistribution) {
  Sampler sampler;
  const std::vector<float> logits(1000, 2.0f);
  for (const int token : {0, 1, 63, 64, 500, 959, 960, 999}) {
    EXPECT_EQ(sampler.Sample(logits, {}, (token + 0.5) / 1000)->token, token);
  }
  EXPECT_EQ(sampler.Sample(logits, {}, 0)->token, 0);
  EXPECT_EQ(sampler.Sample(logits, {}, 1 - 0x1.0p-53)->token, 999);
}

TEST(Sampler, GreedyTakesTheLowestOfEquals) {
  Sampler sampler;
  const std::vector<float> logits = {0, 2, 1, 2};
  const auto drawn = *sampler.Sample(logits, {.temperature = 0}, 0.999);
  EXPECT_EQ(drawn.token, 1);
  EXPECT_NEAR(drawn.logprob, 2 - std::log(1 + 2 * std::exp(2) + std::exp(1)), 1e-6);
}

std::map<int32_t, float> Support(const std::vector<float>& logits,
                                 const SamplingParameters& parameters) {
  Sampler sampler;
  std::map<int32_t, float> support;
  for (int i = 0; i < 5000; ++i) {
    const auto drawn = *sampler.Sample(logits, parameters, i / 5000.0);
    support[drawn.token] = std::exp(drawn.logprob);
  }
  return support;
}

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::Pair;

TEST(Sampler, TopKAndTopPInClosedForm) {
  // Probabilities .1 .4 .1 .3 .1
  std::vector<float> logits;
  for (const double p : {.1, .4, .1, .3, .1}) logits.push_back(static_cast<float>(std::log(p) + 5));
  const auto near = [](double p) { return FloatNear(p, 1e-5); };
  EXPECT_THAT(Support(logits, {.top_k = 1}), ElementsAre(Pair(1, near(1))));
  EXPECT_THAT(Support(logits, {.top_k = 2}),
              ElementsAre(Pair(1, near(4. / 7)), Pair(3, near(3. / 7))));
  EXPECT_THAT(Support(logits, {.top_k = 3}),
              ElementsAre(Pair(0, near(.125)), Pair(1, near(.5)), Pair(3, near(.375))));
  EXPECT_EQ(Support(logits, {.top_k = 100}).size(), 5);
  EXPECT_THAT(Support(logits, {.top_p = .39}), ElementsAre(Pair(1, near(1))));
  EXPECT_THAT(Support(logits, {.top_p = .41}),
              ElementsAre(Pair(1, near(4. / 7)), Pair(3, near(3. / 7))));
  EXPECT_THAT(Support(logits, {.top_p = .75}),
              ElementsAre(Pair(0, near(.125)), Pair(1, near(.5)), Pair(3, near(.375))));
  EXPECT_EQ(Support(logits, {.top_p = .999}).size(), 5);
  // top-p is of what top-k left: 4/7 is more than .5.
  EXPECT_THAT(Support(logits, {.top_p = .5, .top_k = 2}), ElementsAre(Pair(1, near(1))));
  // and after temperature: .4^2 and .3^2 of .28.
  EXPECT_THAT(Support(logits, {.temperature = .5, .top_p = .8}),
              ElementsAre(Pair(1, near(.64)), Pair(3, near(.36))));
}

// What top-k and top-p keep, by sorting everything.
std::vector<int32_t> Kept(const std::vector<float>& logits, const SamplingParameters& parameters) {
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
  if (parameters.top_k > 0 && parameters.top_k < static_cast<int>(order.size())) {
    order.resize(parameters.top_k);
  }
  const auto term = [&](int32_t token) {
    return std::exp((logits[token] - logits[order[0]]) / parameters.temperature);
  };
  double total = 0, sum = 0;
  for (const int32_t token : order) total += term(token);
  for (size_t i = 0; i < order.size(); ++i) {
    sum += term(order[i]);
    if (parameters.top_p < 1 && sum >= parameters.top_p * total) order.resize(i + 1);
  }
  return order;
}

TEST(Sampler, KeepsWhatSortingEverythingKeeps) {
  Sampler sampler;
  for (const double spread : {0.0, 1.0, 6.0, 300.0}) {
    Random random{RandomKey(5)};
    std::vector<float> logits(3000);
    for (float& logit : logits) logit = static_cast<float>(spread * random.Uniform());
    for (const SamplingParameters parameters :
         {SamplingParameters{.top_p = .9}, SamplingParameters{.top_k = 50},
          SamplingParameters{.top_p = .8, .top_k = 1000}, SamplingParameters{.top_k = 2999},
          SamplingParameters{.temperature = .3, .top_p = .999},
          SamplingParameters{.temperature = 2, .top_p = .5}}) {
      const auto kept = Kept(logits, parameters);
      // The first, the last and one in the middle, by the places where their chances lie.
      const auto first = *sampler.Sample(logits, parameters, 0);
      const auto last = *sampler.Sample(logits, parameters, 1 - 0x1.0p-53);
      EXPECT_EQ(first.token, kept.front()) << spread;
      if (spread < 100) {
        EXPECT_EQ(last.token, kept.back()) << spread;
      }
    }
    const auto drawn = *sampler.Sample(logits, {.temperature = 0.5}, 0.3, 7);
    const auto best = Kept(logits, {.top_k = 7});
    ASSERT_EQ(drawn.alternatives.size(), 7);
    for (int i = 0; i < 7; ++i) EXPECT_EQ(drawn.alternatives[i].token, best[i]);
  }
}

TEST(Sampler, RefusesNumbersThatAreNotFinite) {
  Sampler sampler;
  for (const float bad : {NAN, std::numeric_limits<float>::infinity()}) {
    for (const double temperature : {0.0, 1.0}) {
      std::vector<float> logits = Logits(100, 1);
      logits[70] = bad;
      EXPECT_EQ(sampler.Sample(logits, {.temperature = temperature}, 0.5).status().code(),
                absl::StatusCode::kInternal);
    }
  }
}

TEST(Sampler, RefusesImpossibleParameters) {
  EXPECT_TRUE(ValidateSampling({}).ok());
  EXPECT_TRUE(ValidateSampling({.temperature = 0}).ok());
  for (const SamplingParameters bad :
       {SamplingParameters{.temperature = -1}, SamplingParameters{.temperature = NAN},
        SamplingParameters{.temperature = 1e-9}, SamplingParameters{.top_p = 0},
        SamplingParameters{.top_p = 1.1}, SamplingParameters{.top_k = -1}}) {
    EXPECT_EQ(ValidateSampling(bad).code(), absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace sojourn::policy
