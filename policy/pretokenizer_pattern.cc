#include "policy/pretokenizer_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "policy/pretokenizer_unicode.h"

namespace sojourn::policy {
namespace {

// Oniguruma's word characters: PCRE2's lack marks and connectors, and have numbers that it has not.
constexpr char kWordSet[] =
    R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{24B6}-\x{24E9}\x{1F130}-\x{1F149}\x{1F150}-\x{1F169}\x{1F170}-\x{1F189})";

// What stands for \w, \W, \b or \B outside of a set. There Oniguruma goes by ISO 8859-1 below
// U+100, which has superscripts and fractions too.
std::string WordEscape(char letter) {
  const std::string set = absl::StrCat(kWordSet, R"(\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE})");
  const std::string word = absl::StrCat("[", set, "]");
  switch (letter) {
    case 'w':
      return word;
    case 'W':
      return absl::StrCat("[^", set, "]");
    case 'b':
      return absl::StrCat("(?:(?<=", word, ")(?!", word, ")|(?<!", word, ")(?=", word, "))");
    default:
      return absl::StrCat("(?:(?<=", word, ")(?=", word, ")|(?<!", word, ")(?!", word, "))");
  }
}

// The pattern as PCRE2 is to read it. What the two read differently, and what is not translated
// here, is refused, rather than matched wrongly.
absl::StatusOr<std::string> Translate(const std::string& regex) {
  const auto refuse = [&](size_t at, const char* what) {
    return absl::InvalidArgumentError(absl::StrCat("the pattern has ", what, " at byte ", at,
                                                   ", which is not supported: ", regex));
  };
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < regex.size(); ++i) {
    const char c = regex[i];
    const std::string_view rest = std::string_view(regex).substr(i);
    if (c == '\\') {
      const char next = i + 1 < regex.size() ? regex[i + 1] : 0;
      if (std::string_view("hHvVRXKQEGNOyYkgCMcu").find(next) != std::string_view::npos &&
          next != 0)
        return refuse(i, "an escape that is not of every syntax");
      const bool property = next == 'p' || next == 'P';
      if (property && rest.substr(2, 1) != "{") return refuse(i, "a property without braces");
      if (in_class && (next == 'W' || next == 'B')) return refuse(i, "a \\W or \\B in a set");
      if (next == 'w' && in_class) {
        out += kWordSet;
        ++i;
        continue;
      }
      if (!in_class && next != 0 && std::string_view("wWbB").find(next) != std::string_view::npos) {
        out += WordEscape(next);
        ++i;
        continue;
      }
      out.append(rest.substr(0, 2));
      ++i;
      if (i + 1 < regex.size() && regex[i + 1] == '{') {
        const size_t end = std::min(regex.size() - 1, regex.find('}', i));
        std::string_view inside = std::string_view(regex).substr(i + 2, end - i - 1);
        out += '{';
        if (property) {  // a general category, or a script: PCRE2 means scripts' extensions too
          if (inside.substr(0, 1) == "^") {
            out += '^';
            inside.remove_prefix(1);
          }
          if (inside.size() > 3) out += "sc:";
        }
        out += inside;
        i = end;
      }
      continue;
    }
    if (in_class) {
      if (c == '[') return refuse(i, "a set within a set");
      if (rest.substr(0, 2) == "&&") return refuse(i, "an intersection of sets (&&)");
      if (c == ']') in_class = false;
    } else if (c == '[') {
      in_class = true;
      const size_t first = i + 1 + (rest.substr(1, 1) == "^");
      if (first < regex.size() && regex[first] == ']')
        return refuse(first, "an unescaped ] in a set");
    } else if (rest.substr(0, 2) == "{,") {
      return refuse(i, "an interval without a lower bound");
    } else if (rest.substr(0, 2) == "}+") {
      return refuse(i, "a possessive interval");
    } else if (rest.substr(0, 2) == "(*") {
      return refuse(i, "a verb");
    } else if (rest.substr(0, 2) == "(?") {
      const size_t end = regex.find_first_not_of("imsxn-", i + 2);
      if (end != std::string::npos && (regex[end] == ':' || regex[end] == ')')) {
        if (regex.find_first_not_of("i", i + 2) < end) return refuse(i, "an option other than i");
        if (regex[end] == ')' && i > 0)  // where alternatives follow, they mean different things
          return refuse(i, "an option within the pattern");
      }
    }
    out += c;
  }
  return out;
}

