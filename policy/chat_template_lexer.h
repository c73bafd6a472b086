// A template's text cut into data and the tokens of its tags.
#ifndef SOJOURN_POLICY_CHAT_TEMPLATE_LEXER_H_
#define SOJOURN_POLICY_CHAT_TEMPLATE_LEXER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sojourn::policy::chat_template {

struct Token {
  enum class Kind {
    kData,
    kOutputBegin,  // {{
    kOutputEnd,
    kBlockBegin,  // {%
    kBlockEnd,
    kName,
    kString,
    kInteger,
    kFloat,
    kOperator,
    kEnd,
  };
  Kind kind;
  std::string text;
  int line;
  int64_t integer = 0;
  double number = 0;
};

// With trim_blocks and lstrip_blocks, as `transformers` sets them. Throws Error.
std::vector<Token> Tokenize(std::string_view source);

}  // namespace sojourn::policy::chat_template

#endif  // SOJOURN_POLICY_CHAT_TEMPLATE_LEXER_H_
