#include "cli/replay.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <iterator>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "envs/alfworld/episode_replay.h"
#include "envs/babyai/episode_replay.h"
#include "envs/babyai/raw_replay.h"
#include "envs/client_replay.h"
#include "envs/recordings.h"
#include "envs/serve/http_replay.h"
#include "envs/textcraft/episode_replay.h"
#include "envs/webshop/episode_replay.h"

namespace sojourn::cli {
namespace {

using nlohmann::json;
using Differences = absl::StatusOr<std::vector<std::string>>;

constexpr size_t kLinesAtOnce = 8;

enum class Format {
  kUnknown,
  kBabyAI,
  kBabyAIRaw,
  kTextCraft,
  kClient,
  kHttp,
  kWebShop,
  kAlfWorld
};

const char* Name(Format format) {
  switch (format) {
    case Format::kBabyAI:
      return "babyai";
    case Format::kBabyAIRaw:
      return "babyai raw";
    case Format::kTextCraft:
      return "textcraft";
    case Format::kClient:
      return "client";
    case Format::kHttp:
      return "http";
    case Format::kWebShop:
      return "webshop";
    case Format::kAlfWorld:
      return "alfworld";
    case Format::kUnknown:
      break;
  }
  return "unknown";
}

bool BeginsWith(const json& value, std::string_view prefix) {
  return value.is_string() && absl::StartsWith(value.get_ref<const std::string&>(), prefix);
}

Format Recognize(const json& line) {
  if (!line.is_object() || line.empty()) return Format::kUnknown;
  const auto has = [&](const char* name) { return line.contains(name); };
  if (has("method") && has("path") && has("response_text")) {
    return Format::kHttp;
  }
  if (has("client")) return Format::kClient;
  if (has("gym_id")) return Format::kBabyAIRaw;
  const json environment = line.value("env", json());
  if (environment == "webshop" || has("session_id") || (has("query") && has("hits"))) {
    return Format::kWebShop;
  }
  if (environment == "alfworld" || (has("game") && has("reset"))) return Format::kAlfWorld;
  if (environment == "babyai") return Format::kBabyAI;
  if (environment == "textcraft") return Format::kTextCraft;
  if (has("data_idx") && has("reset")) {
    const json& reset = line["reset"];
    const json observation = reset.is_object() ? reset.value("observation", json()) : json();
    if (has("tree_recipes") || BeginsWith(observation, "Crafting commands:")) {
      return Format::kTextCraft;
    }
    if (has("level_name") || BeginsWith(observation, "Your goal: ")) return Format::kBabyAI;
  }
  // Tables that belong to recordings: products' prices, and names of ALFWorld's objects.
  const auto all = [&](const auto& holds) {
    return std::all_of(line.items().begin(), line.items().end(), holds);
  };
  if (all([](const auto& item) { return item.key().size() == 10 && item.value().is_number(); })) {
    return Format::kWebShop;
  }
  if (all([](const auto& item) { return absl::EndsWith(item.key(), ".tw-pddl"); })) {
    return Format::kAlfWorld;
  }
  return Format::kUnknown;
}

using Shop = absl::StatusOr<std::shared_ptr<const envs::webshop::Shop>>;

Differences ReplayLine(Format format, const json& line, const envs::alfworld::RecordedGames& games,
                       const Shop& shop) {
  switch (format) {
    case Format::kAlfWorld:
      return envs::alfworld::ReplayEpisode(line, games);
    case Format::kBabyAI:
      return envs::babyai::ReplayEpisode(line);
    case Format::kBabyAIRaw:
      return envs::babyai::ReplayRaw(line);
    case Format::kTextCraft:
      return envs::textcraft::ReplayEpisode(line);
    case Format::kClient:
      return envs::ReplayClientParse(line);
    case Format::kWebShop:
      if (!shop.ok()) return shop.status();
      return envs::webshop::ReplayLine(*shop.value(), line);
    default:
      break;
  }
  std::vector<std::string> fields;
  if (line.is_object()) {
    for (const auto& item : line.items()) fields.push_back(item.key());
    if (fields.size() > 12) fields.resize(12);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "not a recording that this version knows (its fields: ", absl::StrJoin(fields, ", "), ")"));
}

struct Line {
  int64_t number = 0;  // from 1
  std::string text;
};

// A file and what became of it. Several threads replay lines of one file.
struct File {
  std::vector<Line> lines;
  Format format = Format::kUnknown;  // of the first line that is JSON
  envs::alfworld::RecordedGames games;  // of ALFWorld's episodes
  Shop shop = absl::NotFoundError("a line of WebShop in a file that begins with something else");  // of WebShop's sessions
  std::mutex mutex;
  FileReplay result;  // guarded by `mutex` while threads run

