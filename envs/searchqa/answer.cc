#include "envs/searchqa/answer.h"

#include <utf8proc.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "envs/python_text.h"

namespace sojourn::envs::searchqa {
namespace {

constexpr std::string_view kSearchOpen = "<search>", kSearchClose = "</search>";
constexpr std::string_view kAnswerOpen = "<answer>", kAnswerClose = "</answer>";

// The text of the first `open`...`close` from `from` on, and where `open` stands (npos: none).
struct Span {
  size_t begin = std::string_view::npos, end = std::string_view::npos;
  std::string_view text;
};
Span FindSpan(std::string_view response, size_t from, std::string_view open,
              std::string_view close) {
  const size_t begin = response.find(open, from);
  if (begin == std::string_view::npos) return {};
  const size_t inside = begin + open.size(), end = response.find(close, inside);
  if (end == std::string_view::npos) return {};
  return {begin, end + close.size(), response.substr(inside, end - inside)};
}

bool IsWord(utf8proc_int32_t code) {  // as \w of Python's re knows it
  const utf8proc_category_t category = utf8proc_category(code);
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
         (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
}

}  // namespace

Move ReadMove(std::string_view response) {
  const Span search = FindSpan(response, 0, kSearchOpen, kSearchClose);
  const Span answer = FindSpan(response, 0, kAnswerOpen, kAnswerClose);
  if (search.begin < answer.begin) return {Move::kSearch, StripSpace(search.text)};
  if (answer.begin == std::string_view::npos) return {};
  Span last = answer;
  for (Span next = last; next.begin != std::string_view::npos;) {
    last = next;
    next = FindSpan(response, last.end, kAnswerOpen, kAnswerClose);
  }
  return {Move::kAnswer, StripSpace(last.text)};
}

std::string NormalizeAnswer(std::string_view answer) {
  std::string clean;  // in lower case, without punctuation
  std::string result, word;
  // A run of \w that is an article, between what is not \w, goes; what is not \w stays.
  const auto end_word = [&] {
    if (word == "a" || word == "an" || word == "the") word = " ";
    clean += word;
    word.clear();
  };
  while (!answer.empty()) {
    utf8proc_int32_t code = -1;
    utf8proc_ssize_t bytes = utf8proc_iterate(
        reinterpret_cast<const utf8proc_uint8_t*>(answer.data()), answer.size(), &code);
    if (bytes <= 0) {
      bytes = 1;
      code = -1;
    }
    const std::string_view character = answer.substr(0, bytes);
    answer.remove_prefix(bytes);
    if (code >= 0 && code < 128 && absl::ascii_ispunct(static_cast<char>(code))) continue;
    if (code < 0) {  // not UTF-8
      end_word();
      clean += character;
      continue;
    }
    std::string lower;
    const auto append = [&](utf8proc_int32_t c) {
      utf8proc_uint8_t encoded[4];
      lower.append(reinterpret_cast<const char*>(encoded), utf8proc_encode_char(c, encoded));
    };
    append(code == 0x130 ? 'i' : utf8proc_tolower(code));
    const bool is_word = IsWord(code);
    if (!is_word) end_word();
    (is_word ? word : clean) += lower;
    if (code == 0x130) {  // a capital I with a dot becomes two, and the dot is no letter
      end_word();
      clean += "\xcc\x87";
    }
  }
  end_word();

  for (std::string_view rest = clean; !rest.empty();) {
    const size_t space = LeadingSpace(rest);
    rest.remove_prefix(space);
    size_t length = 0;
    while (length < rest.size() && LeadingSpace(rest.substr(length)) == 0) ++length;
    if (length == 0) break;
    if (!result.empty()) result += ' ';
    result += rest.substr(0, length);
    rest.remove_prefix(length);
  }
  return result;
}

bool IsExactMatch(std::string_view answer, const std::vector<std::string>& answers) {
  const std::string normalized = NormalizeAnswer(answer);
  return std::any_of(answers.begin(), answers.end(), [&](const std::string& expected) {
    return NormalizeAnswer(expected) == normalized;
  });
}

}  // namespace sojourn::envs::searchqa
