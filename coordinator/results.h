// What was measured, as a report: the transfer matrix with intervals and the continual-learning
// measures. Needs no RPC, so that the command line builds the same report from the same Results.
#ifndef SOJOURN_COORDINATOR_RESULTS_H_
#define SOJOURN_COORDINATOR_RESULTS_H_

#include <nlohmann/json.hpp>
#include <optional>

#include "sojourn/v1/job.pb.h"

namespace sojourn::coordinator {

// Continual-learning measures of an arm, from R[i][j]: success on what stage j trained, after stage
// i; R[0] is before training, T the number of stages. What stage j trained are the cells of
// test tasks without a variant of its environments, at the difficulties it drew from (at all
// difficulties where none of those is measured); cells count equally within an environment,
// environments equally within a stage. A measure is missing until the arm has ended, or when it has
// no term (T = 1).
struct Measures {
  std::optional<double> average_accuracy;   // ACC = mean over j of R[T][j]
  std::optional<double> backward_transfer;  // BWT = mean over j < T of R[T][j] - R[j][j]
  std::optional<double> forward_transfer;   // FWT = mean over j > 1 of R[j-1][j] - R[0][j]
  std::optional<double>
      forgetting;  // mean over j < T of max over i < T (0 included) of R[i][j] - R[T][j]
};
// `greedy`: of the greedy episodes' success instead of the sampled ones'.
Measures ComputeMeasures(const v1::Arm& arm, const v1::ArmResults& results, bool greedy);

// {"job": {...}, "arms": [{"name", "trained", "final_weights_sha256", "final_model",
//   "matrix": [{"row", "cells": [{"environment", "difficulty", "variant", "split", "tasks",
//     "episodes", "success", "ci95": [low, high], "pass_at_k": [{"k", "success", "ci95"}],
//     "greedy_success", "greedy_ci95", "progress", "truncated", "turns", "tokens",
//     "response_tokens", "invalid_actions", "repeated_failures", "delta", "delta_ci95",
//     "greedy_delta", "failed_episodes", "error", "samples": [...]}]}],
//   "measures": {"ACC", "BWT", "FWT", "forgetting"}, "greedy_measures": {...}, "updates": [...]}]}
// progress (0..1, at the end), turns and tokens (generated) are means over sampled episodes,
// truncated is a share of them; response_tokens is a mean over turns, invalid_actions and
// repeated_failures are shares of turns; failed_episodes counts those, sampled or greedy, whose
// environment failed for good (without success), error is the first one's; pass_at_k (statistics.h)
// is there where tasks have several episodes; delta is success minus the "before" row's, its
// interval from the same tasks' differences. What is not known is null or left out; numbers that
// are there are numbers.
nlohmann::json BuildReport(const v1::Results& results);

// One update as a line of metrics.jsonl (without the newline).
nlohmann::json UpdateJson(const v1::UpdateRecord& record);

}  // namespace sojourn::coordinator

#endif  // SOJOURN_COORDINATOR_RESULTS_H_