  void Differ(int64_t line, std::string text) {
    const std::lock_guard lock(mutex);
    result.differences.push_back({line, std::move(text)});
  }
  void Count(Format format, int64_t lines) {
    const std::lock_guard lock(mutex);
    result.episodes[Name(format)] += lines;
  }
};

json ParseLine(const std::string& text) { return json::parse(text, nullptr, false); }

void Load(File& file) {
  absl::StatusOr<std::string> text = envs::ReadRecordingText(file.result.path);
  if (!text.ok()) {
    file.Differ(0, std::string(text.status().message()));
    return;
  }
  int64_t number = 0;
  for (size_t begin = 0; begin < text->size();) {
    const size_t end = std::min(text->find('\n', begin), text->size());
    ++number;
    std::string line = text->substr(begin, end - begin);
    if (line.find_first_not_of(" \t\r") != std::string::npos) {
      file.lines.push_back({number, std::move(line)});
    }
    begin = end + 1;
  }
  if (file.lines.empty()) {
    file.Differ(0, "the file holds no lines");
    return;
  }
  for (const Line& line : file.lines) {
    const json parsed = ParseLine(line.text);
    if (parsed.is_discarded()) continue;
    file.format = Recognize(parsed);
    break;
  }
  if (file.format == Format::kUnknown) {
    // Some tables are one JSON text over many lines.
    const json whole = ParseLine(*text);
    if (whole.is_discarded()) return;
    file.format = Recognize(whole);
    file.lines = {{1, *std::move(text)}};
  }
  if (file.format == Format::kAlfWorld) {
    file.games = envs::alfworld::RecordedGames::Beside(file.result.path);
  }
  if (file.format == Format::kWebShop) file.shop = envs::webshop::ShopOfRecording(file.result.path);
}

void ReplayConversation(File& file) {
  std::string_view server;
  std::vector<std::string> texts;
  for (const Line& line : file.lines) {
    texts.push_back(line.text);
    const json parsed = ParseLine(line.text);
    if (parsed.is_discarded()) continue;
    if (server.empty()) server = envs::serve::ServerOf(parsed);
  }
  file.Count(Format::kHttp, 1);
  if (server.empty()) {
    file.Differ(0, "requests to a server that shows nothing of BabyAI, TextCraft or WebShop");
    return;
  }
  std::shared_ptr<const envs::webshop::Shop> shop;
  if (server == "webshop") {
    Shop found = envs::webshop::ShopOfRecording(file.result.path);
    if (!found.ok()) {
      file.Differ(0, std::string(found.status().message()));
      return;
    }
    shop = *std::move(found);
  }
  const auto differences = envs::serve::ReplayHttp(server, texts, shop);
  if (!differences.ok()) {
    file.Differ(0, std::string(differences.status().message()));
    return;
  }
  for (const auto& difference : *differences) {
    file.Differ(file.lines[difference.line].number, difference.text);
  }
}

void ReplayLineOf(File& file, const Line& line) {
  const json parsed = ParseLine(line.text);
  if (parsed.is_discarded()) {
    file.Differ(line.number, "not JSON");
    return;
  }
  const Format format = Recognize(parsed);
  if (format != Format::kUnknown) file.Count(format, 1);
  Differences differences = absl::UnknownError("");
  try {
    differences = ReplayLine(format, parsed, file.games, file.shop);
  } catch (const std::exception& error) {  // a field that holds what no recording holds
    differences = absl::InvalidArgumentError(absl::StrCat("a broken line: ", error.what()));
  }
  if (!differences.ok()) {
    file.Differ(line.number, std::string(differences.status().message()));
    return;
  }
  for (const std::string& difference : *differences) file.Differ(line.number, difference);
}

// Runs work(0) ... work(count - 1) on `threads` threads and `wait` on this one until they are done.
void InParallel(int threads, size_t count, const std::function<void(size_t)>& work,
                const std::function<void()>& wait) {
  std::atomic<size_t> next = 0, finished = 0;
  std::vector<std::thread> pool;
  for (int i = 0; i < threads; ++i) {
    pool.emplace_back([&] {
      for (size_t item = next++; item < count; item = next++) work(item);
      ++finished;
    });
  }
  while (finished < pool.size()) wait();
  for (std::thread& thread : pool) thread.join();
}

}  // namespace

std::vector<FileReplay> ReplayFiles(const std::vector<std::string>& paths, int threads,
                                    const ReplayProgress& progress) {
  std::vector<File> files(paths.size());
  for (size_t i = 0; i < paths.size(); ++i) files[i].result.path = paths[i];
  const auto sleep = [] { absl::SleepFor(absl::Milliseconds(2)); };
  InParallel(
      threads, files.size(), [&](size_t i) { Load(files[i]); }, sleep);

  struct Item {
    File* file;
    size_t begin, end;
  };
  std::vector<Item> items;
  int64_t total = 0;
  std::atomic<int64_t> done = 0;
  for (File& file : files) {
    const size_t size = file.lines.size();
    const size_t step = file.format == Format::kHttp ? size : kLinesAtOnce;
    for (size_t begin = 0; begin < size; begin += step) {
      items.push_back({&file, begin, std::min(size, begin + step)});
    }
    total += size;
  }
  const auto work = [&](size_t i) {
    const Item& item = items[i];
    if (item.file->format == Format::kHttp) {
      ReplayConversation(*item.file);
    } else {
      for (size_t line = item.begin; line < item.end; ++line) {
        ReplayLineOf(*item.file, item.file->lines[line]);
      }
    }
    done += item.end - item.begin;
  };
  InParallel(threads, items.size(), work, [&] {
    progress(done, total);
    sleep();
  });
  progress(total, total);

  std::vector<FileReplay> results;
  for (File& file : files) {
    std::stable_sort(file.result.differences.begin(), file.result.differences.end(),
                     [](const auto& a, const auto& b) { return a.line < b.line; });
    results.push_back(std::move(file.result));
  }
  return results;
}

}  // namespace sojourn::cli