struct FreeMatch {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

// The hand-made matchers. Every character of a text belongs to some match of these patterns.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text), classes_(CharClasses()) {}

  size_t Gpt2(size_t at) const {
    if (text_[at] == '\'') {
      const size_t end = Contraction(at, /*any_case=*/false);
      if (end > at) return end;
    }
    const size_t body = text_[at] == ' ' && at + 1 < text_.size() ? at + 1 : at;
    const uint8_t kind = Class(body) & (kLetter | kNumber | kSpace);
    if (kind == kSpace) return Spaces(at, SpaceRun(at));
    return Run(body, kind);
  }

  // `digits`: at most so many in one piece.
  size_t Llama3(size_t at, int digits) const {
    if (text_[at] == '\'') {
      const size_t end = Contraction(at, /*any_case=*/true);
      if (end > at) return end;
    }
    const uint8_t kind = Class(at) & (kLetter | kNumber | kSpace);
    if (kind == kLetter) return Run(at, kLetter);
    if (kind == kNumber) {
      for (; digits > 0 && at < text_.size() && Class(at) & kNumber; --digits)
        at += CharBytes(text_[at]);
      return at;
    }
    const char c = text_[at];
    const size_t next = at + CharBytes(c);
    if (next < text_.size() && c != '\r' && c != '\n' && Class(next) & kLetter)
      return Run(next, kLetter);
    if (kind == 0) return Newlines(Run(at, 0));
    if (c == ' ' && next < text_.size() && (Class(next) & (kLetter | kNumber | kSpace)) == 0)
      return Newlines(Run(next, 0));
    const size_t end = SpaceRun(at);
    const size_t newline = text_.substr(0, end).find_last_of("\r\n");
    if (newline != std::string_view::npos && newline >= at) return newline + 1;
    return Spaces(at, end);
  }

 private:
  uint8_t Class(size_t at) const {
    const auto byte = static_cast<unsigned char>(text_[at]);
    return byte < 0x80 ? classes_[byte] : classes_[CodePoint(text_.data() + at)];
  }

  // The end of the run of characters of the kind: a letter, a number, or neither nor a space.
  size_t Run(size_t at, uint8_t kind) const {
    while (at < text_.size() && (Class(at) & (kLetter | kNumber | kSpace)) == kind)
      at += CharBytes(text_[at]);
    return at;
  }

  size_t SpaceRun(size_t at) const { return Run(at, kSpace); }

  // \s+(?!\S)|\s+ in a run of spaces.
  size_t Spaces(size_t begin, size_t end) const {
    if (end == text_.size()) return end;
    size_t last;
    PreviousCodePoint(text_, end, &last);
    return last > begin ? last : end;
  }

  size_t Newlines(size_t at) const {
    while (at < text_.size() && (text_[at] == '\r' || text_[at] == '\n')) ++at;
    return at;
  }

  size_t Contraction(size_t at, bool any_case) const {
    const auto letter = [&](size_t i) -> char {
      if (i >= text_.size()) return 0;
      const char c = text_[i];
      return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    };
    const char first = letter(at + 1), second = letter(at + 2);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
    if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
        (first == 'l' && second == 'l'))
      return at + 3;
    // U+017F, the long s, is an s in another case.
    if (any_case && text_.substr(at + 1, 2) == "\xC5\xBF") return at + 3;
    return at;
  }

  std::string_view text_;
  const uint8_t* classes_;
};

}  // namespace

