#include "policy/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  const auto engine = MakeEngine({.slots = 4, .prefill_chunk = 10, .max_context_tokens = 256});
  const auto model = TestModel();
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

TEST(Engine, ResponsesDoNotDependOnTheRestOfTheBatch) {
  const auto expected = Play(*MakeEngine(), {1, 2, 3, 4, 5, 6, 7});
  EXPECT_EQ(Play(*MakeEngine(), {7, 3, 5, 1, 2, 4, 6}), expected)
      << "another order, so other slots";
  for (const EngineOptions options :
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
