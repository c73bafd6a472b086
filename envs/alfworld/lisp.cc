#include "envs/alfworld/lisp.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace sojourn::envs::alfworld {
namespace {

constexpr size_t kMostBytes = 4 << 20;
constexpr size_t kMostWord = 200;
constexpr int kMostDepth = 64;

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  absl::StatusOr<Lisp> ReadAll() {
    if (text_.size() > kMostBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("a text of ", text_.size(), " bytes; at most ", kMostBytes, " are read"));
    }
    Skip();
    if (At() != '(') return Fail("expected \"(\"");
    Lisp list;
    absl::Status status = ReadList(0, &list);
    if (!status.ok()) return status;
    Skip();
    if (at_ < text_.size()) return Fail("something follows the last \")\"");
    return list;
  }

 private:
  char At() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  absl::Status Fail(std::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat("line ", line_, ": ", what));
  }

  void Skip() {
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == ';') {
        at_ = std::min(text_.find('\n', at_), text_.size());
        if (at_ == text_.size()) return;
        ++line_;
      } else if (c == '\n') {
        ++line_;
      } else if (!absl::ascii_isspace(c)) {
        return;
      }
    }
  }

  // Stands at "(".
  absl::Status ReadList(int depth, Lisp* list) {
    if (depth > kMostDepth) return Fail("lists too deep in each other");
    list->is_list = true;
    list->line = line_;
    ++at_;
    for (Skip(); At() != ')'; Skip()) {
      if (at_ >= text_.size()) {
        return absl::InvalidArgumentError(
            absl::StrCat("line ", list->line, ": the list that begins here has no end"));
      }
      Lisp& item = list->items.emplace_back();
      absl::Status status = At() == '(' ? ReadList(depth + 1, &item) : ReadWord(&item);
      if (!status.ok()) return status;
    }
    ++at_;
    return absl::OkStatus();
  }

  absl::Status ReadWord(Lisp* word) {
    word->line = line_;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (absl::ascii_isspace(c) || c == '(' || c == ')' || c == ';') break;
      if (c <= ' ' || c > '~') return Fail("a byte that is no character of PDDL");
      if (word->word.size() == kMostWord) return Fail("a word that is too long");
      word->word += absl::ascii_tolower(c);
    }
    return absl::OkStatus();
  }

  const std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

std::string Lisp::ToString() const {
  if (!is_list) return word;
  std::string text = "(";
  for (const Lisp& item : items) {
    absl::StrAppend(&text, text.size() > 1 ? " " : "", item.ToString());
  }
  return text + ")";
}

absl::StatusOr<Lisp> ParseLisp(std::string_view text) { return Reader(text).ReadAll(); }

absl::Status ErrorAt(const Lisp& place, std::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat("line ", place.line, ": ", message));
}

}  // namespace sojourn::envs::alfworld
