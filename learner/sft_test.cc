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
  return {.steps = 100, .tokens_per_step = 48, .seed = 9};
}

Trainable Toy(uint64_t seed = 1, double scale = 4, const v1::Policy& policy = {}) {
  return Trainable::Create(ToyModel(seed, scale), policy, 1).value();
}

TEST(TrainSupervised, TheLossOfWhatCanBeLearnedFalls) {
  Trainable model = Toy(1, 1);
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
}

TEST(TrainSupervised, EveryTokenCountsAsMuchAsItWeighs) {
  std::vector<SupervisedSequence> data = Questions(64);
  for (SupervisedSequence& s : data) s.weights[1] = 0.5;
  Trainable model = Toy(1, 1);
  double last = 0;
  ASSERT_TRUE(TrainSupervised(model, data, Options(), [&](const SupervisedProgress& p) {
                last = p.loss;
              }).ok());
  // The random token costs log 4 at weight 0.5, the answer nothing at weight 1.
  EXPECT_NEAR(last, 0.5 * std::log(4.0) / 1.5, 0.15);
}

// Long sequences of which some begin alike, all tokens weighing something.
std::vector<SupervisedSequence> LongSequences() {
  std::vector<SupervisedSequence> data;
  Random random(RandomKey(5));
  for (int i = 0; i < 6; ++i) {
    SupervisedSequence& s = data.emplace_back();
    Random alike(RandomKey(i % 2));
    const int shared = 20 + 5 * (i % 3);
    for (int t = 0; t < 32; ++t) {
      s.tokens.push_back(static_cast<int32_t>((t < shared ? alike : random).Below(12)));
      s.weights.push_back(static_cast<float>(random.Uniform()));
    }
  }
  return data;
}

TEST(TrainSupervised, HowAStepIsCutOrSharedChangesNothingButRounding) {
  const std::vector<SupervisedSequence> data = LongSequences();
  policy::Weights results[2];
  double losses[2];
  for (int i = 0; i < 2; ++i) {
    Trainable model = Toy();
    SupervisedOptions options{.steps = 1, .tokens_per_step = 192, .seed = 2};
    options.microbatch_tokens = i == 0 ? 32 : 192;  // each sequence by itself, or all at once
    ASSERT_TRUE(TrainSupervised(model, data, options, [&](const SupervisedProgress& p) { losses[i] = p.loss; }).ok());
    results[i] = model.Policy().weights();
  }
  EXPECT_NEAR(losses[0], losses[1], 1e-5);
  for (const auto& [name, weight] : results[0]) {
    EXPECT_LT((weight - results[1].at(name)).abs().max().item<double>(), 2e-3) << name;
  }
}

TEST(TrainSupervised, AdaptersLearnWhileTheModelStays) {
  v1::Policy policy;
  policy.set_dtype("bfloat16");
  policy.mutable_lora()->set_rank(4);
  Trainable model = Toy(1, 4, policy);
  SupervisedOptions options = Options();
  options.muon_learning_rate = 0;
  options.adamw_learning_rate = 0.03;
  options.warmup_steps = 10;
  double first = 0, last = 0;
  ASSERT_TRUE(TrainSupervised(model, Questions(64), options, [&](const SupervisedProgress& p) {
                (p.step == 1 ? first : last) = p.loss;
              }).ok());
  EXPECT_LT(last, 0.7 * first);
  for (const auto& [name, parameter] : model.parameters()) EXPECT_THAT(name, HasSubstr(".lora_"));
}

TEST(TrainSupervised, TheSameSeedGivesTheSameBits) {
  policy::Weights results[3];
  for (int i = 0; i < 3; ++i) {
    Trainable model = Toy();
    SupervisedOptions options = Options();
    options.steps = 10;
    options.seed = i == 2 ? 10 : 9;
    ASSERT_TRUE(TrainSupervised(model, Questions(64), options, nullptr).ok());
    results[i] = model.Policy().weights();
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
    Trainable model = Toy();
    const absl::Status status = TrainSupervised(model, data, Options(), nullptr);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(text));
  }
}

}  // namespace
}  // namespace sojourn::learner
