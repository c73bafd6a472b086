// Runs a fuzz target without libFuzzer: every seed as it is, and mutations of it, the same each time.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "common/files.h"
#include "common/random.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr int kMutations = 1000;  // of each seed, or fewer of large ones
constexpr size_t kMostBytes = 64 << 20;

void Run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

std::string Mutate(std::string input, const std::vector<std::string>& seeds, sojourn::Random& random) {
  const int changes = 1 + static_cast<int>(random.Below(4));
  for (int i = 0; i < changes; ++i) {
    const size_t at = random.Below(input.size() + 1);
    const std::string& other = seeds[random.Below(seeds.size())];
    switch (random.Below(6)) {
      case 0:
        input.resize(at);
        break;
      case 1:
        if (at < input.size()) input[at] = static_cast<char>(random.Below(256));
        break;
      case 2:
        if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << random.Below(8)));
        break;
      case 3:
        input.erase(at, random.Below(16));
        break;
      case 4:
        input.insert(at, random.Below(64), at < input.size() ? input[at] : '[');
        break;
      default: {
        const size_t from = random.Below(other.size() + 1);
        input.insert(at, other.substr(from, random.Below(64)));
      }
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> seeds;
  for (int i = 1; i < argc; ++i) {
    std::vector<std::string> paths = {argv[i]};
    if (std::filesystem::is_directory(argv[i])) {
      paths.clear();
      for (const auto& entry : std::filesystem::directory_iterator(argv[i])) paths.push_back(entry.path().string());
      std::sort(paths.begin(), paths.end());
    }
    for (const std::string& path : paths) {
      const auto text = sojourn::ReadFile(path);
      if (!text.ok()) {
        std::fprintf(stderr, "%s\n", std::string(text.status().message()).c_str());
        return 1;
      }
      seeds.push_back(*text);
    }
  }
  if (seeds.empty()) {
    std::fprintf(stderr, "no seeds\n");
    return 1;
  }
  int64_t runs = 0;
  Run("");
  for (size_t s = 0; s < seeds.size(); ++s) {
    Run(seeds[s]);
    const int mutations = static_cast<int>(std::min<size_t>(kMutations, kMostBytes / (seeds[s].size() + 1)));
    for (int m = 0; m < mutations; ++m, ++runs) {
      sojourn::Random random(sojourn::RandomKey(1).With("fuzz").With(s).With(m));
      Run(Mutate(seeds[s], seeds, random));
    }
  }
  std::printf("%zu seeds, %lld mutations\n", seeds.size(), static_cast<long long>(runs));
  return 0;
}