absl::StatusOr<Pattern> Pattern::Compile(const std::string& regex, bool by_hand) {
  Pattern pattern;
  if (by_hand && (regex == kGpt2Pattern || regex == kLlama3Pattern || regex == kQwen2Pattern)) {
    pattern.kind_ = regex == kGpt2Pattern     ? Kind::kGpt2
                    : regex == kLlama3Pattern ? Kind::kLlama3
                                              : Kind::kQwen2;
    return pattern;
  }
  const absl::StatusOr<std::string> translated = Translate(regex);
  if (!translated.ok()) return translated.status();
  // As Ruby's syntax has it: ^ and $ at every line, and a line ends with a line feed.
  const std::unique_ptr<pcre2_compile_context, void (*)(pcre2_compile_context*)> context(
      pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE at = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated->data()), translated->size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error, &at, context.get());
  if (code == nullptr) {
    PCRE2_UCHAR message[256] = {};
    pcre2_get_error_message(error, message, sizeof(message));
    return absl::InvalidArgumentError(absl::StrCat(
        "the pattern is refused: ", reinterpret_cast<const char*>(message), ": ", regex));
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where it cannot, matching is only slower
  pattern.code_ = std::shared_ptr<const void>(
      code, [](const void* p) { pcre2_code_free(static_cast<pcre2_code*>(const_cast<void*>(p))); });
  return pattern;
}

Pattern Pattern::Literal(std::string_view text) {
  Pattern pattern;
  pattern.kind_ = Kind::kLiteral;
  pattern.literal_ = text;
  return pattern;
}

void Pattern::Find(std::string_view text,
                   absl::FunctionRef<void(std::string_view, bool)> found) const {
  if (kind_ == Kind::kGeneral) return FindGeneral(text, found);
  if (kind_ == Kind::kLiteral) {
    size_t done = 0;
    while (!literal_.empty()) {
      const size_t at = text.find(literal_, done);
      if (at == std::string_view::npos) break;
      if (at > done) found(text.substr(done, at - done), false);
      found(text.substr(at, literal_.size()), true);
      done = at + literal_.size();
    }
    if (done < text.size()) found(text.substr(done), false);
    return;
  }
  const Scanner scanner(text);
  for (size_t at = 0; at < text.size();) {
    const size_t end = kind_ == Kind::kGpt2 ? scanner.Gpt2(at)
                                            : scanner.Llama3(at, kind_ == Kind::kLlama3 ? 3 : 1);
    found(text.substr(at, end - at), true);
    at = end;
  }
}

void Pattern::FindGeneral(std::string_view text,
                          absl::FunctionRef<void(std::string_view, bool)> found) const {
  std::string shown;  // what PCRE2 sees, where that differs
  const uint8_t* const classes = CharClasses();
  for (size_t at = 0; at < text.size(); at += CharBytes(text[at])) {
    if (static_cast<unsigned char>(text[at]) < 0xE0) continue;
    const uint32_t c = CodePoint(text.data() + at);
    if (!(classes[c] & kStandIn)) continue;
    if (shown.empty()) shown = text;
    std::string stand_in;
    AppendUtf8(StandIn(c), &stand_in);
    shown.replace(at, stand_in.size(), stand_in);
  }
  const std::string_view subject = shown.empty() ? text : std::string_view(shown);

  const auto* code = static_cast<const pcre2_code*>(code_.get());
  thread_local const std::unique_ptr<pcre2_match_data, FreeMatch> match(
      pcre2_match_data_create(1, nullptr));
  const auto search = [&](size_t from) {
    const auto run = [&](uint32_t options) {
      return pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(subject.data()), subject.size(), from,
                         PCRE2_NO_UTF_CHECK | options, match.get(), nullptr);
    };
    const int result = run(0);
    return (result == PCRE2_ERROR_JIT_STACKLIMIT ? run(PCRE2_NO_JIT) : result) >= 0;
  };
  const PCRE2_SIZE* const place = pcre2_get_ovector_pointer(match.get());
  size_t done = 0;  // all before this was given out
  size_t from = 0;
  bool any = false;
  while (from <= text.size() && search(from)) {
    const size_t begin = place[0], end = place[1];
    if (end == begin && any && end == done) {  // an empty match right after another is none
      from += from < text.size() ? CharBytes(text[from]) : 1;
      continue;
    }
    if (begin > done) found(text.substr(done, begin - done), false);
    found(text.substr(begin, end - begin), true);
    done = from = end;
    any = true;
  }
  if (done < text.size()) found(text.substr(done), false);
}

}  // namespace sojourn::policy
