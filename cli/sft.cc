// sojourn sft: makes a starting policy from demonstrations. The work is sojourn-sft's, which links LibTorch.
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "cli/child_process.h"
#include "cli/command.h"

namespace sojourn::cli {

void AddSft(CLI::App& app, Action& action) {
  struct Arguments {
    std::string config, out, threads = "1";
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("sft", "Make a starting policy: clone it from demonstrators of the environments");
  command->add_option("CONFIG", a->config, "a YAML file such as configs/base-model.yaml")->required();
  command->add_option("--out", a->out, "the model directory to write")->required();
  command->add_option("--threads", a->threads, "of arithmetic; the weights are reproducible for the same number")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command->footer("Examples:\n"
                  "  sojourn sft configs/base-model.yaml --out models/mine\n"
                  "  sojourn sft configs/smollm2-warm.yaml --out models/smollm2-warm --threads 2");
  command->callback([a, &action] {
    action = [a] {
      const auto program = SiblingProgram("sojourn-sft");
      if (!program.ok()) return Fail(program.status());
      execl(program->c_str(), program->c_str(), a->config.c_str(), "--out", a->out.c_str(), "--threads", a->threads.c_str(),
            nullptr);
      return Fail(absl::ErrnoToStatus(errno, absl::StrCat("starting ", *program)));
    };
  });
}

}  // namespace sojourn::cli
