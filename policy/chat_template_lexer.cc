#include "policy/chat_template_lexer.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "policy/chat_template_value.h"
#include "policy/pretokenizer_unicode.h"

namespace sojourn::policy::chat_template {
namespace {

class Lexer {
 public:
  explicit Lexer(std::string_view source) {
    for (size_t i = 0; i < source.size(); ++i) {  // every newline is \n
      if (source[i] != '\r') {
        source_ += source[i];
      } else if (i + 1 == source.size() || source[i + 1] != '\n') {
        source_ += '\n';
      }
    }
    if (!source_.empty() && source_.back() == '\n') source_.pop_back();
  }

  std::vector<Token> Run() {
    while (at_ < source_.size()) Data();
    Add(Token::Kind::kEnd, "end of the template");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void FailHere(std::string message) { throw Error{std::move(message), line_}; }

  bool Starts(std::string_view text, size_t at) const {
    return std::string_view(source_).substr(at, text.size()) == text;
  }
  char At(size_t i) const { return i < source_.size() ? source_[i] : '\0'; }

  void Add(Token::Kind kind, std::string text) {
    tokens_.push_back({kind, std::move(text), line_});
  }

  void MoveTo(size_t to) {
    line_ += static_cast<int>(std::count(source_.begin() + at_, source_.begin() + to, '\n'));
    line_starting_ = to > at_ ? source_[to - 1] == '\n' : line_starting_;
    at_ = to;
  }

  size_t SkipSpace(size_t i) const {
    const std::string_view rest = std::string_view(source_).substr(i);
    return i + rest.size() - Strip(rest, true, false).size();
  }

  // Text before a tag at `tag`, without what the tag's sign takes off it.
  void AddData(size_t tag, char sign, bool output) {
    std::string_view text = std::string_view(source_).substr(at_, tag - at_);
    if (sign == '-') {
      text = Strip(text, false, true);
    } else if (sign != '+' && !output) {
      const size_t line = text.rfind('\n') == std::string_view::npos ? 0 : text.rfind('\n') + 1;
      if ((line > 0 || line_starting_) && line < text.size() &&
          Strip(text.substr(line), true, false).empty())
        text = text.substr(0, line);
    }
    if (!text.empty()) Add(Token::Kind::kData, std::string(text));
  }

  static char Sign(char c) { return c == '-' || c == '+' ? c : '\0'; }

  void Data() {
    size_t tag = at_;
    for (;; ++tag) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 == source_.size()) {
        Add(Token::Kind::kData, source_.substr(at_));
        return MoveTo(source_.size());
      }
      if (source_[tag + 1] == '{' || source_[tag + 1] == '%' || source_[tag + 1] == '#') break;
    }
    const char kind = source_[tag + 1];
    const char sign = Sign(At(tag + 2));
    AddData(tag, sign, kind == '{');
    const size_t inside = tag + 2 + (sign != '\0');
    if (kind == '%' && Raw(inside)) return;
    MoveTo(inside);
    if (kind == '#') return Comment();
    Add(kind == '{' ? Token::Kind::kOutputBegin : Token::Kind::kBlockBegin,
        kind == '{' ? "{{" : "{%");
    Tag(kind == '{' ? "}}" : "%}", kind == '%');
  }

  // The end of a tag that stands at `i`, or npos: "%}" with one newline, "-%}" with all space.
  size_t TagEnd(size_t i, std::string_view end, bool trims) const {
    const char sign = Sign(At(i));
    if (sign == '+' && !trims) return std::string::npos;
    const size_t close = i + (sign != '\0');
    if (!Starts(end, close)) return std::string::npos;
    const size_t after = close + end.size();
    if (sign == '-') return SkipSpace(after);
    return sign == '\0' && trims && At(after) == '\n' ? after + 1 : after;
  }

  void Comment() {
    for (size_t i = at_; i < source_.size(); ++i) {
      const size_t end = TagEnd(i, "#}", true);
      if (end != std::string::npos) return MoveTo(end);
    }
    FailHere("missing end of comment tag");
  }

  // {% raw %} ... {% endraw %}
  bool Raw(size_t i) {
    i = SkipSpace(i);
    if (!Starts("raw", i)) return false;
    i = SkipSpace(i + 3);
    if (Sign(At(i)) == '+') return false;
    size_t end = TagEnd(i, "%}", false);
    if (end == std::string::npos) return false;
    MoveTo(end);
    for (size_t tag = source_.find("{%", at_); tag != std::string::npos;
         tag = source_.find("{%", tag + 1)) {
      const char sign = Sign(At(tag + 2));
      const size_t word = SkipSpace(tag + 2 + (sign != '\0'));
      if (!Starts("endraw", word)) continue;
      end = TagEnd(SkipSpace(word + 6), "%}", true);
      if (end == std::string::npos) continue;
      AddData(tag, sign, false);
      MoveTo(end);
      return true;
    }
    FailHere("missing end of raw directive");
  }

