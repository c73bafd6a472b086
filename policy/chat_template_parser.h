// The grammar of Jinja2 templates, as far as chat templates use it.
#ifndef SOJOURN_POLICY_CHAT_TEMPLATE_PARSER_H_
#define SOJOURN_POLICY_CHAT_TEMPLATE_PARSER_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/chat_template_value.h"

namespace sojourn::policy::chat_template {

struct Expression;
using ExpressionPtr = std::unique_ptr<const Expression>;

struct Arguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr list, dict;  // *list and **dict, or null
};

struct Expression {
  enum class Kind {
    kConstant,   // constant
    kName,       // name
    kList,       // parts
    kTuple,      // parts
    kDict,       // parts: key, value, key, value...
    kCondition,  // parts: then, if, else (may be null)
    kOr,         // parts: left, right
    kAnd,
    kNot,      // parts: one
    kCompare,  // parts: n + 1 operands, operators: n
    kBinary,   // parts: left, right; name: + - * / // % **
    kConcat,   // parts
    kNegative,
    kPositive,
    kAttribute,  // parts: one; name
    kItem,       // parts: value, key
    kSlice,      // parts: value, start, stop, step (may be null)
    kCall,       // parts: what; arguments
    kFilter,     // parts: value (null: the body of a block); name, arguments
    kTest,       // parts: value; name, arguments
  };
  Kind kind;
  int line;
  int depth = 1;
  std::string name;
  Value constant;
  std::vector<ExpressionPtr> parts;
  std::vector<std::string> operators;
  Arguments arguments;
};

struct Statement;
using Body = std::vector<Statement>;

// Where a value goes: names, or one attribute of a namespace.
struct Target {
  std::vector<std::string> names;
  bool unpack = false;
  std::string attribute;  // of names[0], when not empty
};

struct Statement {
  enum class Kind {
    kText,      // text
    kOutput,    // value
    kIf,        // value (null: else), body; and the next of its branches in `other`
    kFor,       // target, value, condition, body, other
    kSet,       // target, value
    kSetBlock,  // target, value (filters, may be null), body
    kMacro,     // name, parameters, defaults, body
    kCall,      // value (the call), parameters, defaults, body
    kFilter,    // value (filters), body
    kGroup,     // body, with names of its own
    kBreak,
    kContinue,
  };
  Kind kind;
  int line;
  std::string text, name;
  Target target;
  ExpressionPtr value, condition;
  Body body, other;
  std::vector<std::string> parameters;
  std::vector<ExpressionPtr> defaults;  // of the last parameters
};

// Throws Error. `source` must be valid UTF-8.
Body Parse(std::string_view source);

}  // namespace sojourn::policy::chat_template

#endif  // SOJOURN_POLICY_CHAT_TEMPLATE_PARSER_H_
