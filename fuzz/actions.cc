// The first byte chooses an environment, the second a task; the rest are actions, one a line.
#include <map>

#include "absl/strings/str_split.h"
#include "envs/environment.h"
#include "envs/react.h"
#include "envs/variants/formats.h"

namespace {

using namespace sojourn::envs;

struct Player {
  std::unique_ptr<Environment> environment;
  std::unique_ptr<Instance> instance;
};

std::vector<Player>& Players() {
  static auto& players = *[] {
    auto* made = new std::vector<Player>;
    for (const std::string& name : Names()) {
      auto environment = Make(name);
      if (!environment.ok()) continue;  // one that needs more than its name: a remote one
      auto instance = (*environment)->NewInstance();
      made->push_back({*std::move(environment), std::move(instance)});
      auto varied = Make(name, {{"variants", "verbs+paraphrase+shuffle+chatter"}});
      if (!varied.ok()) continue;  // it tells variants nothing of its texts
      instance = (*varied)->NewInstance();
      made->push_back({*std::move(varied), std::move(instance)});
    }
    return made;
  }();
  return players;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  (void)ParseAction(input);
  for (const char* form : {"line", "json", "tags"}) (void)variants::FindFormat(form)->read(input);
  if (size < 2) return 0;
  Player& player = Players()[data[0] % Players().size()];
  const auto& difficulties = player.environment->spec().difficulties;
  auto turn = player.instance->Reset({.difficulty = difficulties[data[1] % difficulties.size()].difficulty, .index = data[1]});
  if (!turn.ok()) __builtin_trap();
  int left = 20;
  for (const absl::string_view line : absl::StrSplit(absl::string_view(input.data() + 2, size - 2), '\n')) {
    if (turn->done || left-- == 0) break;
    turn = player.instance->Step({line.data(), line.size()});
    if (!turn.ok()) __builtin_trap();  // no text is an error
    if (!turn->done && player.instance->ValidActions().empty()) __builtin_trap();
  }
  return 0;
}
