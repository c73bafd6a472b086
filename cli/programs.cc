// Subcommands whose work is another program's, which links LibTorch and has the options.
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "cli/child_process.h"
#include "cli/command.h"

namespace sojourn::cli {
namespace {

void Add(CLI::App& app, Action& action, const char* name, const char* program, const char* help) {
  CLI::App* command = app.add_subcommand(name, help);
  command->prefix_command();  // everything after the name is the program's
  command->set_help_flag();   // --help too
  command->callback([command, program, &action] {
    action = [command, program] {
      const auto path = SiblingProgram(program);
      if (!path.ok()) return Fail(path.status());
      std::vector<std::string> arguments = command->remaining();
      std::vector<char*> argv = {const_cast<char*>(path->c_str())};
      for (std::string& argument : arguments) argv.push_back(argument.data());
      argv.push_back(nullptr);
      execv(path->c_str(), argv.data());
      return Fail(absl::ErrnoToStatus(errno, absl::StrCat("starting ", *path)));
    };
  });
}

}  // namespace

void AddPrograms(CLI::App& app, Action& action) {
  Add(app, action, "serve-model", "sojourn-serve", "Answer OpenAI-compatible requests with a model");
  Add(app, action, "export", "sojourn-export", "Write a model as a Hugging Face directory");
}

}  // namespace sojourn::cli
