// sojourn conformance: replays recordings of the original environments and says what differs.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "cli/replay.h"

namespace sojourn::cli {
namespace {

struct Arguments {
  std::vector<std::string> files;
  int show = 10;
  bool json = false;
};

int64_t Sum(const std::map<std::string, int64_t>& counts) {
  int64_t sum = 0;
  for (const auto& [name, count] : counts) sum += count;
  return sum;
}

// A bar that is drawn again at every tenth of a percent, on a terminal only.
class Bar {
 public:
  void Show(int64_t done, int64_t total) {
    if (!terminal_ || total == 0) return;
    const int64_t permille = done * 1000 / total;
    if (permille == shown_) return;
    shown_ = permille;
    constexpr int kWidth = 40;
    const int full = static_cast<int>(done * kWidth / total);
    std::fprintf(stderr, "\r\033[Kreplaying [%s%s] %ld/%ld lines", std::string(full, '#').c_str(),
                 std::string(kWidth - full, '.').c_str(), static_cast<long>(done),
                 static_cast<long>(total));
    std::fflush(stderr);
  }
  ~Bar() {
    if (shown_ >= 0) std::fprintf(stderr, "\r\033[K");
  }

 private:
  const bool terminal_ = IsTerminal(stderr);
  int64_t shown_ = -1;
};

std::string Where(const FileReplay& file, const FileReplay::Difference& difference) {
  return difference.line == 0 ? file.path : absl::StrCat(file.path, ":", difference.line);
}

void PrintText(const std::vector<FileReplay>& files, size_t show, int64_t episodes,
               int64_t differences) {
  for (const FileReplay& file : files) {
    if (!file.episodes.empty() || !file.differences.empty()) {
      std::printf("%s: %s, %zu differences\n", file.path.c_str(),
                  file.episodes.empty()
                      ? "nothing replayed"
                      : absl::StrJoin(file.episodes, ", ",
                                      [](std::string* out, const auto& format) {
                                        absl::StrAppend(out, format.second, " ", format.first);
                                      })
                            .c_str(),
                  file.differences.size());
    }
    for (size_t i = 0; i < std::min(show, file.differences.size()); ++i) {
      std::printf("  %s: %s\n", Where(file, file.differences[i]).c_str(),
                  file.differences[i].text.c_str());
    }
    if (file.differences.size() > show) {
      std::printf("  ... and %zu more\n", file.differences.size() - show);
    }
  }
  std::printf("%ld episodes, %ld differences\n", static_cast<long>(episodes),
              static_cast<long>(differences));
}

void PrintJson(const std::vector<FileReplay>& files, size_t show, int64_t episodes,
               int64_t differences) {
  nlohmann::json list = nlohmann::json::array();
  for (const FileReplay& file : files) {
    nlohmann::json shown = nlohmann::json::array();
    for (size_t i = 0; i < std::min(show, file.differences.size()); ++i) {
      shown.push_back({{"line", file.differences[i].line}, {"text", file.differences[i].text}});
    }
    list.push_back({{"file", file.path},
                    {"episodes", file.episodes},
                    {"differences", file.differences.size()},
                    {"first_differences", shown}});
  }
  const nlohmann::json all = {
      {"files", list}, {"episodes", episodes}, {"differences", differences}};
  std::printf("%s\n", all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

int Conformance(const Arguments& a) {
  std::vector<FileReplay> files;
  {
    Bar bar;
    const int threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    files =
        ReplayFiles(a.files, threads, [&](int64_t done, int64_t total) { bar.Show(done, total); });
  }
  int64_t episodes = 0, differences = 0;
  for (const FileReplay& file : files) {
    episodes += Sum(file.episodes);
    differences += static_cast<int64_t>(file.differences.size());
  }
  (a.json ? PrintJson : PrintText)(files, a.show, episodes, differences);
  return differences == 0 ? 0 : 1;
}

}  // namespace

void AddConformance(CLI::App& app, Action& action) {
  auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand(
      "conformance", "Replay recordings of the original environments; says what differs");
  command->add_option("FILE", a->files, "JSON lines, bare or packed (.xz)")->required();
  command->add_option("--show", a->show, "how many differences to show of each file")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_flag("--json", a->json, "print JSON");
  command->footer(
      "Ends with `N episodes, D differences`; the exit status is 1 when D is not 0. A "
      "conversation\n"
      "with an HTTP server is one episode; any other line is one.\n"
      "Example:\n"
      "  sojourn conformance ../shared/data/conformance/agentgym/*.xz");
  command->callback([a, &action] { action = [a] { return Conformance(*a); }; });
}

}  // namespace sojourn::cli