  void Tag(std::string_view close, bool trims) {
    std::string open;  // brackets
    for (;;) {
      if (open.empty()) {
        const size_t end = TagEnd(at_, close, trims);
        if (end != std::string::npos) {
          Add(trims ? Token::Kind::kBlockEnd : Token::Kind::kOutputEnd, std::string(close));
          return MoveTo(end);
        }
      }
      const size_t next = SkipSpace(at_);
      if (next > at_) {
        MoveTo(next);
        continue;
      }
      if (at_ == source_.size()) FailHere(absl::StrCat("missing ", close));
      const char c = source_[at_];
      if (absl::ascii_isdigit(c)) {
        Number();
      } else if (c == '\'' || c == '"') {
        Text(c);
      } else if (absl::ascii_isalpha(c) || c == '_') {
        size_t end = at_;
        while (absl::ascii_isalnum(At(end)) || At(end) == '_') ++end;
        Add(Token::Kind::kName, source_.substr(at_, end - at_));
        MoveTo(end);
      } else {
        Operator(&open);
      }
    }
  }

  void Operator(std::string* open) {
    for (const char* text :
         {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
          "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"}) {
      if (!Starts(text, at_)) continue;
      const char c = *text;
      if (c == '(' || c == '[' || c == '{') *open += c;
      if (c == ')' || c == ']' || c == '}') {
        const char wanted = c == ')' ? '(' : c == ']' ? '[' : '{';
        if (open->empty() || open->back() != wanted)
          FailHere(absl::StrCat("unexpected '", text, "'"));
        open->pop_back();
      }
      Add(Token::Kind::kOperator, text);
      return MoveTo(at_ + std::string_view(text).size());
    }
    FailHere(absl::StrCat("unexpected character '",
                          std::string_view(source_).substr(at_, CharBytes(source_[at_])), "'"));
  }

  void Number() {
    size_t end = at_;
    const auto digits = [&] {
      while (absl::ascii_isdigit(At(end)) || (At(end) == '_' && absl::ascii_isdigit(At(end + 1))))
        ++end;
    };
    digits();
    bool is_float = false;
    if (At(end) == '.' && absl::ascii_isdigit(At(end + 1))) {
      is_float = true;
      ++end;
      digits();
    }
    if ((At(end) | 32) == 'e') {
      const size_t sign = At(end + 1) == '+' || At(end + 1) == '-' ? 1 : 0;
      if (absl::ascii_isdigit(At(end + 1 + sign))) {
        is_float = true;
        end += 1 + sign;
        digits();
      }
    }
    std::string text = source_.substr(at_, end - at_);
    text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
    if (absl::ascii_isalpha(At(end)))
      FailHere(absl::StrCat("not a number: ", text, std::string(1, At(end))));
    Add(is_float ? Token::Kind::kFloat : Token::Kind::kInteger, text);
    Token& token = tokens_.back();
    if (is_float ? !absl::SimpleAtod(text, &token.number) : !absl::SimpleAtoi(text, &token.integer))
      FailHere(absl::StrCat("a number is too large: ", text));
    MoveTo(end);
  }

  void Text(char quote) {
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) FailHere("a string has no end");
    Add(Token::Kind::kString, Unescape(std::string_view(source_).substr(at_ + 1, end - at_ - 1)));
    MoveTo(end + 1);
  }

  // As Python's unicode-escape.
  std::string Unescape(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\' || i + 1 == text.size()) {
        out += text[i];
        continue;
      }
      const char c = text[++i];
      constexpr std::string_view kLetters = "abfnrtv\\'\"", kMeant = "\a\b\f\n\r\t\v\\'\"";
      const size_t letter = kLetters.find(c);
      const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
      if (c == '\n') continue;
      if (letter != std::string_view::npos) {
        out += kMeant[letter];
      } else if (digits > 0) {
        uint32_t value = 0;
        if (i + digits >= text.size() || !absl::SimpleHexAtoi(text.substr(i + 1, digits), &value) ||
            value > kMostCodePoint || (value >= 0xD800 && value < 0xE000)) {
          FailHere("a string has an escape that is no character");
        }
        AppendUtf8(value, &out);
        i += digits;
      } else if (c >= '0' && c <= '7') {
        uint32_t value = 0;
        size_t n = 0;
        for (; n < 3 && i + n < text.size() && text[i + n] >= '0' && text[i + n] <= '7'; ++n)
          value = value * 8 + static_cast<uint32_t>(text[i + n] - '0');
        AppendUtf8(value, &out);
        i += n - 1;
      } else if (c == 'N') {
        FailHere("a string has an escape by name (\\N), which is not supported");
      } else {
        out += '\\';
        out += c;
      }
    }
    return out;
  }

  std::string source_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
};

}  // namespace

std::vector<Token> Tokenize(std::string_view source) { return Lexer(source).Run(); }

}  // namespace sojourn::policy::chat_template
