// The patterns that tokenizers cut texts with.
#ifndef SOJOURN_POLICY_PRETOKENIZER_PATTERN_H_
#define SOJOURN_POLICY_PRETOKENIZER_PATTERN_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace sojourn::policy {

// What ByteLevel splits by when it is asked to.
inline constexpr char kGpt2Pattern[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr char kLlama3Pattern[] =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr char kQwen2Pattern[] =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// A regular expression in Oniguruma's Ruby syntax, as `tokenizers` uses it, run by PCRE2; the
// patterns above by hand-made matchers. Immutable, thread-safe.
class Pattern {
 public:
  // InvalidArgument names the place in a pattern that is wrong, or that means something else in
  // PCRE2. `by_hand` false: the patterns above by PCRE2 too.
  static absl::StatusOr<Pattern> Compile(const std::string& regex, bool by_hand = true);
  static Pattern Literal(std::string_view text);  // matches this text and nothing else

  // Calls with the matches and what lies between them, in order; together they are the text. A
  // match may be empty. The text must be valid UTF-8.
  void Find(std::string_view text,
            absl::FunctionRef<void(std::string_view piece, bool is_match)> found) const;

 private:
  enum class Kind { kGeneral, kLiteral, kGpt2, kLlama3, kQwen2 };

  void FindGeneral(std::string_view text,
                   absl::FunctionRef<void(std::string_view, bool)> found) const;

  Kind kind_ = Kind::kGeneral;
  std::string literal_;
  std::shared_ptr<const void> code_;  // pcre2_code
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_PRETOKENIZER_PATTERN_H_
