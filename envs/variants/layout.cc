#include "envs/variants/layout.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "envs/python_text.h"

namespace sojourn::envs::variants {
namespace {

constexpr size_t kNone = std::string_view::npos;

// The next list of a kind: `begin` is where its mark begins, `elements` what stands between the
// marks.
struct Found {
  size_t begin = kNone, end = 0;
  std::string_view elements;
};

Found FindList(std::string_view text, const Interface::List& list, size_t from) {
  Found found;
  const size_t begin = list.begin.empty() ? kNone : text.find(list.begin, from);
  if (begin == kNone) return found;
  const size_t inside = begin + list.begin.size();
  const size_t inside_end = list.end.empty() ? std::min(text.find('\n', inside), text.size())
                                             : text.find(list.end, inside);
  if (inside_end == kNone) return found;
  return {begin, inside_end + list.end.size(), text.substr(inside, inside_end - inside)};
}

std::string Shuffled(std::string_view elements, const Interface::List& list, Random random) {
  const bool closed = !list.separator.empty() && elements.ends_with(list.separator);
  if (closed) elements.remove_suffix(list.separator.size());
  std::vector<std::string> items = list.separator.empty()
                                       ? std::vector<std::string>{std::string(elements)}
                                       : absl::StrSplit(elements, list.separator);
  if (list.fields > 1) {
    if (items.size() % list.fields != 0) return std::string(elements);  // holds the separator itself
    std::vector<std::string> whole;
    for (auto field = items.begin(); field != items.end(); field += list.fields) {
      whole.push_back(absl::StrJoin(field, field + list.fields, list.separator));
    }
    items = std::move(whole);
  }
  const bool has_last =
      !list.last.empty() && items.size() > 1 && items.back().starts_with(list.last);
  if (has_last) items.back().erase(0, list.last.size());
  const std::vector<std::string> before = items;
  random.Shuffle(items);
  if (items == before) std::rotate(items.begin(), items.begin() + 1, items.end());
  if (has_last) items.back() = absl::StrCat(list.last, items.back());
  return absl::StrCat(absl::StrJoin(items, list.separator), closed ? list.separator : "");
}

bool IsHole(std::string_view pattern) {
  return pattern.size() >= 2 && (pattern[0] == '$' || pattern[0] == '#') &&
         absl::ascii_isdigit(pattern[1]);
}

using Holes = std::array<std::string_view, 10>;

// The length of the text's beginning that fits the pattern, with the shortest holes that will do;
// kNone: none does.
size_t Match(std::string_view pattern, std::string_view text, Holes& holes) {
  size_t at = 0;
  for (; !pattern.empty() && !IsHole(pattern); ++at, pattern.remove_prefix(1)) {
    if (at >= text.size() || text[at] != pattern[0]) return kNone;
  }
  if (pattern.empty()) return at;
  const bool number = pattern[0] == '#';
  std::string_view& hole = holes[pattern[1] - '0'];
  const bool last = pattern.size() == 2;  // takes all it can
  size_t matched = kNone;
  for (size_t length = 1; at + length <= text.size(); ++length) {
    const char c = text[at + length - 1];
    if (c == '\n' || (number && !absl::ascii_isdigit(c))) break;
    if (c == ' ' && length > 1 && text[at + length - 2] == '.') break;
    const size_t rest = last ? 0 : Match(pattern.substr(2), text.substr(at + length), holes);
    if (rest == kNone) continue;
    hole = text.substr(at, length);
    matched = at + length + rest;
    if (!last) break;
  }
  return matched;
}

std::string Fill(std::string_view pattern, const Holes& holes) {
  std::string text;
  for (; !pattern.empty(); pattern.remove_prefix(1)) {
    if (!IsHole(pattern)) {
      text += pattern[0];
      continue;
    }
    text += holes[pattern[1] - '0'];
    pattern.remove_prefix(1);
  }
  return text;
}

std::string InOtherWords(std::string_view text, const Interface& interface, RandomKey key) {
  std::string out;
  while (!text.empty()) {
    size_t length = kNone;
    for (size_t s = 0; s < interface.sentences.size() && length == kNone; ++s) {
      const Interface::Sentence& sentence = interface.sentences[s];
      Holes holes;
      if (sentence.others.empty() || sentence.text[0] != text[0]) continue;
      length = Match(sentence.text, text, holes);
      if (length == kNone || length == 0) continue;
      const size_t chosen = Random(key.With("sentence").With(s)).Below(sentence.others.size());
      out += Fill(sentence.others[chosen], holes);
    }
    if (length == kNone || length == 0) {
      out += text[0];
      length = 1;
    }
    text.remove_prefix(length);
  }
  return out;
}

// Which place each part has among those that are there.
std::vector<size_t> Places(size_t parts, RandomKey key) {
  std::vector<size_t> places(parts);
  std::iota(places.begin(), places.end(), size_t{0});
  const std::vector<size_t> before = places;
  Random(key.With("parts")).Shuffle(places);
  if (places == before && parts > 1) std::rotate(places.begin(), places.begin() + 1, places.end());
  return places;
}

}  // namespace

std::string ShuffleLists(std::string_view text, const Interface& interface, RandomKey key) {
  std::string shuffled(text);
  for (size_t kind = 0; kind < interface.lists.size(); ++kind) {
    const Interface::List& list = interface.lists[kind];
    std::string out;
    size_t done = 0;
    uint64_t count = 0;
    for (Found found; (found = FindList(shuffled, list, done)).begin != kNone; done = found.end) {
      absl::StrAppend(&out, shuffled.substr(done, found.begin - done), list.begin,
                      Shuffled(found.elements, list, Random(key.With(kind).With(count++))),
                      list.end);
    }
    out += shuffled.substr(done);
    shuffled = std::move(out);
  }
  return shuffled;
}

std::string WithoutActionLists(std::string_view text, const Interface& interface) {
  std::string left(text);
  for (const Interface::List& list : interface.lists) {
    if (!list.of_actions) continue;
    for (Found found; (found = FindList(left, list, 0)).begin != kNone;) {
      const bool line_begins = found.begin == 0 || left[found.begin - 1] == '\n';
      const bool line_ends = found.end == left.size() || left[found.end] == '\n';
      if (line_begins && line_ends && found.begin > 0) --found.begin;
      left.erase(found.begin, found.end - found.begin);
    }
  }
  return left;
}

std::string Paraphrase(std::string_view text, const Interface& interface, RandomKey key) {
  // Cut where the first of each part begins.
  std::vector<std::pair<size_t, size_t>> cuts;  // where, and which part
  for (size_t part = 0; part < interface.parts.size(); ++part) {
    const size_t at = text.find(interface.parts[part]);
    if (at != kNone) cuts.push_back({at, part});
  }
  std::sort(cuts.begin(), cuts.end());
  if (cuts.size() < 2) return InOtherWords(text, interface, key);
  const std::vector<size_t> places = Places(interface.parts.size(), key);
  std::vector<std::pair<size_t, std::string>> pieces;
  for (size_t i = 0; i < cuts.size(); ++i) {
    const size_t end = i + 1 < cuts.size() ? cuts[i + 1].first : text.size();
    const std::string piece =
        InOtherWords(text.substr(cuts[i].first, end - cuts[i].first), interface, key);
    pieces.push_back({places[cuts[i].second], std::string(StripSpace(piece))});
  }
  std::sort(pieces.begin(), pieces.end());
  return absl::StrCat(InOtherWords(text.substr(0, cuts[0].first), interface, key),
                      absl::StrJoin(pieces, "\n", [](std::string* out, const auto& piece) {
                        *out += piece.second;
                      }));
}

}  // namespace sojourn::envs::variants
