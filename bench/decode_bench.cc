// Speed of the inference engine: decoding at several batch sizes, prompt reading, and a rollout of
// many turns that keeps its keys and values. With a model directory, or with random weights of a
// given shape, which cost the same.
//
//   decode_bench --random 30,576,9,3,1536,49152 --format bf16 --threads 2
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "policy/engine.h"
#include "policy/model.h"
#include "policy/model_files.h"

namespace sojourn {
namespace {

struct Options {
  std::string model, format = "bf16";
  std::vector<int64_t> random = {30, 576, 9, 3, 1536, 49152};
  std::vector<int> batches = {1, 8, 32};
  int threads = 2, prompt = 128, tokens = 64, repeats = 3, chunk = 256;
  int episodes = 16, turns = 10, observation = 60, answer = 32;
};

const std::map<std::string, policy::WeightFormat> kFormats = {
    {"fp32", policy::WeightFormat::kFloat32},
    {"bf16", policy::WeightFormat::kBfloat16},
    {"int8", policy::WeightFormat::kInt8}};

template <typename T>
T Get(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::fprintf(stderr, "%s\n", std::string(value.status().message()).c_str());
  std::exit(1);
}
void Check(const absl::Status& status) {
  Get(status.ok() ? absl::StatusOr<int>(0) : absl::StatusOr<int>(status));
}

struct Clock {
  double wall, processor;
  static Clock Now() {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) { return t.tv_sec + 1e-6 * t.tv_usec; };
    return {
        std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(),
        seconds(usage.ru_utime) + seconds(usage.ru_stime)};
  }
};

std::shared_ptr<const policy::Model> MakeModel(const Options& options) {
  if (!options.model.empty()) {
    return std::make_shared<policy::Model>(Get(policy::LoadModel(options.model)));
  }
  policy::ModelConfig config;
  config.num_hidden_layers = options.random[0];
  config.hidden_size = options.random[1];
  config.num_attention_heads = options.random[2];
  config.num_key_value_heads = options.random[3];
  config.head_dim = config.hidden_size / config.num_attention_heads;
  config.intermediate_size = options.random[4];
  config.vocab_size = options.random[5];
  config.max_position_embeddings = 8192;
  return std::make_shared<policy::Model>(
      Get(policy::Model::Create(config, policy::RandomWeights(config, RandomKey(1)))));
}

class Bench {
 public:
  Bench(const Options& options, policy::Engine& engine, int vocab)
      : options_(options), engine_(engine), vocab_(vocab) {}

  void Decode(int batch) {
    double best = 0, best_processor = 0;
    for (int repeat = 0; repeat < options_.repeats; ++repeat) {
      std::vector<int64_t> ids;
      const int64_t read = engine_.stats().prompt_tokens + batch * options_.prompt;
      for (int i = 0; i < batch; ++i) ids.push_back(Open(options_.prompt));
      for (const int64_t id : ids) Respond(id, {}, options_.tokens + 1);
      while (engine_.stats().prompt_tokens < read) Get(engine_.Step());
      const int64_t before = engine_.stats().decoded_tokens;
      const Clock start = Clock::Now();
      while (!engine_.idle()) Get(engine_.Step());
      Keep(engine_.stats().decoded_tokens - before, start, best, best_processor);
      for (const int64_t id : ids) engine_.Close(id);
    }
    Print("decode, batch " + std::to_string(batch), best, best_processor);
  }

  void Read() {
    double best = 0, best_processor = 0;
    for (int repeat = 0; repeat < options_.repeats; ++repeat) {
      constexpr int kPrompts = 8;
      std::vector<int64_t> ids;
      for (int i = 0; i < kPrompts; ++i) ids.push_back(Open(options_.prompt));
      for (const int64_t id : ids) Respond(id, {}, 1);
      const Clock start = Clock::Now();
      while (!engine_.idle()) Get(engine_.Step());
      Keep(kPrompts * options_.prompt, start, best, best_processor);
      for (const int64_t id : ids) engine_.Close(id);
    }
    Print("read 8 prompts of " + std::to_string(options_.prompt), best, best_processor);
  }

