#include "policy/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "policy/model_testing.h"

namespace sojourn::policy {
namespace {

using ::testing::HasSubstr;

std::shared_ptr<const Model> TestModel(uint64_t seed = 1) {
  const ModelConfig config = SmallConfig();
  return std::make_shared<Model>(*Model::Create(config, LivelyWeights(config, seed)));
}

std::unique_ptr<Engine> MakeEngine(EngineOptions options = {.max_context_tokens = 256},
                                   uint64_t seed = 1) {
  auto engine = Engine::Create(TestModel(seed), options);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return *std::move(engine);
}

ResponseRequest Request(std::vector<int32_t> prompt, uint64_t key, int max_tokens = 20) {
  return {.prompt = std::move(prompt),
          .max_tokens = max_tokens,
          .stop_tokens = {7},
          .key = RandomKey(key)};
}

std::map<int64_t, Response> Finish(Engine& engine) {
  std::map<int64_t, Response> responses;
  while (!engine.idle()) {
    const auto step = engine.Step();
    EXPECT_TRUE(step.ok()) << step.status();
    for (const Response& response : *step) responses[response.episode] = response;
  }
  return responses;
}

// Three turns of one episode, everything that was asked and answered.
struct Talk {
  std::vector<int32_t> context;
  std::vector<std::vector<int32_t>> responses;
  std::vector<std::vector<float>> logprobs;
  bool operator==(const Talk&) const = default;
};

constexpr int kTurns = 3;

std::vector<int32_t> Prompt(uint64_t episode, int turn) {
  return RandomTokens(5 + (episode * 7 + turn * 13) % 40, 50, 1000 * episode + turn);
}

// Plays the episodes, `order` being the order in which they ask.
std::map<uint64_t, Talk> Play(Engine& engine, const std::vector<uint64_t>& order,
                              double temperature = 1) {
  std::map<uint64_t, Talk> talks;
  std::map<int64_t, uint64_t> names;
  for (const uint64_t episode : order) {
    const auto prompt = Prompt(episode, 0);
    const int64_t id = engine.OpenGroup(prompt, 1)->front();
    names[id] = episode;
    talks[episode].context = prompt;
  }
  for (int turn = 0; turn < kTurns; ++turn) {
    for (const auto& [id, episode] : names) {
      auto request =
          Request(turn == 0 ? std::vector<int32_t>{} : Prompt(episode, turn), episode * 10 + turn);
      request.sampling.temperature = temperature;
      auto& context = talks[episode].context;
      context.insert(context.end(), request.prompt.begin(), request.prompt.end());
      const absl::Status asked = engine.Respond(id, request);
      EXPECT_TRUE(asked.ok()) << asked;
    }
    for (const auto& [id, response] : Finish(engine)) {
      Talk& talk = talks[names[id]];
      talk.context.insert(talk.context.end(), response.tokens.begin(), response.tokens.end());
      talk.responses.push_back(response.tokens);
      talk.logprobs.push_back(response.logprobs);
    }
  }
  for (const auto& [id, episode] : names) {
    EXPECT_EQ(engine.context_tokens(id), talks[episode].context.size());
    engine.Close(id);
  }
  return talks;
}

TEST(Engine, CachedDecodingEqualsTheWholeForwardPass) {
  const auto model = TestModel();
  // By the kernels; and by LibTorch's operations, in a cache that is too small for all.
  for (const bool by_libtorch : {false, true}) {
  const auto engine = MakeEngine({.slots = 4,
                                  .prefill_chunk = 10,
                                  .max_context_tokens = 256,
                                  .kv_cache_tokens = by_libtorch ? 512 : 0,
                                  .by_libtorch = by_libtorch});
  for (const auto& [episode, talk] : Play(*engine, {1, 2, 3, 4, 5, 6})) {
    const int64_t length = talk.context.size();
    const torch::Tensor hidden = model->Hidden({talk.context, {static_cast<int32_t>(length)}});
    const torch::Tensor rows = torch::arange(0, length - 1, torch::kLong);
    const torch::Tensor targets = torch::tensor(talk.context, torch::kLong).slice(0, 1);
    const torch::Tensor scores = model->Score(hidden, rows, targets, 1).logprobs;
    int64_t at = 0;
    for (int turn = 0; turn < kTurns; ++turn) {
      at += Prompt(episode, turn).size();
      for (const float logprob : talk.logprobs[turn]) {
        EXPECT_NEAR(logprob, scores[at++ - 1].item<float>(), 1e-4);
      }
    }
    EXPECT_EQ(at, length);
  }
  }
}

TEST(Engine, LibTorchsOperationsAnswerAsTheKernelsDo) {
  for (const double temperature : {0.0, 1.0}) {
    const auto plain = MakeEngine({.max_context_tokens = 256}),
               other = MakeEngine({.max_context_tokens = 256, .by_libtorch = true});
    const auto expected = Play(*plain, {1, 2, 3}, temperature), got = Play(*other, {1, 2, 3}, temperature);
    for (const auto& [episode, talk] : expected) EXPECT_EQ(got.at(episode).responses, talk.responses);
  }
  // A group whose members fork in the middle of a block.
  std::vector<std::vector<int32_t>> answers[2];
  for (const bool by_libtorch : {false, true}) {
    const auto engine = MakeEngine({.max_context_tokens = 256, .by_libtorch = by_libtorch});
    const auto ids = *engine->OpenGroup(RandomTokens(45, 50, 3), 3);
    for (const int64_t id : ids) ASSERT_TRUE(engine->Respond(id, Request({}, id)).ok());
    for (const auto& [id, response] : Finish(*engine)) answers[by_libtorch].push_back(response.tokens);
  }
  EXPECT_EQ(answers[0], answers[1]);
}

TEST(Engine, ResponsesDoNotDependOnTheRestOfTheBatch) {
  const auto expected = Play(*MakeEngine(), {1, 2, 3, 4, 5, 6, 7});
  EXPECT_EQ(Play(*MakeEngine(), {7, 3, 5, 1, 2, 4, 6}), expected)
      << "another order, so other slots";
  for (const EngineOptions& options :
       {EngineOptions{.slots = 1, .prefill_chunk = 1, .max_context_tokens = 256},
        EngineOptions{.slots = 3, .prefill_chunk = 17, .max_context_tokens = 200},
        EngineOptions{.slots = 100, .prefill_chunk = 500, .max_context_tokens = 256}}) {
    EXPECT_EQ(Play(*MakeEngine(options), {1, 2, 3, 4, 5, 6, 7}), expected)
        << options.slots << " slots, chunks of " << options.prefill_chunk;
  }
  for (const auto& [episode, talk] : expected) {
    EXPECT_EQ(Play(*MakeEngine(), {episode})[episode], talk) << "alone";
  }
}

TEST(Engine, ReusedMemoryLeavesNoTrace) {
  const auto engine = MakeEngine({.slots = 3, .prefill_chunk = 20, .max_context_tokens = 256});
  const auto first = Play(*engine, {1, 2, 3});
  Play(*engine, {4, 5, 6, 7, 8});
  EXPECT_EQ(Play(*engine, {3, 2, 1}), first);
}

TEST(Engine, ForksShareThePromptAndAnswerAsIfUnshared) {
  for (const int prompt_tokens : {1, 31, 32, 33, 70}) {
    const auto prompt = RandomTokens(prompt_tokens, 50, prompt_tokens);
    const auto play = [&](const std::vector<int>& groups) {
      const auto engine = MakeEngine();
      std::vector<int64_t> ids;
      for (const int n : groups) {
        const auto opened = *engine->OpenGroup(prompt, n);
        ids.insert(ids.end(), opened.begin(), opened.end());
      }
      std::vector<std::vector<int32_t>> tokens;
      for (int turn = 0; turn < 2; ++turn) {
        for (size_t i = 0; i < ids.size(); ++i) {
          const auto more = turn == 0 ? std::vector<int32_t>{} : RandomTokens(9, 50, i);
          EXPECT_TRUE(engine->Respond(ids[i], Request(more, 100 * turn + i)).ok());
        }
        for (const auto& [id, response] : Finish(*engine)) tokens.push_back(response.tokens);
      }
      const int64_t shared = engine->stats().shared_prompt_tokens;
      EXPECT_EQ(shared, prompt_tokens * static_cast<int64_t>(ids.size() - groups.size()));
      return tokens;
    };
    EXPECT_EQ(play({4}), play({1, 1, 1, 1})) << prompt_tokens;
    EXPECT_EQ(play({4}), play({2, 2})) << prompt_tokens;
  }
}

TEST(Engine, MembersMayAskLateOrNever) {
  const auto prompt = RandomTokens(40, 50, 3);
  const auto engine = MakeEngine();
  const auto ids = *engine->OpenGroup(prompt, 3);
  ASSERT_TRUE(engine->Respond(ids[1], Request({}, 1)).ok());
  const auto first = Finish(*engine).at(ids[1]);
  engine->Close(ids[0]);
  engine->Close(ids[1]);
  ASSERT_TRUE(engine->Respond(ids[2], Request({}, 1)).ok());
  EXPECT_EQ(Finish(*engine).at(ids[2]).tokens, first.tokens);
  EXPECT_EQ(engine->stats().prompt_tokens, 40);
}

TEST(Engine, ClosingInTheMiddleDropsTheResponseOnly) {
  const auto expected = Play(*MakeEngine(), {1, 2});
  const auto engine = MakeEngine({.slots = 2, .prefill_chunk = 4, .max_context_tokens = 256});
  const auto dropped = *engine->OpenGroup(RandomTokens(60, 50, 9), 3);
  for (const int64_t id : dropped) ASSERT_TRUE(engine->Respond(id, Request({}, 5)).ok());
  for (int step = 0; step < 3; ++step) ASSERT_TRUE(engine->Step().ok());
  for (const int64_t id : dropped) engine->Close(id);
  EXPECT_TRUE(engine->idle());
  EXPECT_EQ(Play(*engine, {1, 2}), expected);
}

TEST(Engine, StopsAtStopTokensAtMostTokensAndAtTheContextsEnd) {
  const auto engine = MakeEngine({.max_context_tokens = 64});
  bool stopped_once = false, full_once = false;
  for (uint64_t key = 0; key < 40; ++key) {
    const int64_t id = engine->OpenGroup(RandomTokens(10, 50, key), 1)->front();
    ASSERT_TRUE(engine->Respond(id, Request({}, key, key % 2 ? 5 : 1000)).ok());
    const Response response = Finish(*engine).at(id);
    const bool last_stops = response.tokens.back() == 7;
    EXPECT_EQ(response.stopped, last_stops);
    EXPECT_EQ(response.tokens.size(), response.logprobs.size());
    if (!last_stops) {
      EXPECT_EQ(response.tokens.size(), key % 2 ? 5 : 54);
    }
    stopped_once |= last_stops;
    full_once |= !last_stops && key % 2 == 0;
    if (!last_stops && key % 2 == 0) {
      EXPECT_EQ(engine->context_tokens(id), 64);
      EXPECT_EQ(engine->Respond(id, Request({1}, 0)).code(), absl::StatusCode::kOutOfRange);
    }
    engine->Close(id);
  }
  EXPECT_TRUE(stopped_once && full_once);
}

TEST(Engine, GreedyTakesTheModelsFirstChoice) {
  const auto model = TestModel();
  for (const auto& [episode, talk] : Play(*MakeEngine(), {1, 2}, /*temperature=*/0)) {
    const torch::Tensor choices =
        model->Logits(model->Hidden({talk.context, {static_cast<int32_t>(talk.context.size())}}))
            .argmax(1);
    int64_t at = Prompt(episode, 0).size();
    for (const int32_t token : talk.responses[0]) {
      EXPECT_EQ(token, choices[at++ - 1].item<int64_t>());
    }
  }
}

constexpr WeightFormat kFormats[] = {WeightFormat::kFloat32, WeightFormat::kBfloat16,
                                     WeightFormat::kInt8};

TEST(Engine, ResponsesDependOnTheFormatButNotOnThreadsChunksOrSlots) {
  std::vector<std::map<uint64_t, Talk>> talks;
  for (const WeightFormat format : kFormats) {
    const EngineOptions options{.max_context_tokens = 256, .weight_format = format};
    talks.push_back(Play(*MakeEngine(options), {1, 2, 3, 4, 5, 6, 7}));
    for (const int threads : {1, 2, 5}) {
      for (const auto& [slots, chunk] : {std::pair<int, int>{1, 1}, {3, 17}, {100, 500}}) {
        const auto engine = MakeEngine({.slots = slots,
                                        .prefill_chunk = chunk,
                                        .max_context_tokens = 256,
                                        .weight_format = format,
                                        .threads = threads});
        EXPECT_EQ(Play(*engine, {7, 1, 6, 2, 5, 3, 4}), talks.back())
            << threads << " threads, " << slots << " slots, chunks of " << chunk;
      }
    }
  }
  EXPECT_NE(talks[0], talks[1]);
  EXPECT_NE(talks[1], talks[2]);
}

ModelConfig Family(const std::string& name) {
  ModelConfig config = SmallConfig();
  config.model_type = name;
  if (name == "mistral") config.head_dim = 8, config.tie_word_embeddings = false;
  if (name == "qwen2") config.qkv_bias = config.output_bias = true;
  if (name == "qwen3") config.qk_norm = true, config.head_dim = 10;
  if (name == "llama") {
    config.rope_scaling = {.type = "llama3", .factor = 8, .original_max_position_embeddings = 64};
  }
  return config;
}

TEST(Engine, EveryFamilysLogitsAreTheModelsInEveryFormat) {
  for (const char* family : {"llama", "mistral", "qwen2", "qwen3"}) {
    const ModelConfig config = Family(family);
    Weights weights = LivelyWeights(config, 3);
    for (auto& [name, weight] : weights) {
      if (name.ends_with("bias")) weight = torch::linspace(-1, 1, weight.numel());
    }
    const auto model = std::make_shared<Model>(*Model::Create(config, weights));
    for (int i = 0; i < 5; ++i) {  // the kernels' formats, then LibTorch's operations in the first two
      const WeightFormat format = kFormats[i % 3];
      const auto engine = *Engine::Create(
          model, {.prefill_chunk = 9, .max_context_tokens = 128, .weight_format = format, .by_libtorch = i >= 3});
      std::vector<int32_t> context = RandomTokens(40, config.vocab_size, 5);
      const int64_t id = engine->OpenGroup(context, 1)->front();
      ASSERT_TRUE(engine->Respond(id, {.max_tokens = 60, .key = RandomKey(1)}).ok());
      const Response response = Finish(*engine).at(id);
      context.insert(context.end(), response.tokens.begin(), response.tokens.end());
      const torch::Tensor scores =
          torch::log_softmax(model->Logits(model->Hidden({context, {100}, {}})), 1);
      double difference = 0;
      for (int64_t i = 0; i < 60; ++i) {
        difference +=
            std::abs(scores[39 + i][response.tokens[i]].item<float>() - response.model_logprobs[i]);
      }
      const double tolerance[] = {1e-4, 0.05, 0.1};
      EXPECT_LT(difference / 60, tolerance[static_cast<int>(format)])
          << family << ", format " << static_cast<int>(format);
    }
  }
}

TEST(Engine, WeightsOfEveryTypeGiveTheSame) {
  const ModelConfig config = SmallConfig();
  Weights half = LivelyWeights(config, 1, torch::kBFloat16), full;
  for (const auto& [name, weight] : half) full[name] = weight.to(torch::kFloat);
  const auto play = [&](const Weights& weights) {
    const auto model = std::make_shared<Model>(*Model::Create(config, weights));
    return Play(**Engine::Create(model, {.max_context_tokens = 256}), {1, 2});
  };
  EXPECT_EQ(play(half), play(full));
}

TEST(Engine, PreemptionLeavesNoTrace) {
  // Long responses to short prompts, two turns: all are let in, and then grow.
  const auto play = [](const EngineOptions& options, EngineStats* stats) {
    const auto engine = MakeEngine(options);
    std::vector<std::vector<int32_t>> tokens;
    std::vector<std::vector<float>> logprobs;
    std::vector<int64_t> ids;
    for (int i = 0; i < 7; ++i) {
      ids.push_back(engine->OpenGroup(RandomTokens(10, 50, i), 1)->front());
    }
    for (int turn = 0; turn < 2; ++turn) {
      for (const int64_t id : ids) {
        auto request = Request(turn == 0 ? std::vector<int32_t>{} : RandomTokens(20, 50, id),
                               10 * id + turn, 90);
        request.stop_tokens = {};
        EXPECT_TRUE(engine->Respond(id, request).ok());
      }
      for (const auto& [id, response] : Finish(*engine)) {
        tokens.push_back(response.tokens);
        logprobs.push_back(response.logprobs);
      }
    }
    *stats = engine->stats();
    return std::pair(tokens, logprobs);
  };
  for (const WeightFormat format : {WeightFormat::kFloat32, WeightFormat::kBfloat16}) {
    EngineStats stats;
    const auto expected = play({.max_context_tokens = 256, .weight_format = format}, &stats);
    EXPECT_EQ(stats.preemptions, 0);
    EXPECT_EQ(stats.recomputed_tokens, 0);
    const int64_t read = stats.prompt_tokens;
    for (const int64_t tokens : {256, 300, 400, 600}) {
      EXPECT_EQ(play({.slots = 5,
                      .prefill_chunk = 40,
                      .max_context_tokens = 256,
                      .weight_format = format,
                      .threads = 2,
                      .kv_cache_tokens = tokens},
                     &stats),
                expected)
          << tokens << " tokens";
      EXPECT_GT(stats.preemptions, 0) << tokens;
      EXPECT_GT(stats.recomputed_tokens, 0) << tokens;
      EXPECT_EQ(stats.prompt_tokens, read);
      EXPECT_LE(stats.kv_cache_tokens, stats.kv_cache_tokens_max);
      EXPECT_LE(stats.kv_cache_tokens_max, tokens);
    }
  }
}

TEST(Engine, GroupsShareTheirPromptInATightCacheToo) {
  const auto prompt = RandomTokens(70, 50, 1);
  const auto play = [&](int64_t tokens) {
    const auto engine = MakeEngine(
        {.slots = 6, .prefill_chunk = 30, .max_context_tokens = 160, .kv_cache_tokens = tokens});
    std::vector<int64_t> ids;
    for (int group = 0; group < 3; ++group) {
      const auto opened = *engine->OpenGroup(prompt, 4);
      ids.insert(ids.end(), opened.begin(), opened.end());
    }
    std::vector<std::vector<int32_t>> responses;
    for (int turn = 0; turn < 2; ++turn) {
      for (size_t i = 0; i < ids.size(); ++i) {
        const auto more = turn == 0 ? std::vector<int32_t>{} : RandomTokens(20, 50, i);
        EXPECT_TRUE(engine->Respond(ids[i], Request(more, 100 * turn + i)).ok());
      }
      for (const auto& [id, response] : Finish(*engine)) responses.push_back(response.tokens);
    }
    return responses;
  };
  const auto expected = play(0);
  for (const int64_t tokens : {160, 200, 320, 700}) EXPECT_EQ(play(tokens), expected) << tokens;
}

TEST(Engine, TheCacheBoundsTheContext) {
  const auto engine = MakeEngine({.max_context_tokens = 256, .kv_cache_tokens = 100});  // 96 in use
  const auto opened = engine->OpenGroup(std::vector<int32_t>(96, 1), 1);
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(opened.status().message()), HasSubstr("96"));
  const auto ids = *engine->OpenGroup(RandomTokens(50, 50, 1), 2);
  for (const int64_t id : ids) {
    auto request = Request({}, 3, 1000);
    request.stop_tokens = {};
    ASSERT_TRUE(engine->Respond(id, request).ok());
  }
  for (const auto& [id, response] : Finish(*engine)) EXPECT_EQ(response.tokens.size(), 46);
  EXPECT_THAT(std::string(Engine::Create(TestModel(), {.kv_cache_tokens = 31}).status().message()),
              HasSubstr("kv_cache_tokens"));
}

TEST(Engine, NewWeightsInTheMiddleKeepOrRebuildTheCache) {
  const auto prompt = RandomTokens(45, 50, 1);
  // Five tokens by the first weights, then as many by the second.
  const auto play = [&](CachePolicy policy) {
    const auto engine = MakeEngine({.max_context_tokens = 256});
    const int64_t id = engine->OpenGroup(prompt, 1)->front();
    auto request = Request({}, 1, 10);
    request.stop_tokens = {};
    EXPECT_TRUE(engine->Respond(id, request).ok());
    while (engine->running(id)->tokens.size() < 5) EXPECT_TRUE(engine->Step().ok());
    const absl::Status set = engine->SetModel(TestModel(2), policy);
    EXPECT_EQ(set.ok(), policy != CachePolicy::kRefuse) << set;
    return Finish(*engine).at(id);
  };
  const Response old = play(CachePolicy::kRefuse), kept = play(CachePolicy::kKeep),
                 rebuilt = play(CachePolicy::kRebuild);
  const auto first = [](const Response& r) {
    return std::vector(r.tokens.begin(), r.tokens.begin() + 5);
  };
  EXPECT_EQ(first(kept), first(old));
  EXPECT_EQ(first(rebuilt), first(old));
  EXPECT_NE(kept.logprobs, old.logprobs);
  EXPECT_NE(rebuilt.logprobs, kept.logprobs);
  std::vector<int32_t> context = prompt;
  context.insert(context.end(), rebuilt.tokens.begin(), rebuilt.tokens.end());
  const auto model = TestModel(2);
  const torch::Tensor scores =
      torch::log_softmax(model->Logits(model->Hidden({context, {55}, {}})), 1);
  for (int64_t i = 5; i < 10; ++i) {
    EXPECT_NEAR(rebuilt.logprobs[i], scores[44 + i][rebuilt.tokens[i]].item<float>(), 1e-4);
  }
}

TEST(Engine, AReadPromptIsReadAgainForNewWeights) {
  const auto prompt = RandomTokens(45, 50, 1);
  const auto engine = MakeEngine({.max_context_tokens = 256});
  const auto ids = *engine->OpenGroup(prompt, 2);
  ASSERT_TRUE(engine->Respond(ids[0], Request({}, 1)).ok());
  Finish(*engine);
  ASSERT_TRUE(engine->SetModel(TestModel(2), CachePolicy::kRebuild).ok());
  ASSERT_TRUE(engine->Respond(ids[1], Request({}, 1)).ok());
  const Response response = Finish(*engine).at(ids[1]);
  const auto fresh = MakeEngine({.max_context_tokens = 256}, 2);
  const int64_t id = fresh->OpenGroup(prompt, 1)->front();
  ASSERT_TRUE(fresh->Respond(id, Request({}, 1)).ok());
  EXPECT_EQ(Finish(*fresh).at(id).logprobs, response.logprobs);
}

TEST(Engine, AStopFunctionSeesEveryTokenInTurn) {
  const auto engine = MakeEngine();
  const int64_t id = engine->OpenGroup(RandomTokens(10, 50, 1), 1)->front();
  std::vector<int32_t> seen;
  auto request = Request({}, 1, 100);
  request.stop_tokens = {};
  request.stop = [&](int32_t token) {
    seen.push_back(token);
    return seen.size() == 6;
  };
  ASSERT_TRUE(engine->Respond(id, request).ok());
  EXPECT_TRUE(engine->running(id)->tokens.empty());
  size_t before = 0;
  Response response;
  while (!engine->idle()) {
    const auto done = *engine->Step();
    if (!done.empty()) {
      response = done.front();
      break;
    }
    EXPECT_EQ(engine->running(id)->tokens, seen);
    before = seen.size();
  }
  EXPECT_EQ(before, 5);
  EXPECT_EQ(response.tokens, seen);
  EXPECT_TRUE(response.stopped);
  EXPECT_EQ(engine->running(id), nullptr);
}

TEST(Engine, TellsTheModelsOwnLogProbabilitiesAndAlternatives) {
  const auto model = TestModel();
  const auto engine = MakeEngine();
  std::vector<int32_t> context = RandomTokens(30, 50, 1);
  const int64_t id = engine->OpenGroup(context, 1)->front();
  auto request = Request({}, 1);
  request.sampling = {.temperature = 0.7, .top_k = 5};
  request.alternatives = 3;
  ASSERT_TRUE(engine->Respond(id, request).ok());
  const Response response = Finish(*engine).at(id);
  context.insert(context.end(), response.tokens.begin(), response.tokens.end());
  const torch::Tensor scores = torch::log_softmax(
      model->Logits(model->Hidden({context, {static_cast<int32_t>(context.size())}, {}})), 1);
  ASSERT_EQ(response.alternatives.size(), response.tokens.size());
  for (size_t i = 0; i < response.tokens.size(); ++i) {
    const torch::Tensor row = scores[29 + i];
    EXPECT_NEAR(response.model_logprobs[i], row[response.tokens[i]].item<float>(), 1e-4);
    const auto [values, tokens] = row.topk(5);
    ASSERT_EQ(response.alternatives[i].size(), 3);
    for (int j = 0; j < 3; ++j) {
      EXPECT_EQ(response.alternatives[i][j].token, tokens[j].item<int64_t>());
      EXPECT_NEAR(response.alternatives[i][j].logprob, values[j].item<float>(), 1e-4);
    }
    const double sum = (values / 0.7).exp().sum().item<double>();
    EXPECT_NEAR(response.logprobs[i], row[response.tokens[i]].item<float>() / 0.7 - std::log(sum),
                1e-3);
  }
}

TEST(Engine, NewWeightsAreTakenBetweenEpisodesOnly) {
  const auto engine = MakeEngine({.max_context_tokens = 256}, 1);
  const auto ids = *engine->OpenGroup({{1, 2}}, 1);
  EXPECT_EQ(engine->SetModel(TestModel(2)).code(), absl::StatusCode::kFailedPrecondition);
  engine->Close(ids[0]);
  ASSERT_TRUE(engine->SetModel(TestModel(2)).ok());
  EXPECT_EQ(Play(*engine, {1, 2}), Play(*MakeEngine({.max_context_tokens = 256}, 2), {1, 2}));
  EXPECT_NE(Play(*engine, {1, 2}), Play(*MakeEngine({.max_context_tokens = 256}, 1), {1, 2}));
  ModelConfig other = SmallConfig();
  other.rope_theta = 5;
  const auto model = std::make_shared<Model>(*Model::Create(other, LivelyWeights(other, 1)));
  EXPECT_EQ(engine->SetModel(model).code(), absl::StatusCode::kInvalidArgument);
}

TEST(Engine, DivergedWeightsAreAnError) {
  const ModelConfig config = SmallConfig();
  Weights weights = LivelyWeights(config, 1);
  weights["model.layers.0.mlp.down_proj.weight"][0][0] = NAN;
  const auto engine = *Engine::Create(std::make_shared<Model>(*Model::Create(config, weights)),
                                      {.max_context_tokens = 64});
  const int64_t id = engine->OpenGroup({{1, 2, 3}}, 1)->front();
  ASSERT_TRUE(engine->Respond(id, Request({}, 1)).ok());
  EXPECT_THAT(std::string(engine->Step().status().message()), HasSubstr("not finite"));
}

TEST(Engine, RefusesWhatItCannotDo) {
  const auto engine = MakeEngine({.max_context_tokens = 16, .max_episodes = 3});
  EXPECT_EQ(engine->OpenGroup({}, 1).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(engine->OpenGroup({{50}}, 1).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(engine->OpenGroup({{1}}, 0).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(engine->OpenGroup({{1}}, 4).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(engine->OpenGroup(std::vector<int32_t>(16, 1), 1).status().code(),
            absl::StatusCode::kOutOfRange);
  const int64_t id = engine->OpenGroup(std::vector<int32_t>(15, 1), 1)->front();
  EXPECT_EQ(engine->Respond(99, Request({}, 1)).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(engine->Respond(id, Request({1}, 1)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(engine->Respond(id, Request({}, 1, 0)).code(), absl::StatusCode::kInvalidArgument);
  auto request = Request({}, 1);
  request.sampling.top_p = 0;
  EXPECT_EQ(engine->Respond(id, request).code(), absl::StatusCode::kInvalidArgument);
  request = Request({}, 1);
  request.alternatives = 65;
  EXPECT_EQ(engine->Respond(id, request).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Engine::Create(TestModel(), {.threads = 0}).status().code(),
            absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(engine->Respond(id, Request({}, 1)).ok());
  EXPECT_EQ(engine->Respond(id, Request({}, 1)).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Finish(*engine).at(id).tokens.size(), 1);
  EXPECT_EQ(engine->Respond(id, Request({1}, 1)).code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(Engine::Create(TestModel(), {.slots = 0}).status().message()),
              HasSubstr("slots"));
  EXPECT_THAT(
      std::string(Engine::Create(TestModel(), {.max_context_tokens = 257}).status().message()),
      HasSubstr("max_position_embeddings"));
}

}  // namespace
}  // namespace sojourn::policy
