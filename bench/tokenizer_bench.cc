// The tokenizer's half of bench/tokenizer.
//
//   tokenizer_bench observations       texts of our environments' episodes, as a JSON list
//   tokenizer_bench encode FILE        reads a JSON list of texts, encodes them with a
//   tokenizer.json;
//                                      one warm-up, then the fastest of several passes as JSON
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "envs/environment.h"
#include "policy/tokenizer.h"

namespace sojourn {
namespace {

using nlohmann::json;

constexpr int kTasks = 20;  // of each environment
constexpr int kTurns = 15;
constexpr int kPasses = 5;

int Fail(const absl::Status& status) {
  std::cerr << status.message() << "\n";
  return 1;
}

int Observations() {
  json texts = json::array();
  for (const std::string& name : envs::Names()) {
    const auto environment = envs::Make(name);
    if (!environment.ok()) return Fail(environment.status());
    const auto instance = (*environment)->NewInstance();
    for (int task = 0; task < kTasks; ++task) {
      auto turn = instance->Reset(
          {.difficulty = (*environment)->spec().difficulties.front().difficulty, .index = task});
      for (int i = 0; turn.ok() && !turn->done && i < kTurns; ++i) {
        texts.push_back(turn->observation);
        const auto advice = instance->Expert();
        turn = instance->Step(advice.ok() ? advice->action : instance->ValidActions().front());
      }
      if (!turn.ok()) return Fail(turn.status());
    }
  }
  std::cout << texts.dump() << "\n";
  return 0;
}

int Encode(const std::string& path) {
  const auto tokenizer = policy::Tokenizer::Load(path);
  if (!tokenizer.ok()) return Fail(tokenizer.status());
  const std::vector<std::string> texts = json::parse(std::cin);
  double best = 0;
  size_t tokens = 0;
  uint64_t checksum = 0;
  for (int pass = -1; pass < kPasses; ++pass) {
    tokens = checksum = 0;
    const auto begin = std::chrono::steady_clock::now();
    for (const std::string& text : texts) {
      const std::vector<int32_t> ids = (*tokenizer)->Encode(text);
      tokens += ids.size();
      for (const int32_t id : ids) checksum = (checksum * 31 + id) % 1000000007;
    }
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (pass >= 0 && (best == 0 || seconds < best)) best = seconds;
  }
  std::cout << json{{"seconds", best}, {"tokens", tokens}, {"checksum", checksum}}.dump() << "\n";
  return 0;
}

}  // namespace
}  // namespace sojourn

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "observations" && argc == 2) return sojourn::Observations();
  if (what == "encode" && argc == 3) return sojourn::Encode(argv[2]);
  std::cerr << "usage: tokenizer_bench observations | encode TOKENIZER_JSON < TEXTS_JSON\n";
  return 2;
}