  void Rollout() {
    double best = 0, best_processor = 0;
    for (int repeat = 0; repeat < options_.repeats; ++repeat) {
      const Clock start = Clock::Now();
      std::map<int64_t, int> turns;
      for (int i = 0; i < options_.episodes; ++i) {
        const int64_t id = Open(options_.prompt);
        Respond(id, {}, options_.answer);
        turns[id] = 1;
      }
      while (!engine_.idle()) {
        for (const policy::Response& response : Get(engine_.Step())) {
          if (turns[response.episode]++ == options_.turns) {
            engine_.Close(response.episode);
          } else {
            Respond(response.episode, Tokens(options_.observation), options_.answer);
          }
        }
      }
      Keep(options_.episodes * options_.turns * options_.answer, start, best, best_processor);
    }
    Print("rollout, " + std::to_string(options_.episodes) + " episodes of " +
              std::to_string(options_.turns) + " turns",
          best, best_processor);
  }

 private:
  std::vector<int32_t> Tokens(int n) {
    std::vector<int32_t> tokens(n);
    for (int32_t& token : tokens) token = static_cast<int32_t>(random_.Below(vocab_));
    return tokens;
  }
  int64_t Open(int prompt) { return Get(engine_.OpenGroup(Tokens(prompt), 1)).front(); }
  void Respond(int64_t id, std::vector<int32_t> prompt, int tokens) {
    policy::ResponseRequest request{
        .prompt = std::move(prompt), .max_tokens = tokens, .key = RandomKey(++key_)};
    Check(engine_.Respond(id, std::move(request)));
  }
  static void Keep(int64_t tokens, const Clock& start, double& best, double& best_processor) {
    const Clock end = Clock::Now();
    best = std::max(best, tokens / (end.wall - start.wall));
    best_processor = std::max(best_processor, tokens / (end.processor - start.processor));
  }
  static void Print(const std::string& what, double rate, double by_processor) {
    std::printf("%-60s %9.1f tokens/s %9.1f per processor second\n", what.c_str(), rate,
                by_processor);
    std::fflush(stdout);
  }

  const Options& options_;
  policy::Engine& engine_;
  const int vocab_;
  Random random_{RandomKey(7)};
  uint64_t key_ = 0;
};

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Speed of the inference engine.");
  app.add_option("--model", options.model, "a model directory; else random weights");
  app.add_option("--random", options.random, "layers,width,heads,KV heads,inner,vocabulary")
      ->delimiter(',')
      ->expected(6);
  app.add_option("--format", options.format)->check(CLI::IsMember(kFormats));
  app.add_option("--threads", options.threads);
  app.add_option("--batches", options.batches)->delimiter(',');
  app.add_option("--prompt", options.prompt);
  app.add_option("--tokens", options.tokens, "decoded per response");
  app.add_option("--chunk", options.chunk, "prompt tokens read in a step");
  app.add_option("--episodes", options.episodes, "of the rollout; 0: none");
  app.add_option("--turns", options.turns);
  app.add_option("--observation", options.observation, "tokens read before each turn but the first");
  app.add_option("--answer", options.answer, "tokens decoded in a turn; the rollout's rate counts these");
  app.add_option("--repeats", options.repeats, "the best counts");
  CLI11_PARSE(app, argc, argv);

  const Clock start = Clock::Now();
  const auto model = MakeModel(options);
  policy::EngineOptions engine_options;
  engine_options.slots = 64;
  engine_options.prefill_chunk = options.chunk;
  engine_options.max_context_tokens = static_cast<int>(model->config().max_position_embeddings);
  engine_options.weight_format = kFormats.at(options.format);
  engine_options.threads = options.threads;
  const auto engine = Get(policy::Engine::Create(model, engine_options));
  std::printf("%s weights, %d threads, prompts of %d; loaded in %.3f s\n", options.format.c_str(),
              options.threads, options.prompt, Clock::Now().wall - start.wall);
  Bench bench(options, *engine, static_cast<int>(model->config().vocab_size));
  for (const int batch : options.batches) {
    if (batch > 0) bench.Decode(batch);
  }
  bench.Read();
  if (options.episodes > 0) bench.Rollout();
  return 0;
}

}  // namespace
}  // namespace sojourn

int main(int argc, char** argv) { return sojourn::Main(argc, argv); }
