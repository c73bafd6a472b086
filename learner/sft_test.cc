#include "learner/sft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "learner/trainer_testing.h"

namespace sojourn::learner {
namespace {

using ::testing::HasSubstr;

// A question token q in 0..3, a random token, and the answer q + 4: only the answer can be learned.
std::vector<SupervisedSequence> Questions(int count) {
  std::vector<SupervisedSequence> data;
  Random random(RandomKey(3));
  for (int i = 0; i < count; ++i) {
    data.push_back({{i % 4, static_cast<int32_t>(8 + random.Below(4)), i % 4 + 4}, {0, 0, 1}});
  }
  return data;
}

SupervisedOptions Options() {
  return {.steps = 100, .tokens_per_step = 48, .lm_weight = 0, .seed = 9};
}

TEST(TrainSupervised, TheLossOfWhatCanBeLearnedFalls) {
  policy::Model model = ToyModel(1, 1);
  std::vector<double> losses;
  uint64_t tokens = 0;
  ASSERT_TRUE(TrainSupervised(model, Questions(64), Options(), [&](const SupervisedProgress& p) {
                losses.push_back(p.loss);
                tokens = p.tokens;
              }).ok());
  ASSERT_EQ(losses.size(), 100);
  EXPECT_NEAR(losses.front(), std::log(12.0), 0.3);
  EXPECT_LT(losses.back(), 0.15);
  EXPECT_EQ(tokens, 100 * 48);
  for (const auto& [name, weight] : model.weights()) EXPECT_FALSE(weight.requires_grad()) << name;
}

TEST(TrainSupervised, TheLanguageModelWeightCountsEverywhereElse) {
  SupervisedOptions options = Options();
  options.lm_weight = 0.5;
  policy::Model model = ToyModel(1, 1);
  double last = 0;
  ASSERT_TRUE(TrainSupervised(model, Questions(64), options, [&](const SupervisedProgress& p) {
                last = p.loss;
              }).ok());
  // The random token costs log 4 at weight 0.5, the answer nothing at weight 1.
  EXPECT_NEAR(last, 0.5 * std::log(4.0) / 1.5, 0.15);
}

TEST(TrainSupervised, TheSameSeedGivesTheSameBits) {
  policy::Weights results[3];
  for (int i = 0; i < 3; ++i) {
    policy::Model model = ToyModel();
    SupervisedOptions options = Options();
    options.steps = 10;
    options.seed = i == 2 ? 10 : 9;
    ASSERT_TRUE(TrainSupervised(model, Questions(64), options, nullptr).ok());
    results[i] = model.weights();
  }
  EXPECT_TRUE(SameBits(results[0], results[1]));
  EXPECT_FALSE(SameBits(results[0], results[2]));
}

TEST(TrainSupervised, RefusesDataThatCannotBeTrainedOn) {
  const std::vector<std::pair<const char*, std::vector<SupervisedSequence>>> faults = {
      {"no sequences", {}},
      {"sequence 1: 1 tokens", {{{1, 2}, {0, 1}}, {{1}, {1}}}},
      {"vocabulary", {{{1, 12}, {0, 1}}}},
      {"context", {{std::vector<int32_t>(33, 1), std::vector<float>(33, 1)}}},
      {"not at least 0", {{{1, 2}, {0, -1}}}},
      {"all weights are 0", {{{1, 2}, {0, 0}}}}};
  for (const auto& [text, data] : faults) {
    policy::Model model = ToyModel();
    const absl::Status status = TrainSupervised(model, data, Options(), nullptr);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(text));
  }
}

}  // namespace
}  // namespace sojourn::learner
