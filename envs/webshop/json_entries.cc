#include "envs/webshop/json_entries.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace sojourn::envs::webshop {
namespace {

constexpr int kDeepest = 64;

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

struct Extent {
  size_t end = 0;
  int depth = 0;
  bool is_whole = false;  // false: the text ended within the value
};

// Where the value that begins at `begin` ends, by its brackets and quotes alone.
Extent FindEnd(std::string_view text, size_t begin) {
  Extent extent;
  int depth = 0;
  bool in_string = false;
  size_t i = begin;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
        if (depth == 0) return {i + 1, extent.depth, true};
      }
      continue;
    }
    if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      extent.depth = std::max(extent.depth, ++depth);
    } else if (c == '}' || c == ']') {
      if (depth == 0) break;  // of what the value stands in
      if (--depth == 0) return {i + 1, extent.depth, true};
    } else if (depth == 0 && (c == ',' || c == ':' || IsSpace(c))) {
      break;
    }
  }
  return {std::min(i, text.size()), extent.depth, !in_string && depth == 0};
}

JsonEntry Parse(std::string_view text, int depth, int64_t line) {
  JsonEntry entry{.line = line};
  if (depth > kDeepest) {
    entry.fault = absl::StrCat("nested deeper than ", kDeepest);
    return entry;
  }
  entry.value = nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (entry.value.is_discarded()) {
    entry.value = nullptr;
    entry.fault = "not JSON";
  }
  return entry;
}

// The elements of an array or the members of an object, whose bracket is at `at`.
class Container {
 public:
  Container(std::string_view text, size_t at) : text_(text), at_(at) { CountLines(0); }

  void ForEach(const TakeEntry& take) {
    const bool is_object = text_[at_] == '{';
    const char close = is_object ? '}' : ']';
    ++at_;
    SkipSpace();
    if (Is(close)) return;
    while (true) {
      JsonEntry entry = is_object ? Member() : Element();
      const bool ended = at_ >= text_.size();
      take(std::move(entry));
      if (ended) return;
      SkipSpace();
      if (Is(close)) return;
      if (!Is(',')) {
        take({.line = line_,
              .fault = at_ >= text_.size() ? "the text ends early"
                                           : "expected a comma; the rest is left out"});
        return;
      }
      ++at_;
      SkipSpace();
    }
  }

 private:
  bool Is(char c) const { return at_ < text_.size() && text_[at_] == c; }

  void SkipSpace() {
    const size_t from = at_;
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
    CountLines(from);
  }

  void CountLines(size_t from) {
    line_ += std::count(text_.begin() + from, text_.begin() + at_, '\n');
  }

  JsonEntry Element() {
    const Extent extent = FindEnd(text_, at_);
    JsonEntry entry = Parse(text_.substr(at_, extent.end - at_), extent.depth, line_);
    if (!extent.is_whole) entry.fault = "the text ends within this value";
    const size_t from = at_;
    at_ = std::max(extent.end, at_);
    CountLines(from);
    return entry;
  }

  JsonEntry Member() {
    JsonEntry key = Element();
    SkipSpace();
    if (!key.value.is_string() || !Is(':')) {
      if (key.fault.empty()) key.fault = "expected a name in quotes and a colon";
      return key;
    }
    ++at_;
    SkipSpace();
    JsonEntry entry = Element();
    entry.key = key.value.get<std::string>();
    return entry;
  }

  std::string_view text_;
  size_t at_;
  int64_t line_ = 1;
};

size_t FirstCharacter(std::string_view text) {
  size_t at = text.starts_with("\xef\xbb\xbf") ? 3 : 0;
  while (at < text.size() && IsSpace(text[at])) ++at;
  return at;
}

}  // namespace

void ForEachElement(std::string_view text, const TakeEntry& take) {
  const size_t first = FirstCharacter(text);
  if (first < text.size() && text[first] == '[') {
    Container(text, first).ForEach(take);
    return;
  }
  int64_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    ++number;
    std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    while (!line.empty() && IsSpace(line.back())) line.remove_suffix(1);
    const size_t start = FirstCharacter(line);
    if (start == line.size()) continue;
    take(Parse(line, FindEnd(line, start).depth, number));
  }
}

void ForEachMember(std::string_view text, const TakeEntry& take) {
  const size_t first = FirstCharacter(text);
  if (first == text.size() || text[first] != '{') {
    take({.fault = "not a JSON object"});
    return;
  }
  Container(text, first).ForEach(take);
}

}  // namespace sojourn::envs::webshop
