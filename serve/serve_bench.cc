// Throughput of a running `sojourn serve-model` under clients that each send one chat after
// another: serve_bench HOST:PORT --clients 16 --seconds 20 --max-tokens 128
#include <httplib.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace {

using nlohmann::json;

struct Flags {
  std::string address, content = "Tell me about the weather in a few sentences.";
  int clients = 16, seconds = 20, max_tokens = 128, repeat_content = 1;
  bool ignore_eos = true, stream = false;
};

struct Counts {
  std::mutex mutex;
  int64_t answers = 0, tokens = 0, prompt_tokens = 0, refused = 0, failed = 0;
  std::vector<double> seconds, first;
};

void Ask(const Flags& flags, int client, absl::Time end, Counts& counts) {
  httplib::Client http(flags.address);
  http.set_keep_alive(true);
  http.set_tcp_nodelay(true);
  http.set_read_timeout(600);
  std::string content;
  for (int i = 0; i < flags.repeat_content; ++i) absl::StrAppend(&content, flags.content, " ");
  json body = {{"messages", {{{"role", "user"}, {"content", content}}}},
               {"max_tokens", flags.max_tokens},
               {"ignore_eos", flags.ignore_eos}};
  if (flags.stream) {
    body["stream"] = true;
    body["stream_options"] = {{"include_usage", true}};
  }
  for (int n = 0; absl::Now() < end; ++n) {
    body["seed"] = client * 1'000'000 + n;
    const absl::Time begin = absl::Now();
    httplib::Request request;
    request.method = "POST";
    request.path = "/v1/chat/completions";
    request.set_header("Content-Type", "application/json");
    request.body = body.dump();
    std::string answer;
    absl::Time first = absl::InfiniteFuture();
    request.content_receiver = [&](const char* data, size_t size, uint64_t, uint64_t) {
      first = std::min(first, absl::Now());
      answer.append(data, size);
      return true;
    };
    const auto result = http.send(request);
    const absl::Time done = absl::Now();
    std::lock_guard lock(counts.mutex);
    if (!result || result->status != 200) {
      ++(result && result->status == 429 ? counts.refused : counts.failed);
      continue;
    }
    if (flags.stream) {  // the last event but [DONE] has the usage
      const size_t at = answer.rfind("data: {");
      answer = answer.substr(at + 6, answer.find("\n\n", at) - at - 6);
    }
    const json usage = json::parse(answer, nullptr, false)["usage"];
    ++counts.answers;
    counts.tokens += usage["completion_tokens"].get<int64_t>();
    counts.prompt_tokens += usage["prompt_tokens"].get<int64_t>();
    counts.seconds.push_back(absl::ToDoubleSeconds(done - begin));
    counts.first.push_back(absl::ToDoubleSeconds(first - begin));
  }
}

double Quantile(std::vector<double>& values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(q * values.size()))];
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Measures a running `sojourn serve-model`.");
  app.add_option("ADDRESS", flags.address, "HOST:PORT")->required();
  app.add_option("--clients", flags.clients, "at once, each asking again when it is answered")
      ->capture_default_str();
  app.add_option("--seconds", flags.seconds, "")->capture_default_str();
  app.add_option("--max-tokens", flags.max_tokens, "of an answer")->capture_default_str();
  app.add_option("--content", flags.content, "what every client says")->capture_default_str();
  app.add_option("--repeat-content", flags.repeat_content, "so often in one message")
      ->capture_default_str();
  app.add_flag("--stream", flags.stream, "answers as events");
  app.add_flag("--eos{false}", flags.ignore_eos, "the model may end its answers");
  CLI11_PARSE(app, argc, argv);
  Counts counts;
  const absl::Time start = absl::Now(), end = start + absl::Seconds(flags.seconds);
  std::vector<std::thread> threads;
  for (int client = 0; client < flags.clients; ++client) {
    threads.emplace_back([&, client] { Ask(flags, client, end, counts); });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  std::printf(
      "%d clients, %.1f s: %.1f answers/s, %.0f tokens/s generated, %.0f prompt tokens/s; "
      "answer p50 %.3f s, p99 %.3f s; first byte p50 %.3f s; refused %lld, failed %lld\n",
      flags.clients, seconds, static_cast<double>(counts.answers) / seconds,
      static_cast<double>(counts.tokens) / seconds,
      static_cast<double>(counts.prompt_tokens) / seconds, Quantile(counts.seconds, 0.5),
      Quantile(counts.seconds, 0.99), Quantile(counts.first, 0.5),
      static_cast<long long>(counts.refused), static_cast<long long>(counts.failed));
  return counts.failed == 0 ? 0 : 1;
}
