#include "envs/searchqa/game.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/random.h"
#include "envs/python_text.h"
#include "envs/searchqa/answer.h"

namespace sojourn::envs::searchqa {
namespace {

constexpr char kPrompt[] =
    "You must reason inside <think>...</think> first. If you do not have enough knowledge, issue "
    "a <search>...</search> and then STOP. Do not generate <information> or <answer> yet. Wait "
    "for external input wrapped in <information>...</information>. After receiving information, "
    "reason again in <think>. If confident, output your final answer in <answer>...</answer>. Do "
    "not output <answer> before receiving <information> unless you are fully confident. If you "
    "find no further external knowledge needed, you can directly provide the answer inside "
    "<answer> and </answer>, without detailed illustrations. For example, <answer> Beijing "
    "</answer>. Follow this process every time.\n\n Question: ";
constexpr char kRight[] = "Congratulations! You have answered the question correctly.";
constexpr char kWrong[] = "Sorry, your answer is incorrect. Please try again.";
constexpr char kNotUnderstood[] =
    "Your previous action is invalid. If you want to search, you should put the query between "
    "<search> and </search>. If you want to give the final answer, you should put the answer "
    "between <answer> and </answer>. Please try again.";

// At most kMostShownBytes, whole characters.
std::string_view Cut(std::string_view text) {
  if (text.size() <= kMostShownBytes) return text;
  size_t end = kMostShownBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace

uint64_t Game::Hash(std::string_view text) { return RandomKey(0).With(text).value(); }

std::string Game::Reset(std::shared_ptr<const PassageIndex> passages, Question question) {
  passages_ = std::move(passages);
  question_ = std::move(question);
  shown_.clear();
  searched_.clear();
  answered_.clear();
  return Observation();
}

std::string Game::Observation() const { return absl::StrCat(kPrompt, StripSpace(question_.text)); }

absl::StatusOr<Game::Reply> Game::Step(std::string_view response) {
  const Move move = ReadMove(response);
  if (move.kind == Move::kNone) return Reply{.observation = kNotUnderstood, .understood = false};
  if (move.kind == Move::kAnswer) {
    if (answered_.size() < kMostKept) answered_.insert(Hash(move.text));
    const bool correct = IsExactMatch(move.text, question_.answers);
    return Reply{.observation = correct ? kRight : kWrong, .correct = correct};
  }
  if (searched_.size() < kMostKept) searched_.insert(Hash(move.text));
  const auto hits = passages_->Search(move.text, results_);
  if (!hits.ok()) return hits.status();
  std::string list;
  for (const PassageIndex::Hit& hit : *hits) {
    const std::string_view contents = Cut(passages_->Contents(hit.passage));
    absl::StrAppend(&list, "Doc ", &hit - hits->data() + 1, "(Title: ", TitleLine(contents), ") ",
                    TextBelow(contents), "\n");
    if (shown_.size() < kMostKept &&
        std::find(shown_.begin(), shown_.end(), hit.passage) == shown_.end()) {
      shown_.push_back(hit.passage);
    }
  }
  return Reply{.observation = absl::StrCat("<information>", StripSpace(list), "</information>")};
}

}  // namespace sojourn::envs::searchqa
