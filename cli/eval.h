// Measuring a model on environments' tasks, as a job without stages: what `sojourn eval` and
// `sojourn difficulty` have in common.
#ifndef SOJOURN_CLI_EVAL_H_
#define SOJOURN_CLI_EVAL_H_

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "sojourn/v1/job.pb.h"

namespace sojourn::cli {

struct EvalArguments {
  std::string model, weights, device, endpoint, tokenizer, key_variable, split = "test";
  std::vector<std::string> columns, variants;
  uint32_t tasks = 100, samples = 1, max_turns = 0, max_turn_tokens = 64, context = 0, slots = 64;
  uint32_t threads = std::max(1u, std::thread::hardware_concurrency());
  uint64_t seed = 1;
  double temperature = 1, top_p = 1, timeout = 300, patience = 120;
  bool no_greedy = false, random = false, instructions = false, json = false;
};

// The options of the model, the columns and the sampling; defaults are what `arguments` holds.
void AddEvalOptions(CLI::App* command, const std::shared_ptr<EvalArguments>& arguments);

// Environments and columns: `config`'s seed, rollout, evaluation and environments. No policy.
absl::Status SetColumns(const EvalArguments& arguments, v1::JobConfig* config);

// Runs the job and calls `show` with its results. Returns the exit status, as RunJob.
int RunEval(const EvalArguments& arguments, const std::function<int(const v1::Results&)>& show);

}  // namespace sojourn::cli

#endif  // SOJOURN_CLI_EVAL_H_
