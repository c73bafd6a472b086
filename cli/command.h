// The subcommands of `sojourn`: each file adds its own to the parser and runs it.
#ifndef SOJOURN_CLI_COMMAND_H_
#define SOJOURN_CLI_COMMAND_H_

#include <CLI/CLI.hpp>
#include <functional>

#include "absl/status/status.h"

namespace sojourn::cli {

// What a chosen subcommand does once its arguments are parsed; the result is the exit status.
using Action = std::function<int()>;

void AddRun(CLI::App& app, Action& action);          // run.cc
void AddJobs(CLI::App& app, Action& action);         // jobs.cc: submit, jobs, watch, cancel, pause, resume, report
void AddPlay(CLI::App& app, Action& action);         // play.cc
void AddConformance(CLI::App& app, Action& action);  // conformance.cc
void AddEval(CLI::App& app, Action& action);         // eval.cc
void AddData(CLI::App& app, Action& action);         // data.cc
void AddDataMake(CLI::App& data, Action& action);    // data_make.cc, part of it
void AddDifficulty(CLI::App& app, Action& action);   // difficulty.cc
void AddIndex(CLI::App& app, Action& action);        // index.cc
void AddServeEnvs(CLI::App& app, Action& action);    // serve_envs.cc
void AddSft(CLI::App& app, Action& action);          // sft.cc
void AddPrograms(CLI::App& app, Action& action);     // programs.cc: serve-model, export

// Prints `sojourn: MESSAGE` to standard error; returns 1.
int Fail(const absl::Status& status);

}  // namespace sojourn::cli

#endif  // SOJOURN_CLI_COMMAND_H_
