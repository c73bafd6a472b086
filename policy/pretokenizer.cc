#include "policy/pretokenizer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "policy/pretokenizer_unicode.h"

namespace sojourn::policy {

absl::StatusOr<PreTokenizer> PreTokenizer::FromJson(const Json& json) {
  PreTokenizer result;
  if (json.is_null()) return result;
  if (absl::Status status = result.Add(json, "pre_tokenizer"); !status.ok()) return status;
  return result;
}

absl::Status PreTokenizer::Add(const Json& json, const std::string& place) {
  if (byte_level_) return Unsupported(place, json, "nothing after ByteLevel");
  const std::string type = Text(json, "type");
  if (type == "Sequence") {
    const Json& parts = Member(json, "pretokenizers");
    if (!parts.is_array()) return Unsupported(place + ".pretokenizers", parts, "a list");
    for (size_t i = 0; i < parts.size(); ++i) {
      absl::Status status = Add(parts[i], absl::StrCat(place, ".pretokenizers[", i, "]"));
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
  if (type == "Split") return AddSplit(json, place);
  if (type == "Metaspace") return AddMetaspace(json, place);
  Step step;
  if (type == "ByteLevel") {
    byte_level_ = true;
    step.kind = Kind::kByteLevel;
    step.prefix_space = Flag(json, "add_prefix_space", true);
    step.splits = Flag(json, "use_regex", true);
    if (step.splits) step.pattern = *Pattern::Compile(kGpt2Pattern);
  } else if (type == "Digits") {
    step.kind = Kind::kDigits;
    step.individual = Flag(json, "individual_digits", false);
  } else if (type == "WhitespaceSplit") {
    step.kind = Kind::kWhitespace;
  } else {
    return Unsupported(place, json,
                       "ByteLevel, Digits, Metaspace, Split, WhitespaceSplit or Sequence");
  }
  steps_.push_back(std::move(step));
  return absl::OkStatus();
}

absl::Status PreTokenizer::AddSplit(const Json& json, const std::string& place) {
  constexpr std::pair<const char*, Behavior> kBehaviors[] = {
      {"Isolated", Behavior::kIsolated},
      {"Removed", Behavior::kRemoved},
      {"Contiguous", Behavior::kContiguous},
      {"MergedWithPrevious", Behavior::kMergedWithPrevious},
      {"MergedWithNext", Behavior::kMergedWithNext}};
  Step step;
  bool known = false;
  for (const auto& [name, behavior] : kBehaviors) {
    if (Text(json, "behavior") != name) continue;
    step.behavior = behavior;
    known = true;
  }
  if (!known) {
    return Unsupported(place + ".behavior", Member(json, "behavior"),
                       "Isolated, Removed, Contiguous, MergedWithPrevious or MergedWithNext");
  }
  step.invert = Flag(json, "invert", false);
  const Json& pattern = Member(json, "pattern");
  if (const Json& literal = Member(pattern, "String"); literal.is_string()) {
    step.pattern = Pattern::Literal(literal.get<std::string>());
  } else if (const Json& regex = Member(pattern, "Regex"); regex.is_string()) {
    absl::StatusOr<Pattern> compiled = Pattern::Compile(regex.get<std::string>());
    if (!compiled.ok()) return At(place, compiled.status());
    step.pattern = *std::move(compiled);
  } else {
    return Unsupported(place + ".pattern", pattern, "{\"Regex\": PATTERN} or {\"String\": TEXT}");
  }
  steps_.push_back(std::move(step));
  return absl::OkStatus();
}

absl::Status PreTokenizer::AddMetaspace(const Json& json, const std::string& place) {
  Step step;
  step.kind = Kind::kMetaspace;
  step.replacement = Text(json, "replacement");
  if (step.replacement.empty() || Utf8Unit(step.replacement).size != step.replacement.size())
    return Unsupported(place + ".replacement", Member(json, "replacement"), "one character");
  step.pattern = Pattern::Literal(step.replacement);
  step.behavior = Behavior::kMergedWithNext;
  step.splits = Flag(json, "split", true);
  const Json& scheme = Member(json, "prepend_scheme");
  if (scheme == "first") {
    step.prepend = Prepend::kFirst;
  } else if (scheme == "never" || !Flag(json, "add_prefix_space", true)) {
    step.prepend = Prepend::kNever;
  } else if (!scheme.is_null() && scheme != "always") {
    return Unsupported(place + ".prepend_scheme", scheme, "always, first or never");
  }
  steps_.push_back(std::move(step));
  return absl::OkStatus();
}

void PreTokenizer::Split(std::string_view text, bool at_start, size_t index,
                         absl::FunctionRef<void(std::string_view)> piece) const {
  if (text.empty()) return;
  if (index == steps_.size()) return piece(text);
  const Step& step = steps_[index];
  const char* const begin = text.data();
  const bool last = index + 1 == steps_.size();
  const auto give = [&](std::string_view part) {
    if (last) {
      if (!part.empty()) piece(part);
    } else {
      Split(part, at_start && part.data() == begin, index + 1, piece);
    }
  };

  if (step.kind == Kind::kDigits || step.kind == Kind::kWhitespace) {
    const bool removes = step.kind == Kind::kWhitespace;
    const uint8_t bit = removes ? kSpace : kRustNumber;
    const uint8_t* const classes = CharClasses();
    size_t done = 0, end = 0;
    bool was = false;  // the piece from `done` is of the class
    for (size_t at = 0; at < text.size(); at = end) {
      end = at + CharBytes(text[at]);
      const bool is = classes[CodePoint(begin + at)] & bit;
      if (at > done && (is != was || (is && step.individual))) {
        if (!(removes && was)) give(text.substr(done, at - done));
        done = at;
      }
      was = is;
    }
    if (!(removes && was)) give(text.substr(done));
    return;
  }

  std::string changed;
  if (step.kind == Kind::kByteLevel) {
    if (step.prefix_space && text.front() != ' ') {
      changed = absl::StrCat(" ", text);
      text = changed;
    }
    if (!step.splits) return give(text);
    return step.pattern.Find(text, [&](std::string_view part, bool) { give(part); });
  }
  if (step.kind == Kind::kMetaspace) {
    changed = absl::StrReplaceAll(text, {{" ", step.replacement}});
    const bool prepends =
        step.prepend == Prepend::kAlways || (step.prepend == Prepend::kFirst && at_start);
    if (prepends && changed.compare(0, step.replacement.size(), step.replacement) != 0)
      changed.insert(0, step.replacement);
    const auto give_changed = [&](std::string_view part) {
      Split(part, at_start && part.data() == changed.data(), index + 1, piece);
    };
    if (!step.splits) return give_changed(changed);
    for (size_t from = 0; from < changed.size();) {
      const size_t end =
          std::min(changed.size(), changed.find(step.replacement, from + CharBytes(changed[from])));
      give_changed(std::string_view(changed).substr(from, end - from));
      from = end;
    }
    return;
  }

  // A piece is held back where the next match or gap may join it.
  std::string_view held;
  const auto join = [&](std::string_view part) {
    held = held.empty() ? part : std::string_view(held.data(), held.size() + part.size());
  };
  const auto release = [&] {
    if (!held.empty()) give(held);
    held = {};
  };
  bool before = false, any = false;
  step.pattern.Find(text, [&](std::string_view part, bool is_match) {
    const bool match = is_match != step.invert;
    switch (step.behavior) {
      case Behavior::kIsolated:
        give(part);
        break;
      case Behavior::kRemoved:
        if (!match) give(part);
        break;
      case Behavior::kContiguous:
        if (match != before) release();
        join(part);
        break;
      case Behavior::kMergedWithPrevious:
        if (!(match && !before && any)) release();
        join(part);
        break;
      case Behavior::kMergedWithNext:
        // A match goes to the gap after it; of several in a row only the last does.
        if (any && (!before || match)) release();
        join(part);
        break;
    }
    before = match;
    any = true;
  });
  release();
}

}  // namespace sojourn::policy
