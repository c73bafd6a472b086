// SearchQA: the first byte says what the rest is: Q a file of questions, P a corpus of passages, I
// a passage index, anything else an agent's responses, one a line.
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/crc32c.h"
#include "envs/searchqa/answer.h"
#include "envs/searchqa/corpus.h"
#include "envs/searchqa/game.h"
#include "envs/searchqa/index_builder.h"
#include "envs/searchqa/library.h"
#include "envs/searchqa/players.h"

namespace {

using namespace sojourn::envs;
using namespace sojourn::envs::searchqa;

constexpr int kTurns = 5;

void Expect(bool holds) {
  if (!holds) __builtin_trap();
}

// A file without a name.
class File {
 public:
  explicit File(std::string_view content) : fd_(memfd_create("fuzz", MFD_CLOEXEC)) {
    Expect(fd_ >= 0 &&
           write(fd_, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  }
  ~File() { close(fd_); }
  std::string path() const { return absl::StrCat("/proc/self/fd/", fd_); }

 private:
  const int fd_;
};

const Library& World() {
  static const auto& world =
      *new std::shared_ptr<const Library>(*Library::Generate(0, kFewestPassages));
  return *world;
}

void Search(const PassageIndex& index, std::string_view query) {
  const auto hits = index.Search(query, kAgentGymResults);
  if (!hits.ok()) return;
  Expect(hits->size() <= kAgentGymResults);
  for (size_t i = 0; i < hits->size(); ++i) {
    Expect((*hits)[i].passage < index.size() &&
           (i == 0 || (*hits)[i - 1].score >= (*hits)[i].score));
    (void)Title(index.Contents((*hits)[i].passage));
  }
}

void Play(Question question) {
  Game game(kAgentGymResults);
  game.Reset(World().passages(Split::kTrain), std::move(question));
  for (int turn = 0; turn < kTurns; ++turn) {
    Expect(!ValidActions(game).empty());
    const auto advice = turn % 2 == 0 ? ExpertAdvice(game) : GoalBlindAdvice(game);
    Expect(game.Step(advice.action).ok());
  }
}

void Questions(std::string_view content) {
  std::vector<Question> questions;
  Faults faults;
  Expect(ReadQuestions(File(content).path(), &questions, &faults).ok());
  for (Question& question : questions) {
    const auto again = ParseQuestion(QuestionLine(question));
    Expect(again.ok() && *again == question);
    Play(std::move(question));
  }
}

void Passages(std::string_view content) {
  const auto builder = IndexBuilder::InMemory();
  Faults faults;
  Expect(AddCorpus(File(content).path(), *builder, &faults).ok());
  const uint32_t passages = builder->passages();
  const auto index = builder->FinishInMemory();
  Expect(index.ok() && (*index)->size() == passages && (*index)->Verify().ok());
  for (uint32_t i = 0; i < passages; ++i) {
    Expect((*index)->Search((*index)->Contents(i), 1).ok());
    Search(**index, Title((*index)->Contents(i)));
  }
}

// As it is, and with the checksum and the length that its header should have.
void Index(std::string bytes) {
  const auto use = [&] {
    const auto index = PassageIndex::FromBytes(bytes);
    if (!index.ok()) return;
    (void)(*index)->Verify();
    for (const char* const query : {"the town of", "river", "a b c 1 2 3", "begun 1488"}) {
      Search(**index, query);
    }
  };
  use();
  IndexHeader header;
  if (bytes.size() < sizeof(header)) return;
  std::memcpy(&header, bytes.data(), sizeof(header));
  header.file_bytes = bytes.size();
  header.crc = 0;
  header.crc = sojourn::Crc32c(0, {reinterpret_cast<const char*>(&header), sizeof(header)});
  std::memcpy(bytes.data(), &header, sizeof(header));
  use();
}

void Responses(std::string_view content) {
  (void)NormalizeAnswer(content);
  Game game(kAgentGymResults);
  game.Reset(World().passages(Split::kTrain), *World().Get({Split::kTrain, 1, 0}));
  int left = kTurns;
  for (const absl::string_view line :
       absl::StrSplit(absl::string_view(content.data(), content.size()), '\n')) {
    if (left-- == 0) break;
    const auto reply = game.Step({line.data(), line.size()});
    Expect(reply.ok() && !reply->observation.empty());  // no text is an error
    Expect(!ValidActions(game).empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'Q':
      Questions(rest);
      break;
    case 'P':
      Passages(rest);
      break;
    case 'I':
      Index(std::string(rest));
      break;
    default:
      Responses(rest);
  }
  return 0;
}
