#include "envs/searchqa/library.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "envs/python_text.h"
#include "envs/searchqa/answer.h"
#include "envs/searchqa/corpus.h"
#include "envs/searchqa/index_builder.h"
#include "envs/searchqa/json_lines.h"
#include "envs/searchqa/sink.h"

namespace sojourn::envs::searchqa {
namespace {

constexpr Split kSplits[] = {Split::kTrain, Split::kTest};
constexpr int kTestPeriod = 5;

enum class FileKind { kOther, kBroken, kQuestions, kCorpus, kIndex };

// By the first line that is JSON, if it is among the first few. With none the file is broken, which
// `fault` tells.
FileKind Recognize(const std::string& path, std::string* fault) {
  constexpr int kLines = 20;
  if (BeginsLikeAnIndex(path)) return FileKind::kIndex;
  if (!absl::EndsWith(path, ".jsonl")) return FileKind::kOther;
  auto file = LineFile::Open(path);
  if (!file.ok()) {
    *fault = std::string(file.status().message());
    return FileKind::kBroken;
  }
  fault->clear();
  for (std::string_view line; file->number() < kLines && file->Next(&line);) {
    if (StripSpace(line).empty()) continue;
    const auto object = ParseObject(line);
    if (!object.ok()) {
      if (fault->empty()) {
        *fault = absl::StrCat(path, ":", file->number(), ": ", object.status().message(),
                              "; the file is left out");
      }
      continue;
    }
    if (FindString(*object, "question") != nullptr) return FileKind::kQuestions;
    const std::string* const contents = FindString(*object, "contents");
    if (contents != nullptr && absl::StartsWith(*contents, "\"")) return FileKind::kCorpus;
    return FileKind::kOther;
  }
  if (fault->empty() && !file->status().ok()) *fault = std::string(file->status().message());
  return fault->empty() ? FileKind::kOther : FileKind::kBroken;
}

struct Files {
  std::string folder;
  std::vector<std::string> questions, corpora, indexes;
  std::vector<std::string> faults;  // of files that are not known for what they are
};

Files FindFiles(const std::string& folder) {
  std::error_code error;
  const std::filesystem::path own = std::filesystem::path(folder) / "searchqa";
  Files files{.folder = std::filesystem::is_directory(own, error) ? own.string() : folder};
  std::vector<std::string> paths;
  for (std::filesystem::directory_iterator entry(files.folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_regular_file(ignored)) paths.push_back(entry->path().string());
  }
  std::sort(paths.begin(), paths.end());
  for (std::string& path : paths) {
    std::string fault;
    switch (Recognize(path, &fault)) {
      case FileKind::kQuestions:
        files.questions.push_back(std::move(path));
        break;
      case FileKind::kCorpus:
        files.corpora.push_back(std::move(path));
        break;
      case FileKind::kIndex:
        files.indexes.push_back(std::move(path));
        break;
      case FileKind::kBroken:
        files.faults.push_back(std::move(fault));
        break;
      case FileKind::kOther:
        break;
    }
  }
  return files;
}

std::optional<Split> SplitOf(const std::string& path) {
  const std::string name = std::filesystem::path(path).filename().string();
  if (absl::StrContains(name, "train")) return Split::kTrain;
  for (const char* const word : {"test", "dev", "valid"}) {
    if (absl::StrContains(name, word)) return Split::kTest;
  }
  return std::nullopt;
}

void AddFaults(const Faults& faults, DataReport* report) {
  report->faults.insert(report->faults.end(), faults.first.begin(), faults.first.end());
  if (faults.count > static_cast<int64_t>(faults.first.size())) {
    report->faults.push_back(absl::StrCat(
        "... and ", faults.count - static_cast<int64_t>(faults.first.size()), " more"));
  }
}

absl::StatusOr<std::shared_ptr<const PassageIndex>> LoadPassages(const Files& files,
                                                                 DataReport* report) {
  for (const std::string& path : files.indexes) {
    auto index = PassageIndex::Open(path);
    if (!index.ok()) {
      report->faults.push_back(std::string(index.status().message()));
      continue;
    }
    report->found.push_back({absl::StrCat("passages of ", path), (*index)->size(), "to search in"});
    return index;
  }
  const auto builder = IndexBuilder::InMemory();
  int64_t bytes = 0;
  for (const std::string& path : files.corpora) {
    std::error_code ignored;
    const auto size = static_cast<int64_t>(std::filesystem::file_size(path, ignored));
    if ((bytes += size) > kMostCorpusBytes) {
      report->faults.push_back(
          absl::StrCat(path, ": too large to be indexed in memory; run `sojourn index ", path,
                       " --out ", files.folder, "/passages.index`"));
      bytes -= size;
      continue;
    }
    const uint32_t before = builder->passages();
    Faults faults;
    const absl::Status added = AddCorpus(path, *builder, &faults);
    AddFaults(faults, report);
    if (!added.ok()) report->faults.push_back(std::string(added.message()));
    report->found.push_back(
        {absl::StrCat("passages of ", path), builder->passages() - before, "to search in"});
  }
  if (builder->passages() == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(files.folder,
                     ": has no passages; expected an index that `sojourn index` made, "
                     "or a corpus *.jsonl of {\"id\": ..., \"contents\": "
                     "\"\\\"TITLE\\\"\\nTEXT\"}"));
  }
  return builder->FinishInMemory();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Library>> Library::Generate(uint64_t seed, uint32_t passages) {
  auto library = std::make_shared<Library>();
  for (const Split split : kSplits) {
    const World& world = library->worlds_[static_cast<int>(split)].emplace(seed, split, passages);
    const auto builder = IndexBuilder::InMemory();
    for (uint32_t i = 0; i < world.passages(); ++i) {
      if (absl::Status added = builder->Add(world.Passage(i)); !added.ok()) return added;
    }
    auto index = builder->FinishInMemory();
    if (!index.ok()) return index.status();
    library->passages_[static_cast<int>(split)] = *std::move(index);
  }
  return library;
}

absl::StatusOr<std::shared_ptr<const Library>> Library::Load(const std::string& folder,
                                                             DataReport* report) {
  if (std::error_code error; !std::filesystem::is_directory(folder, error)) {
    return absl::NotFoundError(absl::StrCat(folder, ": no such directory"));
  }
  const Files files = FindFiles(folder);
  report->faults.insert(report->faults.end(), files.faults.begin(), files.faults.end());
  struct Placed {
    Question question;
    std::optional<Split> split;
  };
  std::vector<Placed> placed;
  std::array<int64_t, 2> named = {};
  for (const std::string& path : files.questions) {
    std::vector<Question> questions;
    Faults faults;
    const absl::Status read = ReadQuestions(path, &questions, &faults);
    AddFaults(faults, report);
    if (!read.ok()) report->faults.push_back(std::string(read.message()));
    const std::optional<Split> split = SplitOf(path);
    report->found.push_back(
        {absl::StrCat("questions of ", path), static_cast<int64_t>(questions.size()), "tasks"});
    if (split) named[static_cast<int>(*split)] += questions.size();
    for (Question& question : questions) placed.push_back({std::move(question), split});
  }
  auto passages = LoadPassages(files, report);
  const auto missing = [&](std::string_view message) {
    return absl::FailedPreconditionError(
        report->faults.empty() ? message
                               : absl::StrCat(message, "; first fault: ", report->faults.front()));
  };
  if (placed.empty()) {
    return missing(absl::StrCat(files.folder,
                                ": has no questions; expected a file *.jsonl of {\"question\": "
                                "TEXT, \"answer\": [TEXT, ...]}"));
  }
  if (!passages.ok()) return missing(passages.status().message());

  auto library = std::make_shared<Library>();
  library->passages_ = {*passages, *passages};
  const bool by_name = named[0] > 0 && named[1] > 0;
  absl::flat_hash_set<std::string> tested;
  const auto keep = [&](Split split, Question& question) {
    library->questions_[static_cast<int>(split)][question.hops].push_back(std::move(question));
  };
  for (Placed& p : placed) {
    const std::string text = NormalizeAnswer(p.question.text);
    const bool hashed_to_test =
        RandomKey(0).With("searchqa split").With(text).value() % kTestPeriod == 0;
    if (!by_name) p.split = hashed_to_test ? Split::kTest : Split::kTrain;
    if (p.split != Split::kTest) continue;
    tested.insert(text);
    keep(Split::kTest, p.question);
  }
  for (Placed& p : placed) {
    if (p.split == Split::kTest || tested.contains(NormalizeAnswer(p.question.text))) continue;
    keep(Split::kTrain, p.question);
  }
  return library;
}

int64_t Library::Count(Split split, int hops) const {
  if (hops < 1 || hops > kMostHops) return 0;
  const auto& world = worlds_[static_cast<int>(split)];
  return world ? world->QuestionCount(hops)
               : static_cast<int64_t>(questions_[static_cast<int>(split)][hops].size());
}

absl::StatusOr<int64_t> Library::TaskCount(Split split, int hops) const {
  const int64_t count = Count(split, hops);
  if (count > 0) return count;
  std::vector<std::string> known;
  for (int other = 1; other <= kMostHops; ++other) {
    if (Count(split, other) > 0) known.push_back(absl::StrCat(other));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("searchqa has no ", std::string(SplitName(split)), " questions of difficulty ",
                   hops, "; known: ", absl::StrJoin(known, ", "), " (the hops)"));
}

absl::StatusOr<Question> Library::Get(const TaskId& task) const {
  const absl::StatusOr<int64_t> count = TaskCount(task.split, task.difficulty);
  if (!count.ok()) return count.status();
  if (task.index < 0 || task.index >= *count) {
    return absl::OutOfRangeError(
        absl::StrCat("searchqa has no ", std::string(SplitName(task.split)), " task ", task.index,
                     " of ", task.difficulty, " hops; indices are 0 to ", *count - 1));
  }
  const int split = static_cast<int>(task.split);
  return worlds_[split] ? worlds_[split]->MakeQuestion(task.difficulty, task.index)
                        : questions_[split][task.difficulty][task.index];
}

absl::Status WriteWorld(const std::string& folder, uint64_t seed, uint32_t passages,
                        int64_t questions, const std::function<bool(double)>& progress) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return absl::ErrnoToStatus(error.value(), absl::StrCat(folder, ": cannot make the folder"));
  }
  for (const char* const name : {"corpus.jsonl", "train.jsonl", "test.jsonl"}) {
    const std::string path = absl::StrCat(folder, "/", name);
    if (std::filesystem::exists(path, error)) {
      return absl::AlreadyExistsError(
          absl::StrCat(path, ": is there already; remove it or name another folder"));
    }
  }
  auto corpus = Sink::ToFile(folder + "/corpus.jsonl");
  if (!corpus.ok()) return corpus.status();
  int64_t id = 0;
  for (const Split split : kSplits) {
    const World world(seed, split, passages);
    for (uint32_t i = 0; i < passages; ++i, ++id) {
      (*corpus)->Append(PassageLine(id, world.Passage(i)));
      (*corpus)->Append("\n");
      if (progress != nullptr && id % 1024 == 0 && !progress(id / (2.0 * passages))) {
        return absl::CancelledError("stopped while writing the world");
      }
    }
    auto file = Sink::ToFile(absl::StrCat(folder, "/", std::string(SplitName(split)), ".jsonl"));
    if (!file.ok()) return file.status();
    for (int hops = 1; hops <= kMostHops; ++hops) {
      for (int64_t i = 0; i < std::min(questions, world.QuestionCount(hops)); ++i) {
        (*file)->Append(QuestionLine(world.MakeQuestion(hops, i)));
        (*file)->Append("\n");
      }
    }
    if (absl::Status flushed = (*file)->Flush(); !flushed.ok()) return flushed;
  }
  return (*corpus)->Flush();
}

}  // namespace sojourn::envs::searchqa
