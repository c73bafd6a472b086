// sojourn data make: writes made-up games, products, passages and questions in the forms of real data.
#include <cstdio>
#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/bar.h"
#include "cli/command.h"
#include "envs/alfworld/game_writer.h"
#include "envs/searchqa/library.h"
#include "envs/searchqa/world.h"
#include "envs/webshop/data_files.h"
#include "envs/webshop/generator.h"

namespace sojourn::cli {
namespace {

struct Arguments {
  std::string folder;
  uint64_t seed = 0;
  int receptacles = 20;
  int64_t games = 10;
  int products = envs::webshop::kDefaultProducts;
  uint32_t passages = 8000;
  int64_t questions = 10000;
};

// Nothing of somebody's is written over.
absl::Status CheckFolder(const std::string& folder) {
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) return absl::OkStatus();
  if (std::filesystem::is_directory(folder, error) && std::filesystem::is_empty(folder, error)) {
    return absl::OkStatus();
  }
  return absl::AlreadyExistsError(
      absl::StrCat(folder, ": is there; expected a new or an empty folder"));
}

int MakeGames(const Arguments& a) {
  const absl::Status status = envs::alfworld::WriteGames(a.folder, a.seed, a.receptacles, a.games);
  if (!status.ok()) return Fail(status);
  std::printf("%s: train, valid_unseen: %lld games of each of six kinds\n", a.folder.c_str(),
              static_cast<long long>(a.games));
  return 0;
}

int MakeShop(const Arguments& a) {
  const absl::Status status =
      envs::webshop::WriteData(a.folder, envs::webshop::MakeProducts(a.seed, a.products));
  if (!status.ok()) return Fail(status);
  std::printf("%s: %d products and their instructions\n", a.folder.c_str(), a.products);
  return 0;
}

int MakeWorld(const Arguments& a) {
  {
    Bar bar;
    const absl::Status written =
        envs::searchqa::WriteWorld(a.folder, a.seed, a.passages, a.questions,
                                   [&](double done) { return bar.Show("writing", done); });
    if (!written.ok()) return Fail(written);
  }
  std::printf("%s: corpus.jsonl, train.jsonl, test.jsonl\n", a.folder.c_str());
  return 0;
}

}  // namespace

void AddDataMake(CLI::App& data, Action& action) {
  CLI::App* make = data.add_subcommand(
      "make", "Write made-up games, products, passages and questions in the forms of real data");
  make->require_subcommand(1);
  const auto add = [&](const char* environment, const char* what, int (*run)(const Arguments&),
                       const char* example) {
    auto a = std::make_shared<Arguments>();
    CLI::App* command = make->add_subcommand(environment, what);
    command->add_option("FOLDER", a->folder, "where to; it serves as option data=FOLDER")->required();
    command->add_option("--seed", a->seed, "of what is made up")->capture_default_str();
    command->footer(std::string("Example:\n  sojourn data make ") + example);
    command->callback([a, run, &action] {
      action = [a, run] {
        const absl::Status folder = CheckFolder(a->folder);
        return folder.ok() ? run(*a) : Fail(folder);
      };
    });
    return std::pair(command, a);
  };
  {
    const auto [command, a] =
        add("alfworld", "Games as ALFWorld's files: the tasks that the environment makes of the seed",
            MakeGames, "alfworld data/alfworld --games 100");
    command->add_option("--games", a->games, "of each split and kind of task")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    command->add_option("--receptacles", a->receptacles, "a household has at most")
        ->check(CLI::Range(envs::alfworld::kFewestReceptacles, envs::alfworld::kMostReceptacles))
        ->capture_default_str();
  }
  {
    const auto [command, a] =
        add("searchqa", "Two worlds, one for each split: passages and questions of 1 to 3 hops", MakeWorld,
            "searchqa data/searchqa --passages 100000");
    command->add_option("--passages", a->passages, "of each split")
        ->check(CLI::Range(envs::searchqa::kFewestPassages, envs::searchqa::kMostPassages))
        ->capture_default_str();
    command->add_option("--questions", a->questions, "of each split and number of hops, at most")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
  }
  {
    const auto [command, a] = add("webshop", "A shop as WebShop's files: products and instructions", MakeShop,
                                  "webshop data/webshop --products 10000");
    command->add_option("--products", a->products, "how many")
        ->check(CLI::Range(envs::webshop::kFewestProducts, envs::webshop::kMostProducts))
        ->capture_default_str();
  }
}

}  // namespace sojourn::cli
