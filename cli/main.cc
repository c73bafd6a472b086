// sojourn: the user's command line. It starts, asks and shows; the work is done by other processes.
#include <cstdio>

#include "cli/command.h"
#include "common/shutdown.h"

namespace sojourn::cli {

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "sojourn: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace sojourn::cli

int main(int argc, char** argv) {
  sojourn::InstallShutdown();
  CLI::App app(
      "Trains language-model agents with reinforcement learning on several text environments,\n"
      "one after another or as a mixture, and measures what that does to every environment.",
      "sojourn");
  app.require_subcommand(1);
  app.set_version_flag("--version", "sojourn 0.1.0");
  app.footer(
      "Examples:\n"
      "  sojourn run configs/quickstart.yaml          everything on this machine, as child processes\n"
      "  sojourn play babyai --difficulty 3           play a task yourself\n"
      "  sojourn jobs --coordinator HOST:PORT         what a running coordinator has\n"
      "`sojourn SUBCOMMAND --help` explains one subcommand.");
  sojourn::cli::Action action;
  sojourn::cli::AddRun(app, action);
  sojourn::cli::AddJobs(app, action);
  sojourn::cli::AddPlay(app, action);
  sojourn::cli::AddConformance(app, action);
  sojourn::cli::AddEval(app, action);
  sojourn::cli::AddDifficulty(app, action);
  sojourn::cli::AddData(app, action);
  sojourn::cli::AddIndex(app, action);
  sojourn::cli::AddServeEnvs(app, action);
  sojourn::cli::AddSft(app, action);
  sojourn::cli::AddPrograms(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    return action();
  } catch (const std::exception& fault) {  // of the standard library: a file system's, or no memory left
    return sojourn::cli::Fail(absl::InternalError(fault.what()));
  }
}
