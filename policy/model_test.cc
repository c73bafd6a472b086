#include "policy/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>

#include <cmath>

#include "policy/model_testing.h"

namespace sojourn::policy {
namespace {

using ::testing::HasSubstr;
using torch::Tensor;

Model MakeModel(const ModelConfig& config, uint64_t seed, torch::ScalarType type = torch::kFloat) {
  auto model = Model::Create(config, LivelyWeights(config, seed, type));
  EXPECT_TRUE(model.ok()) << model.status();
  return *std::move(model);
}

double Distance(const Tensor& a, const Tensor& b) {
  return (a.to(torch::kDouble) - b.to(torch::kDouble)).abs().max().item<double>();
}

// A loss that uses every part: log-probabilities and entropies of all next tokens.
Tensor Loss(const Model& model, const PackedTokens& packed) {
  const Tensor hidden = model.Hidden(packed);
  const Tensor rows = torch::arange(0, hidden.size(0) - 1, torch::kLong);
  const Tensor targets = torch::tensor(packed.tokens, torch::kLong).slice(0, 1);
  const auto scores = model.Score(hidden, rows, targets, 0.7);
  return scores.logprobs.sum() + 0.3 * (scores.entropies * scores.entropies).sum();
}

TEST(Model, GradientsMatchFiniteDifferences) {
  const ModelConfig config = SmallConfig();
  Model model = MakeModel(config, 1, torch::kDouble);
  const PackedTokens packed = RandomPacked({7, 3}, config.vocab_size, 2);
  for (auto& [name, weight] : model.mutable_weights()) weight.set_requires_grad(true);
  Loss(model, packed).backward();
  torch::NoGradGuard no_gradients;
  for (auto& [name, weight] : model.mutable_weights()) {
    const Tensor direction = torch::randn_like(weight);
    const double step = 1e-5, slope = (weight.grad() * direction).sum().item<double>();
    weight += step * direction;
    const double above = Loss(model, packed).item<double>();
    weight -= 2 * step * direction;
    const double below = Loss(model, packed).item<double>();
    weight += step * direction;
    EXPECT_NEAR(slope, (above - below) / (2 * step), 1e-5 * (1 + std::abs(slope))) << name;
  }
}

// The fused kernels against LibTorch's operations in double precision, on sizes that fill no
// vector.
TEST(Model, SinglePrecisionAgreesWithDoublePrecision) {
  for (const int64_t head_dim : {6, 8, 40}) {
    ModelConfig config = SmallConfig();
    config.head_dim = head_dim;
    Model single = MakeModel(config, 3), precise = MakeModel(config, 3, torch::kDouble);
    const PackedTokens packed = RandomPacked({70, 1, 33, 12}, config.vocab_size, 4);
    EXPECT_LT(Distance(single.Hidden(packed), precise.Hidden(packed)), 1e-4);
    for (Model* model : {&single, &precise}) {
      for (auto& [name, weight] : model->mutable_weights()) weight.set_requires_grad(true);
      Loss(*model, packed).backward();
    }
    for (const auto& [name, weight] : precise.weights()) {
      const double scale = weight.grad().abs().max().item<double>();
      EXPECT_LT(Distance(weight.grad(), single.weights().at(name).grad()), 1e-4 * scale) << name;
    }
  }
}

TEST(Model, PackedSequencesEqualEachAlone) {
  const ModelConfig config = SmallConfig();
  const Model model = MakeModel(config, 5);
  const std::vector<int32_t> lengths = {5, 1, 40, 13};
  const PackedTokens packed = RandomPacked(lengths, config.vocab_size, 6);
  const Tensor together = model.Hidden(packed);
  int64_t start = 0;
  for (const int32_t length : lengths) {
    const PackedTokens alone{
        {packed.tokens.begin() + start, packed.tokens.begin() + start + length}, {length}};
    EXPECT_LT(Distance(model.Hidden(alone), together.slice(0, start, start + length)), 1e-5);
    start += length;
  }
}

// A group of three with one prompt, packed with the prompt read once, and with it repeated.
TEST(Model, ASharedPrefixIsAsGoodAsARepeatedOne) {
  for (const auto type : {torch::kFloat, torch::kDouble}) {
    const ModelConfig config = SmallConfig();
    const std::vector<int32_t> own = {9, 1, 40};
    constexpr int32_t kPrefix = 37;
    const PackedTokens shared{RandomTokens(kPrefix + 50, config.vocab_size, 6),
                              {kPrefix, own[0], own[1], own[2]},
                              {-1, 0, 0, 0}};
    PackedTokens repeated;
    std::vector<int64_t> shared_rows, repeated_rows, targets;
    auto from = shared.tokens.begin() + kPrefix;
    for (const int32_t length : own) {
      for (int32_t t = 0; t < kPrefix; ++t) {
        shared_rows.push_back(t);
        repeated_rows.push_back(repeated.tokens.size());
        repeated.tokens.push_back(shared.tokens[t]);
      }
      for (int32_t t = 0; t < length; ++t) {
        shared_rows.push_back(from - shared.tokens.begin());
        repeated_rows.push_back(repeated.tokens.size());
        repeated.tokens.push_back(*from++);
      }
      repeated.lengths.push_back(kPrefix + length);
    }
    for (size_t i = 0; i < shared_rows.size(); ++i) targets.push_back(i % config.vocab_size);
    std::vector<Tensor> hiddens;
    std::vector<Weights> gradients;
    for (const auto& [packed, rows] : {std::pair(shared, shared_rows), {repeated, repeated_rows}}) {
      Model model = MakeModel(config, 5, type);
      for (auto& [name, weight] : model.mutable_weights()) weight.set_requires_grad(true);
      const Tensor hidden = model.Hidden(packed), index = torch::tensor(rows, torch::kLong);
      model.Score(hidden, index, torch::tensor(targets, torch::kLong), 1).logprobs.sum().backward();
      hiddens.push_back(hidden.index_select(0, index));
      gradients.push_back(model.weights());
    }
    const double tolerance = type == torch::kFloat ? 1e-4 : 1e-10;
    EXPECT_LT(Distance(hiddens[0], hiddens[1]), tolerance);
    for (const auto& [name, weight] : gradients[0]) {
      const Tensor other = gradients[1].at(name).grad();
      EXPECT_LT(Distance(weight.grad(), other), tolerance * other.abs().max().item<double>()) << name;
    }
  }
}

TEST(Model, LaterTokensDoNotReachEarlierOnes) {
  const ModelConfig config = SmallConfig();
  const Model model = MakeModel(config, 7);
  PackedTokens packed = RandomPacked({50}, config.vocab_size, 8);
  const Tensor before = model.Hidden(packed);
  packed.tokens[30] = (packed.tokens[30] + 1) % config.vocab_size;
  const Tensor after = model.Hidden(packed);
  EXPECT_TRUE(torch::equal(before.slice(0, 0, 30), after.slice(0, 0, 30)));
  EXPECT_GT(Distance(before[30], after[30]), 1e-3);
}

TEST(Model, SameInputsGiveTheSameGradientBits) {
  const ModelConfig config = SmallConfig();
  const PackedTokens packed = RandomPacked({60, 31, 9}, config.vocab_size, 10);
  std::vector<Weights> runs;
  for (int run = 0; run < 2; ++run) {
    Model model = MakeModel(config, 9);
    for (auto& [name, weight] : model.mutable_weights()) weight.set_requires_grad(true);
    Loss(model, packed).backward();
    runs.push_back(model.weights());
  }
  for (const auto& [name, weight] : runs[0]) {
    EXPECT_TRUE(torch::equal(weight.grad(), runs[1].at(name).grad())) << name;
  }
}

// A model with one key-value head is one with two whose key and value weights are the same.
TEST(Model, RecomputedLayersGiveTheSameGradients) {
  ModelConfig config = SmallConfig();
  config.qk_norm = true;
  config.qkv_bias = true;
  const PackedTokens packed = RandomPacked({60, 31, 9}, config.vocab_size, 10);
  std::vector<Tensor> hiddens;
  std::vector<Weights> runs;
  for (const bool recompute : {false, true}) {
    Model model = MakeModel(config, 9);
    for (auto& [name, weight] : model.mutable_weights()) weight.set_requires_grad(true);
    hiddens.push_back(model.Hidden(packed, recompute));
    (hiddens.back() * hiddens.back()).sum().backward();
    runs.push_back(model.weights());
  }
  EXPECT_TRUE(torch::equal(hiddens[0], hiddens[1]));
  for (const auto& [name, weight] : runs[0]) {
    ASSERT_TRUE(runs[1].at(name).grad().defined()) << name;
    EXPECT_TRUE(torch::equal(weight.grad(), runs[1].at(name).grad())) << name;
  }
}

// Adapters beside the weights, merged, and with their gradients checked against those of the merged weights.
TEST(Model, AdaptersAreAsGoodAsMergedWeights) {
  const ModelConfig config = SmallConfig();
  const PackedTokens packed = RandomPacked({20, 7}, config.vocab_size, 12);
  Model adapted = MakeModel(config, 9, torch::kDouble);
  Adapters adapters;
  torch::manual_seed(1);
  for (const auto& [name, weight] : adapted.weights()) {
    if (!name.ends_with("q_proj.weight") && !name.ends_with("down_proj.weight")) continue;
    adapters[name] = {torch::randn({3, weight.size(1)}, torch::kDouble).set_requires_grad(true),
                      torch::randn({weight.size(0), 3}, torch::kDouble).set_requires_grad(true), 0.1};
  }
  ASSERT_TRUE(adapted.SetAdapters(adapters).ok());
  for (const bool recompute : {false, true}) {
    Model merged = *Model::Create(config, adapted.MergedWeights());
    for (auto& [name, weight] : merged.mutable_weights()) weight = weight.clone().set_requires_grad(true);
    const Tensor mine = adapted.Hidden(packed, recompute), its = merged.Hidden(packed);
    EXPECT_LT(Distance(mine, its), 1e-6);  // merged in fp32
    (mine * mine).sum().backward();
    (its * its).sum().backward();
    for (auto& [name, adapter] : adapters) {
      const Tensor dw = merged.weights().at(name).grad();  // W = W0 + s B A: dA = s B^T dW, dB = s dW A^T
      EXPECT_LT(Distance(adapter.a.grad(), 0.1 * adapter.b.t().mm(dw)), 1e-4) << name;
      EXPECT_LT(Distance(adapter.b.grad(), 0.1 * dw.mm(adapter.a.t())), 1e-4) << name;
      adapter.a.mutable_grad().zero_();
      adapter.b.mutable_grad().zero_();
    }
  }
  EXPECT_FALSE(adapted.SetAdapters({{"model.norm.weight", {}}}).ok());
  EXPECT_FALSE(adapted.SetAdapters({{"model.layers.0.mlp.up_proj.weight", {torch::ones({2, 3}), torch::ones({4, 2}), 1}}}).ok());
}

TEST(Model, GroupedQueryAttentionSharesKeysAndValues) {
  ModelConfig grouped = SmallConfig(), full = SmallConfig();
  grouped.num_key_value_heads = 1;
  full.num_key_value_heads = 4;
  Weights weights = LivelyWeights(grouped, 11);
  const Model small = *Model::Create(grouped, weights);
  for (auto& [name, weight] : weights) {
    if (name.find("k_proj") != name.npos || name.find("v_proj") != name.npos)
      weight = weight.repeat({4, 1});
  }
  const Model large = *Model::Create(full, weights);
  const PackedTokens packed = RandomPacked({20, 7}, grouped.vocab_size, 12);
  EXPECT_LT(Distance(small.Hidden(packed), large.Hidden(packed)), 1e-5);
}

// One layer, one head of two numbers, embeddings (x, 0) or (0, x): the whole model by hand.
TEST(Model, RotaryAttentionInClosedForm) {
  ModelConfig config;
  config.vocab_size = 2;
  config.hidden_size = config.head_dim = 2;
  config.intermediate_size = 1;
  config.num_hidden_layers = config.num_attention_heads = config.num_key_value_heads = 1;
  config.max_position_embeddings = 8;
  Weights weights;
  for (const auto& [name, shape] : WeightShapes(config)) {
    weights[name] = shape.size() == 1 ? torch::ones(shape) : torch::zeros(shape);
  }
  weights["model.embed_tokens.weight"] = torch::eye(2);
  for (const char* name : {"q", "k", "v", "o"}) {
    weights[std::string("model.layers.0.self_attn.") + name + "_proj.weight"] = torch::eye(2);
  }
  const Model model = *Model::Create(config, weights);
  const Tensor hidden = model.Hidden({{0, 1}, {2}});
  // Normalized inputs are (r, 0) and (0, r) with r^2 = 2. Position 1 turns by 1 radian, so the
  // query
  // (-r sin 1, r cos 1) meets keys (r, 0) and itself: scores -2 sin 1 / sqrt 2 and 2 / sqrt 2.
  const double r = std::sqrt(2.0), a = std::exp(-r * std::sin(1.0)), b = std::exp(r);
  const double x0 = r * a / (a + b), x1 = 1 + r * b / (a + b);
  const double norm = std::sqrt((x0 * x0 + x1 * x1) / 2);
  EXPECT_NEAR(hidden[1][0].item<double>(), x0 / norm, 1e-4);
  EXPECT_NEAR(hidden[1][1].item<double>(), x1 / norm, 1e-4);
}

TEST(Model, ScoresAreThoseOfTheSoftmax) {
  const ModelConfig config = SmallConfig();
  const Model model = MakeModel(config, 13);
  const Tensor hidden = model.Hidden(RandomPacked({30, 8}, config.vocab_size, 14));
  const Tensor rows = torch::tensor({2, 2, 37, 0}, torch::kLong),
               targets = torch::tensor({4, 0, 49, 48});
  const auto scores = model.Score(hidden, rows, targets, 1.3);
  const Tensor log_p =
      torch::log_softmax(model.Logits(hidden).to(torch::kDouble) / 1.3, 1).index_select(0, rows);
  EXPECT_LT(Distance(scores.logprobs, log_p.gather(1, targets.unsqueeze(1)).squeeze(1)), 1e-5);
  EXPECT_LT(Distance(scores.entropies, -(log_p.exp() * log_p).sum(1)), 1e-5);
}

TEST(Model, RefusesWeightsThatDoNotFitTheConfig) {
  const ModelConfig config = SmallConfig();
  Weights weights = RandomWeights(config, RandomKey(1));
  weights.erase("model.norm.weight");
  EXPECT_THAT(std::string(Model::Create(config, weights).status().message()),
              HasSubstr("model.norm.weight is missing"));
  weights["model.norm.weight"] = torch::ones({3});
  EXPECT_THAT(std::string(Model::Create(config, weights).status().message()),
              HasSubstr("[3], expected [24]"));
  weights["model.norm.weight"] = torch::ones({24});
  EXPECT_TRUE(Model::Create(config, weights).ok());
  weights["extra"] = torch::ones({1});
  EXPECT_THAT(std::string(Model::Create(config, weights).status().message()), HasSubstr("extra"));
}

TEST(ModelConfig, SurvivesItsJson) {
  ModelConfig config = SmallConfig();
  config.rope_theta = 100000;
  config.tie_word_embeddings = false;
  const auto read = ParseModelConfig(ModelConfigJson(config), "config.json");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(ModelConfigJson(*read), ModelConfigJson(config));
}

TEST(ModelConfig, EveryFamilySurvivesItsJson) {
  for (const char* family : {"llama", "mistral", "qwen2", "qwen3"}) {
    for (const char* rope : {"default", "linear", "llama3", "yarn"}) {
      ModelConfig config = SmallConfig();
      config.model_type = family;
      config.qkv_bias = config.model_type == "qwen2";
      config.qk_norm = config.model_type == "qwen3";
      config.rope_scaling.type = rope;
      if (config.rope_scaling.type != "default") config.rope_scaling.factor = 4;
      if (config.rope_scaling.type == "llama3" || config.rope_scaling.type == "yarn") {
        config.rope_scaling.original_max_position_embeddings = 32;
      }
      config.eos_token_ids = {3, 4};
      config.bos_token_id = 2;
      config.torch_dtype = "bfloat16";
      const auto read = ParseModelConfig(ModelConfigJson(config), "config.json");
      ASSERT_TRUE(read.ok()) << read.status();
      EXPECT_EQ(ModelConfigJson(*read), ModelConfigJson(config));
      EXPECT_EQ(WeightShapes(*read), WeightShapes(config));
    }
  }
}

TEST(ModelConfig, NamesWhatItDoesNotSupport) {
  const std::string good = ModelConfigJson(SmallConfig());
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return std::string(ParseModelConfig(text, "dir/config.json").status().message());
  };
  EXPECT_THAT(with("\"llama\"", "\"gpt2\""), HasSubstr("dir/config.json: model_type"));
  EXPECT_THAT(with("\"silu\"", "\"gelu\""), HasSubstr("hidden_act"));
  EXPECT_THAT(with("\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3"),
              HasSubstr("multiple"));
  EXPECT_THAT(with("\"hidden_size\": 24", "\"hidden_size\": -1"), HasSubstr("hidden_size"));
  EXPECT_THAT(with("\"hidden_size\": 24", "\"hidden_size\": \"x\""), HasSubstr("whole number"));
  for (const auto& [extra, reason] : std::vector<std::pair<std::string, std::string>>{
           {R"("rope_scaling": {"type": "longrope", "factor": 2})", "longrope"},
           {R"("rope_scaling": {"rope_type": "yarn"})", "rope_scaling.factor"},
           {R"("rope_scaling": {"rope_type": "llama3", "factor": 8})", "original_max_position"},
           {R"("rope_scaling": 3)", "an object or null"},
           {R"("use_sliding_window": true, "sliding_window": 16)", "sliding_window"},
           {R"("quantization_config": {"bits": 4})", "quantization_config"},
           {R"("num_experts": 8)", "num_experts"},
           {R"("num_local_experts": 8)", "num_local_experts"}}) {
    EXPECT_THAT(with("{", "{" + extra + ","), HasSubstr(reason));
  }
  EXPECT_THAT(with("\"eos_token_id\": null", "\"eos_token_id\": \"x\""), HasSubstr("eos_token_id"));
  EXPECT_THAT(with("\"float32\"", "\"float8\""), HasSubstr("float8"));
  EXPECT_FALSE(ParseModelConfig("[1", "x").ok());
  EXPECT_THAT(with("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 16777216"), HasSubstr("num_hidden_layers"));
  // Printing or copying such values would take all the stack.
  const std::string deep = std::string(200000, '[') + std::string(200000, ']');
  for (const char* name : {"rope_scaling", "eos_token_id", "unused"}) {
    EXPECT_THAT(with("{", "{\"" + std::string(name) + "\": " + deep + ","), HasSubstr("nested more than"));
  }
}

// transformers 5.23's defaults.
TEST(ModelConfig, WhatAFileLeavesOutIsAsTransformersHasIt) {
  const auto parse = [](const char* family, const char* more = "") {
    return ParseModelConfig(absl::StrCat(R"({"vocab_size": 9, "hidden_size": 128, "intermediate_size": 8,
        "num_hidden_layers": 1, "num_attention_heads": 32, "model_type": ")", family, "\"", more, "}"), "config.json");
  };
  const struct {
    const char *family, *more;
    int64_t key_value_heads, head_dim, positions;
  } kExpected[] = {{"llama", "", 32, 4, 2048},
                   {"mistral", R"(, "sliding_window": null)", 8, 4, 131072},
                   {"qwen2", "", 32, 4, 32768},
                   {"qwen3", "", 32, 128, 32768}};
  for (const auto& expected : kExpected) {
    const auto config = parse(expected.family, expected.more);
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->num_key_value_heads, expected.key_value_heads) << expected.family;
    EXPECT_EQ(config->head_dim, expected.head_dim) << expected.family;
    EXPECT_EQ(config->max_position_embeddings, expected.positions) << expected.family;
  }
  // A window of 4096, unless the file says null.
  EXPECT_THAT(std::string(parse("mistral").status().message()), HasSubstr("sliding_window"));
  EXPECT_TRUE(parse("mistral", R"(, "max_position_embeddings": 4096)").ok());
}

}  // namespace
}  // namespace sojourn::policy
