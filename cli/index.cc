// sojourn index: the passage index that the environment searchqa searches.
#include <cstdio>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/bar.h"
#include "cli/command.h"
#include "envs/searchqa/corpus.h"
#include "envs/searchqa/game.h"
#include "envs/searchqa/index_builder.h"
#include "envs/searchqa/library.h"
#include "envs/searchqa/passage_index.h"

namespace sojourn::cli {
namespace {

using envs::searchqa::Faults;
using envs::searchqa::IndexBuilder;
using envs::searchqa::PassageIndex;

struct Arguments {
  std::string input, out, query;
  bool check = false;
  int memory_mb = 1024, results = envs::searchqa::kAgentGymResults;
};

// An index may replace an index, and nothing else that somebody needs.
absl::Status CheckOut(const std::string& out) {
  if (out.empty()) return absl::InvalidArgumentError("--out: say where the index should go");
  std::error_code error;
  if (!std::filesystem::exists(out, error)) return absl::OkStatus();
  if (std::filesystem::is_directory(out, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--out: ", out, " is a directory; expected the file to write"));
  }
  if (std::filesystem::file_size(out, error) == 0 || envs::searchqa::BeginsLikeAnIndex(out)) {
    return absl::OkStatus();
  }
  return absl::AlreadyExistsError(absl::StrCat(
      "--out: ", out, " is there and no passage index; remove it or name another file"));
}

int Build(const Arguments& a) {
  if (absl::Status out = CheckOut(a.out); !out.ok()) return Fail(out);
  Faults faults;
  uint32_t passages = 0;
  {
    Bar bar;
    auto builder = IndexBuilder::ToFile(a.out, static_cast<size_t>(a.memory_mb) << 20);
    if (!builder.ok()) return Fail(builder.status());
    if (absl::Status added = AddCorpus(a.input, **builder, &faults,
                                       [&](double done) { return bar.Show("reading", done); });
        !added.ok()) {
      return Fail(added);
    }
    passages = (*builder)->passages();
    if (passages == 0) {
      return Fail(absl::InvalidArgumentError(
          absl::StrCat(a.input, ": no passages; ",
                       faults.count > 0 ? absl::StrCat("the first fault: ", faults.first.front())
                                        : "expected lines {\"id\", \"contents\"}")));
    }
    if (absl::Status finished =
            (*builder)->FinishFile([&](double done) { return bar.Show("merging", done); });
        !finished.ok()) {
      return Fail(finished);
    }
  }
  for (const std::string& fault : faults.first) std::fprintf(stderr, "%s\n", fault.c_str());
  if (faults.count > static_cast<int64_t>(faults.first.size())) {
    std::fprintf(stderr, "... and %ld more faulty lines\n",
                 static_cast<long>(faults.count - static_cast<int64_t>(faults.first.size())));
  }
  const auto index = PassageIndex::Open(a.out);
  if (!index.ok()) return Fail(index.status());
  std::printf("%s: %u passages, %llu terms, %.1f MB\n", a.out.c_str(), (*index)->size(),
              static_cast<unsigned long long>((*index)->terms()), (*index)->bytes() / 1e6);
  return 0;
}

// Of an index that is there: whether it is whole, and what a query finds.
int Use(const Arguments& a) {
  const auto index = PassageIndex::Open(a.input);
  if (!index.ok()) return Fail(index.status());
  if (a.check) {
    if (absl::Status whole = (*index)->Verify(); !whole.ok()) return Fail(whole);
    std::printf("%s: whole; %u passages, %llu terms\n", a.input.c_str(), (*index)->size(),
                static_cast<unsigned long long>((*index)->terms()));
  }
  if (a.query.empty()) return 0;
  const absl::Time start = absl::Now();
  const auto hits = (*index)->Search(a.query, a.results);
  const double milliseconds = absl::ToDoubleMilliseconds(absl::Now() - start);
  if (!hits.ok()) return Fail(hits.status());
  for (const PassageIndex::Hit& hit : *hits) {
    const std::string_view contents = (*index)->Contents(hit.passage);
    std::printf("Doc %td(Title: %s) %s\n", &hit - hits->data() + 1,
                std::string(envs::searchqa::TitleLine(contents)).c_str(),
                std::string(envs::searchqa::TextBelow(contents)).c_str());
  }
  std::printf("%zu passages in %.2f ms\n", hits->size(), milliseconds);
  return 0;
}

}  // namespace

void AddIndex(CLI::App& app, Action& action) {
  auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand(
      "index", "Make a corpus of passages searchable for the environment searchqa");
  command
      ->add_option("CORPUS", a->input,
                   "a file of lines {\"id\", \"contents\": \"\\\"TITLE\\\"\\nTEXT\"}; with --check "
                   "and --search an index")
      ->required();
  command->add_option("--out", a->out, "the index to write");
  command->add_option("--memory-mb", a->memory_mb, "about how much memory to use for it")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command->add_flag("--check", a->check, "compare an index's checksums");
  command->add_option("--search", a->query, "show what a query finds");
  command->add_option("--results", a->results, "how many passages --search shows")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->footer(
      "Lines that hold no passage are named and left out. The old index stays until the new one\n"
      "is whole.\n"
      "Examples:\n"
      "  sojourn index wiki-18.jsonl --out data/searchqa/wiki-18.index\n"
      "  sojourn index data/searchqa/wiki-18.index --search \"when was Pavia's cathedral begun\"");
  command->callback([a, &action] {
    action = [a] {
      return a->check || !a->query.empty() ? Use(*a) : Build(*a);
    };
  });
}

}  // namespace sojourn::cli
