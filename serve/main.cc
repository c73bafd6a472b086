// sojourn-serve: a model behind OpenAI's API; started by `sojourn serve-model`.
#include <ATen/Parallel.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "common/shutdown.h"
#include "serve/served_model.h"

namespace {

using namespace sojourn;

struct Flags {
  std::string model, name, device = "cpu", log_level = "info";
  serve::OpenAiOptions openai;
  serve::ModelServerOptions server;
  policy::WeightFormat weights = policy::WeightFormat::kFloat32;
  int64_t kv_cache_tokens = 0;
  int max_context_tokens = 0, threads = 1, metrics_port = -1, request_timeout_seconds = 600;
};

absl::Status Run(Flags flags) {
  absl::Status status = InitLogging("serve", flags.log_level);
  if (!status.ok()) return status;
  policy::EngineOptions engine;
  engine.slots = flags.server.slots;
  engine.max_episodes = flags.server.slots + flags.server.max_kept;
  engine.max_context_tokens = flags.max_context_tokens;
  engine.weight_format = flags.weights;
  engine.kv_cache_tokens = flags.kv_cache_tokens;
  engine.threads = flags.threads;
  engine.device = flags.device;
  auto loaded = serve::LoadServedModel(flags.model, flags.name, engine);
  if (!loaded.ok()) return loaded.status();
  const std::string name = loaded->served.name;
  const std::string host = flags.openai.listen.substr(0, flags.openai.listen.rfind(':'));

  Metrics metrics;
  if (flags.metrics_port >= 0) {
    const auto port = metrics.Serve(absl::StrCat(host, ":", flags.metrics_port));
    if (!port.ok()) return port.status();
    spdlog::info("metrics at {}:{}", host, *port);
  }
  auto& running = metrics.Gauge("sojourn_serve_running", "Choices that the engine decodes");
  auto& queued = metrics.Gauge("sojourn_serve_queued", "Prompts that wait for slots");
  auto& kv_tokens = metrics.Gauge("sojourn_serve_kv_cache_tokens",
                                  "Tokens that the cache's blocks in use have room for");
  auto& kv_tokens_max = metrics.Gauge("sojourn_serve_kv_cache_tokens_max",
                                      "Tokens that all its blocks have room for");
  auto& preemptions = metrics.Counter("sojourn_serve_preemptions_total",
                                      "Answers put back for lack of room in the cache");

  const auto tokenizer = loaded->served.tokenizer;
  const auto server =
      serve::ModelServer::Start(std::move(loaded->engine), *tokenizer, flags.server);
  flags.openai.request_timeout = absl::Seconds(flags.request_timeout_seconds);
  // A connection for each prompt under way or queued, and some to be told that there is no room.
  flags.openai.http.max_connections = flags.server.slots + flags.server.max_queued + 64;
  auto openai =
      serve::OpenAiServer::Start(std::move(loaded->served), *server, metrics, flags.openai);
  if (!openai.ok()) return openai.status();
  std::printf("%s at http://%s:%d/v1\n", name.c_str(), host.c_str(), (*openai)->port());
  std::fflush(stdout);
  do {
    const serve::ModelServerStats stats = server->stats();
    running.Set(stats.running);
    queued.Set(stats.queued);
    kv_tokens.Set(static_cast<double>(stats.engine.kv_cache_tokens));
    kv_tokens_max.Set(static_cast<double>(stats.engine.kv_cache_tokens_max));
    preemptions.Increment(static_cast<double>(stats.engine.preemptions) - preemptions.Value());
  } while (!WaitForShutdown(absl::Seconds(1)));
  spdlog::info("stops: asked to");
  (*openai)->Stop();
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  InstallShutdown();
  Flags flags;
  CLI::App app("Serves a model through OpenAI's API; normally started by `sojourn serve-model`.",
               "sojourn serve-model");
  app.add_option("MODEL", flags.model, "a model directory")->required();
  app.add_option("--listen", flags.openai.listen, "HOST:PORT; port 0 picks one and prints it")
      ->capture_default_str();
  app.add_option("--name", flags.name, "the model's id in requests; default: the directory's name");
  app.add_option("--device", flags.device, "where the model computes: cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--threads", flags.threads, "for the model")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app.add_option_function<std::string>(
         "--weights",
         [&](const std::string& name) {
           flags.weights = name == "int8"       ? policy::WeightFormat::kInt8
                           : name == "bfloat16" ? policy::WeightFormat::kBfloat16
                                                : policy::WeightFormat::kFloat32;
         },
         "float32, bfloat16 or int8: what the engine keeps and multiplies with")
      ->default_str("float32")
      ->check([](const std::string& name) -> std::string {
        if (name == "float32" || name == "bfloat16" || name == "int8") return "";
        return "\"" + name + "\"; expected float32, bfloat16 or int8";
      });
  app.add_option("--slots", flags.server.slots, "answers decoded at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  app.add_option("--queue", flags.server.max_queued,
                 "prompts that may wait for slots; one more is answered with 429")
      ->capture_default_str()
      ->check(CLI::Range(1, 65536));
  app.add_option("--keep", flags.server.max_kept,
                 "conversations whose keys and values wait for their next turn")
      ->capture_default_str()
      ->check(CLI::Range(0, 65536));
  app.add_option("--max-context-tokens", flags.max_context_tokens,
                 "prompt and answer together; default: as many as the model was made for")
      ->check(CLI::Range(2, 1 << 20));
  app.add_option(
         "--kv-cache-tokens", flags.kv_cache_tokens,
         "keys and values are kept for at most so many tokens; default: slots times context")
      ->check(CLI::Range(int64_t{2}, int64_t{1} << 40));
  app.add_flag(
         "--processed-logprobs", flags.server.processed_logprobs,
         "log-probabilities of the distribution tokens are drawn from (temperature, top_k and "
         "top_p applied), as training needs them; default: the model's own")
      ->default_val(false);
  app.add_option("--request-timeout", flags.request_timeout_seconds,
                 "seconds until a request that is not answered gets 504")
      ->capture_default_str()
      ->check(CLI::Range(1, 86400));
  app.add_option("--metrics-port", flags.metrics_port,
                 "serve /metrics here; 0 picks a port; absent: not served")
      ->check(CLI::Range(0, 65535));
  app.add_option("--log-level", flags.log_level, "debug, info, warning, error, off")
      ->capture_default_str();
  app.footer(
      "Example:\n"
      "  sojourn serve-model models/base --listen 127.0.0.1:8000\n"
      "  curl http://127.0.0.1:8000/v1/chat/completions -H 'Content-Type: application/json' \\\n"
      "    -d '{\"messages\": [{\"role\": \"user\", \"content\": \"hello\"}]}'");
  CLI11_PARSE(app, argc, argv);
  at::set_num_threads(flags.threads);
  const absl::Status status = Run(flags);
  if (!status.ok()) {
    std::fprintf(stderr, "sojourn serve-model: %s\n", std::string(status.message()).c_str());
  }
  return status.ok() ? 0 : 1;
}
