// sojourn serve-model: a model behind OpenAI's API. The work is sojourn-serve's, which links
// LibTorch and has the options.
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "cli/child_process.h"
#include "cli/command.h"

namespace sojourn::cli {

void AddServeModel(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("serve-model", "Answer OpenAI-compatible requests with a model");
  command->prefix_command();  // everything after the name is sojourn-serve's
  command->set_help_flag();   // --help too
  command->callback([command, &action] {
    action = [command] {
      const auto program = SiblingProgram("sojourn-serve");
      if (!program.ok()) return Fail(program.status());
      std::vector<std::string> arguments = command->remaining();
      std::vector<char*> argv = {const_cast<char*>(program->c_str())};
      for (std::string& argument : arguments) argv.push_back(argument.data());
      argv.push_back(nullptr);
      execv(program->c_str(), argv.data());
      return Fail(absl::ErrnoToStatus(errno, absl::StrCat("starting ", *program)));
    };
  });
}

}  // namespace sojourn::cli
